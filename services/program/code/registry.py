"""Which programs and metrics are registered: names only; nobody's code is imported in the process that asks."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from ashgrove.custom import METRICS, PROGRAMS, RETRIEVERS, TOOLS

from domain.metrics import METRICS as BUILT_IN
from services.program.code.contract import CodeFault

FRESH_SECONDS = 5.0
_SHOWN = 20
_RESERVED = frozenset(BUILT_IN) | {"cost", "latency_ms"}
_VERSIONED = re.compile(r"[a-z][a-z0-9_-]{0,62}@[0-9A-Za-z][0-9A-Za-z.-]{0,31}"), "`id@version`, in lower case"
_NAMES = {
    PROGRAMS: _VERSIONED,
    TOOLS: _VERSIONED,
    RETRIEVERS: _VERSIONED,
    METRICS: (re.compile(r"[a-z][a-z0-9_-]{0,62}"), "in lower case, like `word_overlap`"),
}


@dataclass(frozen=True)
class Registered:
    """What is registered in one group: the usable entry points by name, and for every other name what is wrong."""

    entries: Mapping[str, EntryPoint] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> tuple[tuple[str, ...], ...]:
        """Returns what changes whenever code may have changed: names, targets, distributions and their versions."""
        told = [(name, *source_of(entry)) for name, entry in self.entries.items()]
        return tuple(sorted([*told, *self.faults.items()]))


def programs() -> dict[str, EntryPoint]:
    """Returns the registered programs by `id@version`; as old as FRESH_SECONDS at most."""
    return dict(_fresh(PROGRAMS).entries)


def metrics() -> dict[str, EntryPoint]:
    """Returns the registered metrics by name; as old as FRESH_SECONDS at most."""
    return dict(_fresh(METRICS).entries)


def registered(group: str) -> Registered:
    """Returns what is registered in a group, faults too; as old as FRESH_SECONDS at most."""
    return _fresh(group)


def required(group: str, name: str) -> EntryPoint:
    """Returns a registered entry point; raises CodeFault when there is none of this name, or none that can be used."""
    known = _fresh(group)
    if name in known.entries:
        return known.entries[name]
    if name in known.faults:
        raise CodeFault("IMPORT", f"{name} {known.faults[name]}")
    kind = group.rpartition(".")[2]
    others = ", ".join(sorted(known.entries)[:_SHOWN]) or "none"
    raise CodeFault("UNREGISTERED", f"{name[:100]} is not registered; the {kind} registered here are: {others}")


def source_of(entry: EntryPoint) -> tuple[str, ...]:
    """Returns where an entry point comes from: its target, its distribution and that one's version."""
    return (entry.value, _distribution(entry), entry.dist.version if entry.dist else "")


def forget() -> None:
    """Forgets what was seen, so that the next question looks anew."""
    _seen.clear()


def sorted_out(group: str, found: Iterable[EntryPoint]) -> Registered:
    """Returns the entry points of a group by name; names that are taken twice, reserved or malformed are faults."""
    entries: dict[str, EntryPoint] = {}
    faults: dict[str, str] = {}
    for entry in found:
        fault = _fault(group, entry)
        if fault is None and entry.name in entries:
            fault = f"is registered twice, by {_distribution(entries[entry.name])} and by {_distribution(entry)}"
        if fault is None:
            entries[entry.name] = entry
        else:
            faults[entry.name] = fault
    return Registered({name: e for name, e in entries.items() if name not in faults}, faults)


def _fault(group: str, entry: EntryPoint) -> str | None:
    pattern, form = _NAMES[group]
    if not pattern.fullmatch(entry.name):
        return f"must be named {form}"
    if group == METRICS and entry.name in _RESERVED:
        return "is the name of a measure that is built in"
    if EntryPoint.pattern.match(entry.value) is None:
        return "must point to `module:name`"
    return None


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an unnamed distribution"


_seen: dict[str, tuple[float, Registered]] = {}


def _fresh(group: str) -> Registered:
    at, known = _seen.get(group, (-FRESH_SECONDS, Registered()))
    if time.monotonic() - at >= FRESH_SECONDS or group not in _seen:
        known = sorted_out(group, entry_points(group=group))
        _seen[group] = (time.monotonic(), known)
    return known
