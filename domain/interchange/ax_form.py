"""Spaces as Ax's parameters: the list of JSON objects that `AxClient.create_experiment(parameters=...)` reads."""

from collections.abc import Mapping, Sequence

from domain.interchange.exchange import Fitted, Imported
from domain.interchange.fitting import Abilities
from domain.interchange.labels import are_of_one_type, are_texts, choices_of, labels
from domain.interchange.naming import Names
from domain.interchange.report import Reading, Report
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Variable
from domain.values import Json

_TYPES = {bool: "bool", str: "str", int: "int", float: "float"}


class AxForm:
    """Ax's range, choice and fixed parameters; a choice of texts may have dependents."""

    abilities = Abilities(order=True, single=False)

    def labels(self, choices: Sequence[Json]) -> list[Json]:
        """Return the choices, as JSON where they are not of one type."""
        return labels(choices, are_of_one_type)

    def written(self, parameters: Sequence[Fitted], report: Report) -> Json:
        """Return the document."""
        by_name = {each.variable.name: each for each in parameters}
        dependents: dict[str, dict[str, list[str]]] = {}
        for each in parameters:
            parent = _parent(each, by_name, report)
            if parent:
                values = dependents.setdefault(parent, {})
                for value in dict(each.conditions)[parent]:
                    values.setdefault(str(by_name[parent].label(value)), []).append(each.variable.name)
        return {"parameters": [_entry(each, dependents.get(each.variable.name)) for each in parameters]}

    def read(self, document: Reading, report: Report) -> Imported:
        """Return what a document says; fidelities, tasks and derived parameters are told as lost."""
        names, found, entries = Names(report), list[Variable](), list(document["parameters"].items())
        conditions: dict[str, dict[str, list[Json]]] = {}
        for entry in entries:
            name = entry["name"].text()
            made = _variable(entry, names(name), report)
            if made is None:
                continue
            found.append(made)
            meant = self._meant(made)
            for label, children in entry["dependents"].entries():
                for child in children.items():
                    below = conditions.setdefault(names(child.text()), {})
                    below.setdefault(name, []).append(meant.get(label, label))
        return Imported([(each, names.when(list(conditions.get(each.name, {}).items()))) for each in found])

    def _meant(self, variable: Variable) -> dict[str, Json]:
        """Return the choices by what they may be called, the first of those that are called the same."""
        meant: dict[str, Json] = {}
        for each in variable.choices if isinstance(variable, ChoiceVariable) else ():
            for name in (str(self.labels([each])[0]), str(each)):
                meant.setdefault(name, each)
        return meant


def _parent(each: Fitted, by_name: Mapping[str, Fitted], report: Report) -> str:
    """Return the one parent below which a parameter stands; empty where there is none, or none that Ax can have."""
    if not each.conditions:
        return ""
    if len(each.conditions) == 1 and are_texts([str(label) for label in by_name[each.conditions[0][0]].labels] or [""]):
        parent = by_name[each.conditions[0][0]]
        if parent.labels and all(isinstance(label, str) for label in parent.labels):
            return parent.variable.name
    report.lost(each.variable.name, "depends on more than one choice of texts, and is there without it")
    return ""


def _entry(each: Fitted, dependents: Mapping[str, list[str]] | None) -> dict[str, Json]:
    variable = each.variable
    below = {"dependents": dict(dependents)} if dependents else {}
    if each.labels:
        typed = {"name": variable.name, "value_type": _type(each.labels), **below}
        if len(each.labels) == 1:
            return {"type": "fixed", "value": each.labels[0], **typed}
        ordered = isinstance(variable, ChoiceVariable) and variable.ordered
        return {"type": "choice", "values": list(each.labels), "is_ordered": ordered, "sort_values": False, **typed}
    assert isinstance(variable, FloatVariable | IntegerVariable)
    kind = "float" if isinstance(variable, FloatVariable) else "int"
    range_of = {"bounds": [variable.low, variable.high], "log_scale": variable.log}
    return {"type": "range", "name": variable.name, "value_type": kind, **range_of}


def _type(known: Sequence[Json]) -> str:
    types = {type(each) for each in known}
    return _TYPES[types.pop()] if len(types) == 1 else "float"


def _variable(entry: Reading, name: str, report: Report) -> Variable | None:
    kind = entry["type"].value
    for field in ("is_fidelity", "is_task", "target_value", "digits"):
        if entry[field].value:
            report.lost(name, f"has {field}")
    if kind == "derived":
        report.lost(name, f"is derived: {entry['expression_str'].value}")
        return None
    if kind == "range":
        return _range(entry, name)
    if kind not in ("choice", "fixed"):
        entry["type"].fault("must be range, choice, fixed or derived")
        return BooleanVariable(name)
    known = [each.value for each in entry["values"].items()] if kind == "choice" else [entry["value"].value]
    try:
        choices = choices_of(known)
    except ValueError:
        entry.fault("has choices that begin with json: and are no JSON")
        choices = []
    if len(choices) == 2 and choices[0] is False and choices[1] is True and entry["is_ordered"].value is not True:
        return BooleanVariable(name)
    return ChoiceVariable(name, tuple(choices), ordered=entry["is_ordered"].value is True)


def _range(entry: Reading, name: str) -> Variable:
    bounds = list(entry["bounds"].items())
    if len(bounds) != 2:
        entry["bounds"].fault("must be the lowest and the highest value")
        return BooleanVariable(name)
    log, kind = entry["log_scale"].value is True, entry["value_type"].value
    whole = kind == "int" or (kind is None and all(isinstance(each.value, int) for each in bounds))
    if whole:
        return IntegerVariable(name, bounds[0].whole(), bounds[1].whole(), 1, log)
    return FloatVariable(name, bounds[0].number(), bounds[1].number(), log)
