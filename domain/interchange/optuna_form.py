"""Spaces as Optuna's distributions: choices by index, because Optuna's categorical confuses 1, True and "1".

    {"parameters": [{"name": "model", "distribution": {"name": "CategoricalDistribution",
      "attributes": {"choices": [0, 1]}}, "choices": ["small", "large"], "default": 0,
      "conditions": [{"parent": "tool", "values": [1]}]}]}

Each distribution is what `optuna.distributions.json_to_distribution` reads. Parameters with the same conditions are a
group: a sampler asks for it only where they are met, by the parent's own values.
"""

from collections.abc import Iterator, Mapping, Sequence

from domain.interchange.exchange import Fitted, Imported
from domain.interchange.fitting import Abilities
from domain.interchange.naming import Names
from domain.interchange.report import Reading, Report
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Variable
from domain.values import Json


class OptunaForm:
    """Optuna's distributions."""

    abilities = Abilities(steps=True, default=True)

    def labels(self, choices: Sequence[Json]) -> list[Json]:
        """Return the places of the choices."""
        return list(range(len(choices)))

    def written(self, parameters: Sequence[Fitted], report: Report) -> Json:
        """Return the document."""
        by_name = {each.variable.name: each for each in parameters}
        return {"parameters": [_entry(each, by_name) for each in parameters]}

    def read(self, document: Reading, report: Report) -> Imported:
        """Return what a document says."""
        names, found = Names(report), list[Variable]()
        entries = list(document["parameters"].items())
        for entry in entries:
            found.append(_variable(entry, names(entry["name"].text())))
        values = {entry["name"].text(): variable for entry, variable in zip(entries, found, strict=True)}
        whens = [names.when(list(_conditions(entry, values))) for entry in entries]
        return Imported(list(zip(found, whens, strict=True)))


def _conditions(entry: Reading, variables: Mapping[str, Variable]) -> Iterator[tuple[str, list[Json]]]:
    for each in entry["conditions"].items():
        parent = each["parent"].text()
        variable = variables.get(parent)
        if variable is None:
            each["parent"].fault("must be the name of a parameter")
        elif isinstance(variable, ChoiceVariable | BooleanVariable):
            places = [value.place(variable.cardinality) for value in each["values"].items()]
            if variable.cardinality:  # one without choices is refused for that
                yield parent, [variable.at(place) for place in places]
        else:
            yield parent, [value.number() for value in each["values"].items()]


def _entry(each: Fitted, by_name: dict[str, Fitted]) -> dict[str, Json]:
    variable = each.variable
    entry: dict[str, Json] = {"name": variable.name, "distribution": _distribution(each)}
    if isinstance(variable, ChoiceVariable | BooleanVariable):
        entry["choices"] = [variable.at(index) for index in range(variable.cardinality)]
    if variable.default is not None:
        entry["default"] = each.label(variable.default) if each.labels else variable.default
    if each.conditions:
        entry["conditions"] = [
            {"parent": parent, "values": [_named(by_name[parent], value) for value in values]}
            for parent, values in each.conditions
        ]
    return entry


def _named(parent: Fitted, value: Json) -> Json:
    return parent.label(value) if parent.labels else value


def _distribution(each: Fitted) -> dict[str, Json]:
    variable = each.variable
    if isinstance(variable, ChoiceVariable | BooleanVariable):
        return {"name": "CategoricalDistribution", "attributes": {"choices": list(each.labels)}}
    kind = "Float" if isinstance(variable, FloatVariable) else "Int"
    attributes = {"log": variable.log, "step": variable.step, "low": variable.low, "high": variable.high}
    return {"name": f"{kind}Distribution", "attributes": attributes}


def _variable(entry: Reading, name: str) -> Variable:
    distribution = entry["distribution"]
    kind, attributes = distribution["name"].value, distribution["attributes"]
    default = entry["default"]
    log = attributes["log"].value is True
    if kind == "FloatDistribution":
        bounds = attributes["low"].number(), attributes["high"].number()
        step = None if attributes["step"].value is None else attributes["step"].number()
        return FloatVariable(name, *bounds, log, step, None if default.value is None else default.number())
    if kind == "IntDistribution":
        ends = attributes["low"].whole(), attributes["high"].whole()
        step_of = 1 if attributes["step"].value is None else attributes["step"].whole()
        return IntegerVariable(name, *ends, step_of, log, None if default.value is None else default.whole())
    if kind != "CategoricalDistribution":
        distribution.fault("must be a Float-, Int- or CategoricalDistribution")
    listed = entry["choices"] if entry["choices"].value is not None else attributes["choices"]
    choices = [each.value for each in listed.items()]
    value: Json = None if default.value is None or not choices else choices[default.place(len(choices))]
    if choices == [False, True] and all(isinstance(each, bool) for each in choices):
        return BooleanVariable(name, value)
    return ChoiceVariable(name, tuple(choices), default=value)
