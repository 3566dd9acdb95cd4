"""Spaces as OSS Vizier's StudySpec, in its proto's JSON: a tree of parameters, children under their parents' values.

`google.protobuf.json_format.ParseDict` reads the document into a `StudySpec`; metrics are for whoever makes the study.
"""

from collections.abc import Iterator, Mapping, Sequence

from domain.interchange.exchange import Fitted, Imported
from domain.interchange.fitting import Abilities
from domain.interchange.labels import are_texts, choices_of, labels
from domain.interchange.naming import Names
from domain.interchange.report import Reading, Report
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Variable
from domain.values import Json

_BOOLEANS = ("False", "True")
_VALUES = ("parentCategoricalValues", "parentIntValues", "parentDiscreteValues")
_SPECS = ("doubleValueSpec", "integerValueSpec", "categoricalValueSpec", "discreteValueSpec")


class VizierForm:
    """OSS Vizier's parameter specs."""

    abilities = Abilities(default=True)

    def labels(self, choices: Sequence[Json]) -> list[Json]:
        """Return the choices as texts: True and False, or JSON where they are no texts."""
        if list(choices) == [False, True] and isinstance(choices[0], bool):
            return list(_BOOLEANS)
        return labels(choices, lambda each: are_texts(each) and tuple(each) != _BOOLEANS)

    def written(self, parameters: Sequence[Fitted], report: Report) -> Json:
        """Return the document."""
        by_name = {each.variable.name: each for each in parameters}
        tops, below = list[Fitted](), dict[str, list[Fitted]]()
        for each in parameters:
            parent = _parent(each, by_name, report)
            (tops if parent is None else below.setdefault(parent, [])).append(each)
        order = list(_walked(tops, below))
        if [each.variable.name for each in order] != list(by_name):
            report.rewritten("parameters", "come in the order of the tree: children behind their parents")
        return {"parameters": [_spec(each, by_name, below) for each in tops]}

    def read(self, document: Reading, report: Report) -> Imported:
        """Return what a document says; what is said of metrics and algorithms is none of a space's."""
        names, found = Names(report), list[tuple[Variable, str]]()
        for each in document["parameters"].items():
            _read(each, (), names, found, report)
        return Imported(found)


def _parent(each: Fitted, by_name: Mapping[str, Fitted], report: Report) -> str | None:
    """Return the parent below which a parameter stands: the one whose own conditions are all of its others."""
    asked = dict(each.conditions)
    for parent, _ in reversed(each.conditions):
        others = {name: values for name, values in asked.items() if name != parent}
        if others.items() <= dict(by_name[parent].conditions).items():
            if len(asked) > 1 or by_name[parent].conditions:
                implied = dict(by_name[parent].conditions)
                if others != implied or len(asked) != len(each.conditions):
                    report.rewritten(each.variable.name, "stands below its parent, whose conditions are its own too")
            return parent
    if asked:
        report.lost(each.variable.name, "depends on several parents, and is there without them")
    return None


def _walked(tops: Sequence[Fitted], below: Mapping[str, Sequence[Fitted]]) -> Iterator[Fitted]:
    for each in tops:
        yield each
        yield from _walked(below.get(each.variable.name, ()), below)


def _spec(each: Fitted, by_name: Mapping[str, Fitted], below: Mapping[str, Sequence[Fitted]]) -> dict[str, Json]:
    variable = each.variable
    spec: dict[str, Json] = {"parameterId": variable.name, **_values(each)}
    children = [
        {
            _kind(each): {"values": _labelled(each, dict(child.conditions)[variable.name])},
            "parameterSpec": _spec(child, by_name, below),
        }
        for child in below.get(variable.name, ())
    ]
    return spec | ({"conditionalParameterSpecs": children} if children else {})


def _labelled(parent: Fitted, values: Sequence[Json]) -> list[Json]:
    if parent.labels:
        return [parent.label(value) for value in values]
    return [str(value) for value in values]  # as protos write 64-bit integers


def _kind(parent: Fitted) -> str:
    return _VALUES[0] if parent.labels else _VALUES[1]


