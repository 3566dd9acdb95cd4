"""What of a program may be tuned: the knobs of its model and the slots of its prompts, its own values as defaults."""

import math
from collections.abc import Collection, Iterator, Sequence

from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.program_pb2 import Program, ProgramConfig
from ashgrove.program.v1.signature_pb2 import SignatureField
from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.struct_pb2 import Value

from domain.values import LARGEST_INTEGER
from framework.errors import IllegalState
from services.variables.places import MAIN, slots_of

_FLOATS = (SignatureField.TYPE_NUMBER, SignatureField.TYPE_PROBABILITY, SignatureField.TYPE_CONFIDENCE)
DEFAULT_TOKENS, MOST_TOKENS = 256, 4096
MOST_SHOWN = 8
"""How many demonstrations are proposed at most."""

DEFAULT_K, MOST_FOUND = 5, 20
"""How many a look-up finds, and how many are proposed at most."""

MOST_LETTERS = 63

SELECTIONS = ("first", "random", "balanced", "nearest")


def proposed(
    program: Program, models: Sequence[str], *, slots: bool = False, dataset: Dataset | None = None
) -> list[pb.Variable]:
    """Returns the variables that a program's document speaks for, a sound space; raises IllegalState for custom code.

    What custom code may be told is for its own parameters to say. An input whose bounds leave no range is not among
    them, and neither is a step that is called like an input.
    """
    if program.type == Program.TYPE_CUSTOM:
        raise IllegalState("a custom program's code says what may be tuned, not its document", resource="program")
    inputs = [made for each in program.signature_config.inputs if each.variable and (made := _input(each))]
    found = {each.name: each for each in inputs}
    for each in _steps(program) if program.type == Program.TYPE_PIPELINE else _knobs(program, models):
        found.setdefault(each.name, each)
    for each in _prompts(sorted(slots_of(program)), dataset) if slots else ():
        each.name = _free(each.name, found)
        found[each.name] = each
    return list(found.values())


def _free(name: str, taken: Collection[str]) -> str:
    """Returns a name that nothing else has: slots may be called alike in all the letters that there is room for."""
    made, number = name[:MOST_LETTERS], 1
    while made in taken:
        number += 1
        ending = f"_{number}"
        made = name[: MOST_LETTERS - len(ending)] + ending
    return made


def _input(field: SignatureField) -> pb.Variable | None:
    """Returns an input marked variable: one of its choices, or a number in a range that is a guess to be changed.

    None where no number is left that a space could hold.
    """
    made = pb.Variable(name=field.name, description=field.description)
    if field.type == SignatureField.TYPE_BOOLEAN:
        made.boolean.SetInParent()
    elif field.type == SignatureField.TYPE_INTEGER:
        low, high = _bounds(field, 0, 100)
        first, last = max(math.ceil(low), -LARGEST_INTEGER), min(math.floor(high), LARGEST_INTEGER)
        if first > last:
            return None
        made.integer.CopyFrom(pb.IntegerDomain(low=first, high=last))
    elif field.type in _FLOATS:
        low, high = _bounds(field, 0, 1)
        if not math.isfinite(high - low):
            return None
        made.float.CopyFrom(pb.FloatDomain(low=low, high=high))
    else:
        made.choice.choices.extend(map(_text, field.choices))
    return made


def _bounds(field: SignatureField, low: float, high: float) -> tuple[float, float]:
    """Returns the bounds that a field declares, and around one of them the width of the guess."""
    its = field.constraints
    if its.HasField("minimum"):
        low, high = its.minimum, its.minimum + (high - low)
    if its.HasField("maximum"):
        low, high = (low if its.HasField("minimum") else min(low, its.maximum)), its.maximum
    if field.type != SignatureField.TYPE_INTEGER and field.type != SignatureField.TYPE_NUMBER:
        high = min(high, 1)
    return low, high


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
    if program.type != Program.TYPE_REACT:
        yield from _demonstrations(config)


def _prompts(slots: Sequence[str], dataset: Dataset | None) -> Iterator[pb.Variable]:
    """Yields what each slot says; the program's own words are what `unchanged` means."""
    for slot in slots:
        ending = "" if slot == MAIN else f"_{slot}"
        yield pb.Variable(
            name=f"instruction{ending}",
            description="What the model is told to do.",
            instruction=pb.InstructionDomain(slot=slot, token_limit=2048),
        )
        if dataset is not None:
            shown = pb.DemoSetDomain(
                slot=slot, dataset_id=dataset.id, dataset_revision=dataset.revision, max_demonstrations=MOST_SHOWN
            )
            name = f"demonstrations{ending}"
            yield pb.Variable(name=name, description="Which examples are shown.", demo_set=shown)


def _steps(program: Program) -> Iterator[pb.Variable]:
    """Yields, for each look-up of a pipeline, a group called like its step: how many it finds."""
    for step in program.program_config.pipeline.steps:
        if step.HasField("retriever"):
            k = step.retriever.k if step.retriever.HasField("k") else DEFAULT_K
            made = pb.Variable(name=step.name, description="How a look-up is done.")
            many = pb.IntegerDomain(low=1, high=max(MOST_FOUND, k))
            made.group.variables.add(name="k", integer=many, default=Value(number_value=k))
            yield made


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
