"""Filling in defaults, and making values of an earlier signature into those of a later one."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

from domain.signatures.field import MISSING, Field
from domain.values import Json


def filled(fields: Sequence[Field], values: Mapping[str, Json]) -> dict[str, Json]:
    """Return values with every default that is missing, inside lists and objects, too."""
    given = dict(values)
    for field in fields:
        if field.name in given and field.fills:
            given[field.name] = _filled(field, given[field.name])
    lacking = [each for each in fields if each.default is not MISSING and each.name not in given]
    return given | {each.name: deepcopy(each.default) for each in lacking}


def upcast(fields: Sequence[Field], values: Mapping[str, Json]) -> dict[str, Json]:
    """Return values of an earlier signature as the later one's fields have them.

    What the later one does not know is dropped, and what it has a default for is filled in; a null that it does not
    take is left out where that may be. Everything else stays, for a check to judge.
    """
    return filled(fields, _known(fields, values))


def _filled(field: Field, value: Json) -> Json:
    if field.items is not None and isinstance(value, list):
        return [_filled(field.items, each) for each in value]
    return filled(field.properties, value) if field.properties and isinstance(value, Mapping) else value


def _known(fields: Sequence[Field], values: Mapping[str, Json]) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for field in fields:
        if field.name in values and not (_is_refused_null(field, values[field.name]) and field.may_be_left_out):
            kept[field.name] = _inside(field, values[field.name])
    return kept


def _is_refused_null(field: Field, value: Json) -> bool:
    return value is None and not field.nullable


def _inside(field: Field, value: Json) -> Json:
    if field.items is not None and isinstance(value, list):
        return [_inside(field.items, each) for each in value]
    return _known(field.properties, value) if field.properties and isinstance(value, Mapping) else value
