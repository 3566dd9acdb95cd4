"""What of a program may be tuned: the knobs of its model and the slots of its prompts, its own values as defaults."""

from collections.abc import Iterator, Sequence

from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.program_pb2 import Program, ProgramConfig
from ashgrove.program.v1.signature_pb2 import SignatureField
from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.struct_pb2 import Value

from framework.errors import IllegalState
from services.variables.applying import MAIN

DEFAULT_TOKENS, MOST_TOKENS = 256, 4096
MOST_SHOWN = 8
"""How many demonstrations are proposed at most."""

SELECTIONS = ("first", "random", "balanced", "nearest")


def proposed(
    program: Program, models: Sequence[str], *, slots: bool = False, dataset: Dataset | None = None
) -> list[pb.Variable]:
    """Returns the variables that a program's document speaks for; raises IllegalState for custom code.

    What custom code may be told is for its own parameters to say.
    """
    if program.type == Program.TYPE_CUSTOM:
        raise IllegalState("a custom program's code says what may be tuned, not its document", resource="program")
    inputs = [_input(field) for field in program.signature_config.inputs if field.variable]
    return [*inputs, *_knobs(program, models), *(_prompts(dataset) if slots else ())]


def _input(field: SignatureField) -> pb.Variable:
    """Returns an input marked variable: one of its choices, or a number in a range that is a guess to be changed."""
    made = pb.Variable(name=field.name, description=field.description)
    if field.type == SignatureField.TYPE_BOOLEAN:
        made.boolean.SetInParent()
    elif field.type == SignatureField.TYPE_INTEGER:
        made.integer.CopyFrom(pb.IntegerDomain(low=0, high=100))
    elif field.type == SignatureField.TYPE_NUMBER:
        made.float.CopyFrom(pb.FloatDomain(low=0, high=1))
    else:
        made.choice.choices.extend(map(_text, field.choices))
    return made


def _knobs(program: Program, models: Sequence[str]) -> Iterator[pb.Variable]:
    config = program.program_config
    known = [*dict.fromkeys([config.model, *models])]
    if len(known) > 1:
        model = pb.Variable(name="model", description="The model.", default=_text(config.model))
        model.choice.choices.extend(map(_text, known))
        yield model
    heat = config.temperature if config.HasField("temperature") else 0.0
    yield pb.Variable(
        name="temperature",
        description="How far the model strays from its likeliest answer.",
        float=pb.FloatDomain(low=0, high=2),
        default=Value(number_value=heat),
    )
    mass = config.top_p if config.HasField("top_p") else 1.0
    yield pb.Variable(
        name="top_p",
        description="The probability mass that answers are drawn from.",
        float=pb.FloatDomain(low=min(0.05, mass), high=1, step=0 if config.HasField("top_p") else 0.05),
        default=Value(number_value=mass),
    )
    tokens = config.max_tokens if config.HasField("max_tokens") else DEFAULT_TOKENS
    yield pb.Variable(
        name="max_tokens",
        description="The most tokens of one answer.",
        integer=pb.IntegerDomain(low=min(16, tokens), high=max(MOST_TOKENS, tokens), log=True),
        default=Value(number_value=tokens),
    )
    yield from _demonstrations(config)


def _prompts(dataset: Dataset | None) -> Iterator[pb.Variable]:
    """Yields what the main slot says; the program's own words are what `unchanged` means."""
    yield pb.Variable(
        name="instruction",
        description="What the model is told to do.",
        instruction=pb.InstructionDomain(slot=MAIN, token_limit=2048),
    )
    if dataset is not None:
        shown = pb.DemoSetDomain(
            slot=MAIN, dataset_id=dataset.id, dataset_revision=dataset.revision, max_demonstrations=MOST_SHOWN
        )
        yield pb.Variable(name="demonstrations", description="Which examples are shown.", demo_set=shown)


def _demonstrations(config: ProgramConfig) -> Iterator[pb.Variable]:
    yield pb.Variable(
        name="demonstration_count",
        description="How many training examples are shown.",
        integer=pb.IntegerDomain(low=0, high=max(MOST_SHOWN, config.demonstration_count)),
        default=Value(number_value=config.demonstration_count),
    )
    selection = pb.Variable(
        name="demonstration_selection",
        description="Which of them.",
        when="demonstration_count > 0",
        default=_text(config.demonstration_selection or SELECTIONS[0]),
    )
    selection.choice.choices.extend(map(_text, SELECTIONS))
    yield selection


def _text(text: str) -> Value:
    return Value(string_value=text)
