"""Spaces as ConfigSpace's JSON, format version 0.4: what `ConfigurationSpace.from_json` of 1.2 and later reads."""

from collections.abc import Mapping, Sequence

from domain.constraints import Constraint
from domain.interchange.exchange import Fitted, Imported
from domain.interchange.fitting import Abilities
from domain.interchange.labels import are_of_one_type, choices_of, labels
from domain.interchange.naming import Names
from domain.interchange.report import Reading, Report
from domain.normal import Normal
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Variable
from domain.values import Invalid, Json, canonical_json

_VERSION = 0.4


class ConfigSpaceForm:
    """ConfigSpace's hyperparameters, conditions and forbidden clauses."""

    abilities = Abilities(normal=True, weights=True, order=True, description=True, default=True, single=False)

    def labels(self, choices: Sequence[Json]) -> list[Json]:
        """Return the choices, as JSON where ConfigSpace would confuse them."""
        return labels(choices, are_of_one_type)

    def written(self, parameters: Sequence[Fitted], report: Report) -> Json:
        """Return the document."""
        by_name = {each.variable.name: each for each in parameters}
        return {
            "name": None,
            "hyperparameters": [_hyperparameter(each) for each in parameters],
            "conditions": [_condition(each, by_name) for each in parameters if each.conditions],
            "forbiddens": [],
            "python_module_version": "1.2.2",
            "format_version": _VERSION,
        }

    def read(self, document: Reading, report: Report) -> Imported:
        """Return what a document says; forbidden clauses become constraints."""
        names = Names(report)
        entries = list(document["hyperparameters"].items())
        found = [_variable(each, names, report) for each in entries]
        whens: dict[str, list[str]] = {}
        for each in document["conditions"].items():
            whens.setdefault(names(each["child"].text()), []).append(_when(each, names))
        forbidden = [_clause(each, names) for each in document["forbiddens"].items()]
        constraints = [Constraint(f"forbidden-{index}", f"!({text})") for index, text in enumerate(forbidden, 1)]
        return Imported([(each, " && ".join(whens.get(each.name, ()))) for each in found], constraints)


def _hyperparameter(each: Fitted) -> dict[str, Json]:
    variable = each.variable
    meta = {"description": variable.description} if variable.description else None
    if each.labels:
        return _categorical(each, meta)
    assert isinstance(variable, FloatVariable | IntegerVariable)
    kind = "float" if isinstance(variable, FloatVariable) else "int"
    normal = variable.normal if isinstance(variable, FloatVariable) else None
    shape = (
        {"type": f"normal_{kind}", "mu": normal.mean, "sigma": normal.sigma} if normal else {"type": f"uniform_{kind}"}
    )
    ends = {"lower": variable.low, "upper": variable.high, "log": variable.log}
    default = {} if variable.default is None else {"default_value": variable.default}
    return {**shape, "name": variable.name, **ends, **default, "meta": meta}


def _categorical(each: Fitted, meta: Json) -> dict[str, Json]:
    variable, known = each.variable, list(each.labels)
    if len(known) == 1:
        return {"type": "constant", "name": variable.name, "value": known[0], "meta": meta}
    default = {} if variable.default is None else {"default_value": each.label(variable.default)}
    entry = {"name": variable.name, **default, "meta": meta}
    if isinstance(variable, ChoiceVariable) and variable.ordered:
        return {"type": "ordinal", "sequence": known, **entry}
    weights = list(variable.weights) if isinstance(variable, ChoiceVariable) and variable.weights else None
    return {"type": "categorical", "choices": known, "weights": weights, **entry}


def _condition(each: Fitted, by_name: Mapping[str, Fitted]) -> dict[str, Json]:
    parts = [_part(each.variable.name, by_name[parent], values) for parent, values in each.conditions]
    if len(parts) == 1:
        return parts[0]
    return {"type": "AND", "child": each.variable.name, "conditions": parts}


def _part(child: str, parent: Fitted, values: Sequence[Json]) -> dict[str, Json]:
    known = [parent.label(value) if parent.labels else value for value in values]
    asked = {"child": child, "parent": parent.variable.name}
    return {"type": "EQ", **asked, "value": known[0]} if len(known) == 1 else {"type": "IN", **asked, "values": known}


