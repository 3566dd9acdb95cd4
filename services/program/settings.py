"""The settings of the program service's processes."""

from pydantic import Field, SecretStr

from framework.settings import ServiceSettings
from services.program.bounds import Bounds
from services.program.code.contract import Limits
from services.program.lm.engine import DEFAULT_MODEL, ModelSettings


class ProgramSettings(ServiceSettings):
    """What every service needs to know, and which models there are."""

    lm: str = Field(DEFAULT_MODEL, description="The model of programs that name none.")
    lm_base_url: str = Field("", description="An OpenAI-compatible endpoint, such as https://models.example/v1.")
    lm_api_key: SecretStr | None = Field(None, description="The endpoint's key.")
    lm_input_micros: int | None = Field(
        None,
        ge=0,
        description="What a million tokens of input cost there, in millionths of a dollar; else unknown.",
    )
    lm_output_micros: int | None = Field(None, ge=0, description="The same of its output.")
    lm_connections: int = Field(64, ge=1, description="The most connections of a worker to the endpoint.")
    trace_prompts: bool = Field(False, description="Whether spans tell what models are asked and what they answer.")
    examples_at_once: int = Field(4, ge=1, le=256, description="How many examples of one evaluation run at a time.")
    evaluations_at_once: int = Field(4, ge=1, le=256, description="How many evaluations a worker does at a time.")
    execution_keep_days: int = Field(0, ge=0, description="How many days executions are kept at least; 0: for ever.")
    model_call_keep_days: int = Field(0, ge=0, description="The same of model calls; what they cost is kept by month.")
    code_processes: int = Field(8, ge=1, le=256, description="The most processes of custom code beside a worker.")
    code_call_ms: int = Field(30_000, ge=1, description="How long a call of custom code may take, unless it says so.")
    code_prepare_ms: int = Field(60_000, ge=1, description="How long its preparation may take, unless it says so.")
    code_prepare_ms_most: int = Field(600_000, ge=1, description="The same, whatever it says.")
    code_cpu_seconds: int = Field(300, ge=1, description="Processor time of one evaluation's code, unless it says so.")
    code_cpu_seconds_most: int = Field(3_600, ge=1, description="The same, whatever it says.")
    code_memory_mb: int = Field(1_024, ge=64, description="Memory of one process of custom code, unless it says so.")
    code_memory_mb_most: int = Field(4_096, ge=64, description="The same, whatever it says.")

    @property
    def models(self) -> ModelSettings:
        """The settings as the engine of models wants them."""
        return ModelSettings(
            default_model=self.lm,
            base_url=self.lm_base_url,
            api_key=self.lm_api_key,
            input_micros=self.lm_input_micros,
            output_micros=self.lm_output_micros,
            traced_texts=self.trace_prompts,
        )

    @property
    def keep_days(self) -> dict[str, int]:
        """The days that rows are kept, by table."""
        return {"executions": self.execution_keep_days, "model_calls": self.model_call_keep_days}

    @property
    def bounds(self) -> Bounds:
        """The settings as the work wants them."""
        usual = Limits(self.code_call_ms, self.code_prepare_ms, self.code_cpu_seconds, self.code_memory_mb)
        # One call may take what the proto allows.
        most = Limits(600_000, self.code_prepare_ms_most, self.code_cpu_seconds_most, self.code_memory_mb_most)
        return Bounds(usual, most)
