"""What a configuration may set about a program: every parameter of the prompt and of the model, with its bounds."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.values import shown

Selection = Literal["first", "random", "balanced", "nearest"]
Arrangement = Literal["as_selected", "reversed", "shuffled", "by_label", "most_similar_last"]


class Demonstration(BaseModel):
    """An example that is shown as it stands; `example_id` says which one of a dataset it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    example_id: str = ""

    def example(self) -> dict[str, Any]:
        """Returns what it asks and answers."""
        return {"inputs": self.inputs, "outputs": self.outputs}


class Parameters(BaseModel):
    """The effective parameters of one run: the program's settings with a configuration laid over them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    model: str = Field("", max_length=255, description="The model; the platform's default when empty.")
    instructions: str = Field("", max_length=100_000, description="Replaces the signature's instructions.")
    temperature: float = Field(0.0, ge=0, le=2, description="How far the model strays from its likeliest answer.")
    top_p: float = Field(1.0, gt=0, le=1, description="The probability mass that answers are drawn from.")
    max_tokens: int = Field(256, ge=1, le=100_000, description="The most tokens of one answer.")
    timeout_ms: int = Field(30_000, ge=1, le=600_000, description="How long one model call may take.")
    parse_attempts: int = Field(
        1, ge=1, le=5, description="How often the model is asked in all while its answer cannot be read; each is paid."
    )
    model_attempts: int = Field(
        6, ge=1, le=10, description="How often each call is made in all while the model does not answer; each is paid."
    )
    retry_backoff_ms: int = Field(
        500,
        ge=0,
        le=60_000,
        description="How long is waited before the second try; twice that before each further one.",
    )
    demonstration_count: int = Field(0, ge=0, le=256, description="How many training examples are shown.")
    demonstration_selection: Selection = Field(
        "first", description="Which: the first, random ones, equally many per label, or the nearest to each input."
    )
    demonstration_order: Arrangement = Field("as_selected", description="In which order they are shown.")
    demonstrations: list[Demonstration] | None = Field(
        None,
        max_length=256,
        description="All that are shown, as they stand, in the place of training examples.",
    )
    demonstration_seed: int = Field(0, ge=0, le=2**53 - 1, description="The seed of random choice and order.")
    rule_count: int = Field(
        0, ge=0, le=200, description="How many cue rules, mined from the training examples, join the instructions."
    )


class Refused(Exception):  # noqa: N818 - the caller turns it into a failure of its own
    """A configuration that no program can run with; `violations` holds every (path, message)."""

    def __init__(self, violations: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in violations))
        self.violations = violations


def parameters(settings: Mapping[str, Any], configuration: Mapping[str, Any]) -> Parameters:
    """Lays a configuration over a program's settings; raises Refused with every violation at once."""
    known = {k: v for k, v in settings.items() if k in Parameters.model_fields}
    try:
        return Parameters.model_validate({**known, **{k: _number(k, v) for k, v in configuration.items()}})
    except ValidationError as error:
        raise Refused([_violation(e) for e in error.errors()]) from None


def _number(name: str, value: Any) -> Any:
    # JSON knows one kind of number; strict integers must still take 3.0, and strict floats 3.
    field = Parameters.model_fields.get(name)
    if field is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if field.annotation is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return float(value) if field.annotation is float else value


def _violation(error: Any) -> tuple[str, str]:
    path = "configuration" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"])
    if error["type"] == "extra_forbidden":
        return path, f"is no parameter of a program; there are {', '.join(sorted(Parameters.model_fields))}"
    return path, _told(error)


def _told(error: Any) -> str:
    """Returns what is wrong in the words that values are refused with everywhere else."""
    context, kind = error.get("ctx") or {}, str(error["type"])
    if kind in _WORDED:
        return _WORDED[kind].format(**{name: shown(value) for name, value in context.items()})
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    return _TYPES.get(kind, str(error["msg"]))


_WORDED = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must be at most {max_length} characters",
    "too_long": "must have at most {max_length} items, not {actual_length}",
}
_TYPES = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a finite number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}