def _variable(entry: Reading, names: Names, report: Report) -> Variable:
    name, kind = names(entry["name"].text()), entry["type"].value
    meta = entry["meta"].value
    description = str(meta["description"]) if isinstance(meta, dict) and "description" in meta else ""
    if kind in ("categorical", "ordinal", "constant"):
        return _choice(entry, name, description)
    default = entry["default_value"]
    log = entry["log"].value is True
    if kind in ("uniform_float", "normal_float", "beta_float"):
        normal = Normal(entry["mu"].number(), entry["sigma"].number()) if kind == "normal_float" else None
        _tell(kind, ("beta_float",), name, report)
        ends = entry["lower"].number(), entry["upper"].number()
        chosen = None if default.value is None else default.number()
        return FloatVariable(name, *ends, log, None, chosen, description, normal)
    if kind not in ("uniform_int", "normal_int", "beta_int"):
        entry["type"].fault("must be a type of hyperparameter, such as uniform_float")
        return BooleanVariable(name)
    _tell(kind, ("normal_int", "beta_int"), name, report)
    whole = None if default.value is None else default.whole()
    return IntegerVariable(name, entry["lower"].whole(), entry["upper"].whole(), 1, log, whole, description)


def _tell(kind: str, lost: Sequence[str], name: str, report: Report) -> None:
    if kind in lost:
        report.lost(name, f"is distributed as {kind} says: it is drawn evenly")


def _choice(entry: Reading, name: str, description: str) -> Variable:
    kind = entry["type"].value
    if kind == "constant":
        known = [entry["value"].value]
    else:
        known = [each.value for each in entry["choices" if kind == "categorical" else "sequence"].items()]
    try:
        choices = choices_of(known)
    except ValueError:
        entry.fault("has choices that begin with json: and are no JSON")
        choices = []
    default = entry["default_value"].value
    chosen = choices[known.index(default)] if default is not None and default in known and choices else None
    if len(choices) == 2 and choices[0] is False and choices[1] is True and kind == "categorical":
        return BooleanVariable(name, chosen, description)
    weights = tuple(each.number() for each in entry["weights"].items()) if kind == "categorical" else ()
    return ChoiceVariable(
        name, tuple(choices), default=chosen, description=description, weights=weights, ordered=kind == "ordinal"
    )


def _when(entry: Reading, names: Names) -> str:
    """Return a condition as an expression."""
    kind = entry["type"].value
    if kind in ("AND", "OR"):
        sign = " && " if kind == "AND" else " || "
        parts = [_when(each, names) for each in entry["conditions"].items()]
        return sign.join(f"({each})" if kind == "AND" and " || " in each else each for each in parts)
    return _comparison(entry, entry["parent"], _CONDITIONS, names)


def _clause(entry: Reading, names: Names) -> str:
    """Return what is forbidden as an expression."""
    kind = str(entry["type"].value)
    if kind in ("AND", "OR"):
        sign = " && " if kind == "AND" else " || "
        return "(" + sign.join(_clause(each, names) for each in entry["clauses"].items()) + ")"
    if kind.startswith("RELATION_") and kind.removeprefix("RELATION_") in _SIGNS:
        sign = _SIGNS[kind.removeprefix("RELATION_")]
        return f"{names(entry['left'].text())} {sign} {names(entry['right'].text())}"
    return _comparison(entry, entry["name"], _CLAUSES, names)


_SIGNS = {"LT": "<", "LE": "<=", "EQ": "==", "GT": ">", "GE": ">="}
_CONDITIONS = {"EQ": "==", "NEQ": "!=", "LT": "<", "GT": ">", "IN": "in"}
_CLAUSES = {"EQUALS": "==", "IN": "in"} | {f"CLAUSE_{key}": sign for key, sign in _SIGNS.items()}


def _comparison(entry: Reading, asked: Reading, signs: Mapping[str, str], names: Names) -> str:
    kind = str(entry["type"].value)
    if kind not in signs:
        entry["type"].fault(f"must be one of {', '.join(signs)}")
        return "true"
    name = names(asked.text())
    values = [each.value for each in entry["values"].items()] if kind == "IN" else [entry["value"].value]
    try:
        known = [canonical_json(each).decode() for each in choices_of(values)]
    except (ValueError, TypeError, Invalid):
        entry.fault("has values that are no JSON")
        return "true"
    return f"{name} in [{', '.join(known)}]" if kind == "IN" else f"{name} {signs[kind]} {known[0]}"