def _values(each: Fitted) -> dict[str, Json]:
    variable = each.variable
    default = variable.default
    if each.labels:
        chosen = {} if default is None else {"defaultValue": each.label(default)}
        external = {"externalType": "AS_BOOLEAN"} if isinstance(variable, BooleanVariable) else {}
        return {"categoricalValueSpec": {"values": list(each.labels), **chosen}, **external}
    assert isinstance(variable, FloatVariable | IntegerVariable)
    scale = {"scaleType": "UNIT_LOG_SCALE" if variable.log else "UNIT_LINEAR_SCALE"}
    if isinstance(variable, FloatVariable):
        ends = {"minValue": variable.low, "maxValue": variable.high}
        return {"doubleValueSpec": ends | ({} if default is None else {"defaultValue": default}), **scale}
    whole = {"minValue": str(variable.low), "maxValue": str(variable.high)}
    return {"integerValueSpec": whole | ({} if default is None else {"defaultValue": str(default)}), **scale}


def _read(
    entry: Reading,
    conditions: tuple[tuple[str, Sequence[Json]], ...],
    names: Names,
    found: list[tuple[Variable, str]],
    report: Report,
) -> None:
    name = entry["parameterId"].text()
    variable, known = _variable(entry, names(name), report)
    # The parent's own condition holds whenever the parent is there.
    found.append((variable, names.when(conditions[-1:])))
    for child in entry["conditionalParameterSpecs"].items():
        field = next((each for each in _VALUES if child[each].value is not None), _VALUES[0])
        values = [
            known.get(str(each.value), each.value) if known else each.number()
            for each in child[field]["values"].items()
        ]
        _read(child["parameterSpec"], (*conditions, (name, values)), names, found, report)


def _variable(entry: Reading, name: str, report: Report) -> tuple[Variable, dict[str, Json]]:
    """Return the variable, and what the labels of its choices stand for."""
    field = next((each for each in _SPECS if entry[each].value is not None), "")
    spec, scale = entry[field], entry["scaleType"].value
    default = spec["defaultValue"]
    if isinstance(default.value, dict):
        default = default["value"]
    if scale == "UNIT_REVERSE_LOG_SCALE":
        report.lost(name, "has a reversed logarithmic scale: it is drawn evenly")
    log = scale == "UNIT_LOG_SCALE"
    if field == "doubleValueSpec":
        chosen = None if default.value is None else default.number()
        return FloatVariable(
            name, _end(spec["minValue"]).number(), _end(spec["maxValue"]).number(), log, None, chosen
        ), {}
    if field == "integerValueSpec":
        whole = None if default.value is None else default.whole()
        return IntegerVariable(name, _end(spec["minValue"]).whole(), _end(spec["maxValue"]).whole(), 1, log, whole), {}
    if field == "discreteValueSpec":
        numbers = [each.number() for each in spec["values"].items()]
        plain = tuple(int(each) if float(each).is_integer() else each for each in numbers)
        return ChoiceVariable(name, plain, default=default.value, ordered=True), {}
    if not field:
        entry.fault(f"must have one of {', '.join(_SPECS)}")
        return BooleanVariable(name), {}
    return _categorical(entry, spec, default, name)


def _end(bound: Reading) -> Reading:
    """Return the end of a range; what is absent is 0, as protos write it."""
    return Reading(0 if bound.value is None else bound.value, bound.path, bound.violations)


def _categorical(entry: Reading, spec: Reading, default: Reading, name: str) -> tuple[Variable, dict[str, Json]]:
    known = [each.text() for each in spec["values"].items()]
    if entry["externalType"].value == "AS_BOOLEAN" and tuple(known) == _BOOLEANS:
        booleans: dict[str, Json] = {"False": False, "True": True}
        return BooleanVariable(name, booleans.get(str(default.value))), booleans
    try:
        choices = choices_of(known)
    except ValueError:
        spec.fault("has choices that begin with json: and are no JSON")
        choices = []
    meant = dict(zip(known, choices, strict=False))
    return ChoiceVariable(name, tuple(choices), default=meant.get(str(default.value))), meant
