"""Entry points, imported and looked at; only a child process does this."""

import inspect
import math
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from typing import Any

from ashgrove.custom import Metric, Part, Program

from services.program.code.contract import CodeFault
from services.program.code.wording import a, told


@dataclass(frozen=True)
class Target:
    """Where an entry point points to."""

    name: str
    module: str
    attribute: str


def load_program(target: Target) -> Program | Callable[..., Any]:
    """Returns the program an entry point names; an IMPORT fault says why there is none."""
    found = _loaded(target)
    if isinstance(found, Program):
        _check_takes(target.name, found.prepare, "prepare(examples, parameters)", 2)
        return found
    if not callable(found) or isinstance(found, type):
        raise CodeFault("IMPORT", f"{target.name} must be a function or a Program, not {a(found)}")
    function: Callable[..., Any] = found
    _check_takes(target.name, function, "a function of (inputs, parameters)", 2)
    return function


def load_metric(target: Target) -> Metric:
    """Returns the metric an entry point names; an IMPORT fault says why there is none."""
    found = _loaded(target)
    if not isinstance(found, Metric):
        raise CodeFault("IMPORT", f"{target.name} must be a Metric, not {a(found)}")
    _check_takes(target.name, found.score, "score(example, prediction, trace, params)", 4)
    return found


def is_async(function: Callable[..., Any]) -> bool:
    """Tells functions that must be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def described_program(target: Target) -> dict[str, Any]:
    """Returns what a program says about itself."""
    found = load_program(target)
    return {"description": found.description if isinstance(found, Program) else _first_line(found)}


def described_metric(target: Target) -> dict[str, Any]:
    """Returns what a metric says about itself, and its promises by full score name."""
    metric = load_metric(target)
    return {
        "description": metric.description or _first_line(metric.score),
        "scores": promises_of(target.name, metric),
    }


def promises_of(name: str, metric: Metric) -> list[dict[str, Any]]:
    """Returns what a metric promises of each of its scores."""
    parts: Mapping[str, Part | Metric] = {f"{name}.{part}": promise for part, promise in metric.parts.items()}
    return [_promise(full, promise) for full, promise in (parts or {name: metric}).items()]


def _loaded(target: Target) -> Any:
    with _import_faults(target):
        module = import_module(target.module)
    try:
        return reduce(getattr, filter(None, target.attribute.split(".")), module)
    except AttributeError:
        missing = f"{target.name} points to `{target.module}:{target.attribute}`, which does not exist"
        raise CodeFault("IMPORT", missing) from None


@contextmanager
def _import_faults(target: Target) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise CodeFault("MEMORY_LIMIT", f"there was not enough memory to import {target.name}") from error
    except BaseException as error:  # SystemExit too: a module that ends the process on import is a module that fails
        traceback.print_exc(file=sys.stderr)
        raise CodeFault("IMPORT", f"{target.name} cannot be imported: {told(error)}") from error


def _check_takes(name: str, function: Callable[..., Any], form: str, count: int) -> None:
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        raise CodeFault("IMPORT", f"{name} must be {form}; its arguments are others") from None
    except ValueError:
        return  # some functions written in C do not tell their arguments


def _promise(name: str, promise: Part | Metric) -> dict[str, Any]:
    low, high = (None if math.isinf(end) else float(end) for end in (promise.low, promise.high))
    return {
        "name": name,
        "direction": promise.direction,
        "low": low,
        "high": high,
        "unit": promise.unit,
        "aggregation": promise.aggregation,
    }


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
