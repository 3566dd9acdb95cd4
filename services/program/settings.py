"""The settings of the program service's processes."""

from pydantic import Field, SecretStr

from framework.settings import ServiceSettings
from services.program.lm.engine import DEFAULT_MODEL, ModelSettings


class ProgramSettings(ServiceSettings):
    """What every service needs to know, and which models there are."""

    lm: str = Field(DEFAULT_MODEL, description="The model of programs that name none.")
    lm_base_url: str = Field("", description="An OpenAI-compatible endpoint, such as https://models.example/v1.")
    lm_api_key: SecretStr | None = Field(None, description="The endpoint's key.")
    lm_connections: int = Field(64, ge=1, description="The most connections of a worker to the endpoint.")
    examples_at_once: int = Field(4, ge=1, le=256, description="How many examples of one evaluation run at a time.")

    @property
    def models(self) -> ModelSettings:
        """The settings as the engine of models wants them."""
        return ModelSettings(default_model=self.lm, base_url=self.lm_base_url, api_key=self.lm_api_key)
