"""Tensors: lists of lists of finite numbers, of one length at each level."""

from collections.abc import Sequence

from domain.signatures.field import ANY_LENGTH
from domain.values import Json, is_finite

DEEPEST = 8


def tensor_fault(value: Json, shape: Sequence[int]) -> str:
    """Return what is wrong with a tensor, the empty text for nothing."""
    found = _shape(value, 0)
    if isinstance(found, str):
        return found
    if not found:
        return "must be a list"
    if shape and (len(found) != len(shape) or any(w not in (ANY_LENGTH, f) for f, w in zip(found, shape, strict=True))):
        return f"must have the shape {_told(shape)}, not {_told(found)}"
    return ""


def _shape(value: Json, depth: int) -> tuple[int, ...] | str:
    """Return the lengths at each level below a value, or why there is no telling."""
    if not isinstance(value, list):
        return () if is_finite(value) else "must be made of finite numbers"
    if depth == DEEPEST:
        return f"must be at most {DEEPEST} levels deep"
    if not value:
        return (0,)
    inner = [_shape(each, depth + 1) for each in value]
    if fault := next((each for each in inner if isinstance(each, str)), None):
        return fault
    first = inner[0]
    if any(each != first for each in inner):
        return "must have lists of one length at each level"
    return (len(value), *first)


def _told(shape: Sequence[int]) -> str:
    return " x ".join("any" if each == ANY_LENGTH else str(each) for each in shape)
