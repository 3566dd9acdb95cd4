"""State machines as data: which verbs are legal in which state, and where they lead."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

Moves = Mapping[str, Mapping[str, str | tuple[str, ...]]]
GONE = "GONE"
"""Where a purge leads: out of the table."""
ARCHIVED = "ARCHIVED"
"""How the state is called into which Archive leads."""


@dataclasses.dataclass(frozen=True)
class StateMachine:
    """The life of a resource: for each state the verbs that are legal in it, with the state or states they lead to.

    A verb that is named somewhere is legal only in the states that name it; one that is named nowhere is legal in all.
    A verb that leads to its own state stays there. `internal` holds the moves that no RPC asks for, such as a worker's;
    states without a way out are declared `terminal`. `restless` verbs have something to do also where they stay.
    States are called as in the enum, without its prefix.
    """

    field: str
    moves: Moves
    internal: Moves = dataclasses.field(default_factory=dict)
    terminal: Sequence[str] = ()
    restless: Sequence[str] = ()
    prefix: str = ""

    def within(self, names: Sequence[str]) -> "StateMachine":
        """Returns the machine for an enum with these values, the first of which is the unspecified one."""
        return dataclasses.replace(self, prefix=names[0].removesuffix("UNSPECIFIED"))

    @property
    def states(self) -> list[str]:
        """Every state that is named, in order."""
        return list(dict.fromkeys([*self.moves, *self.internal, *self.terminal]))

    @property
    def verbs(self) -> list[str]:
        """Every verb that depends on the state, in order."""
        return list(dict.fromkeys(verb for verbs in self.moves.values() for verb in verbs))

    def of(self, value: str) -> str:
        """Returns what the machine calls a stored value."""
        return value.removeprefix(self.prefix)

    def legal(self, value: str) -> list[str]:
        """Returns the verbs that are legal in a stored state, of those that depend on it."""
        return list(self.moves.get(self.of(value), ()))

    def changing(self, value: str) -> list[str]:
        """Returns the verbs that are legal in a stored state and have not arrived in it."""
        return [verb for verb in self.legal(value) if not self.arrived(value, verb)]

    def arrived(self, value: str, verb: str) -> bool:
        """Says whether a verb that leads elsewhere from other states stays in this one: nothing is left to do.

        Archiving what is archived is no error, and no change.
        """
        stays = self.targets(value, verb) == [value] and verb not in self.restless
        return stays and any(target != state for state, named, target in self.edges() if named == verb)

    def names(self, verb: str) -> bool:
        """Says whether a verb or an internal move depends on the state."""
        return any(verb in verbs for moves in (self.moves, self.internal) for verbs in moves.values())

    def sources(self, verb: str) -> list[str]:
        """Returns the stored states in which a verb or an internal move is legal."""
        found = [state for moves in (self.moves, self.internal) for state, verbs in moves.items() if verb in verbs]
        return [self.prefix + state for state in dict.fromkeys(found)]

    def targets(self, value: str, verb: str) -> list[str]:
        """Returns the stored states into which a verb or an internal move leads from one."""
        return [self.prefix + state for state in self._leads(self.of(value), verb)]

    def _leads(self, state: str, verb: str) -> tuple[str, ...]:
        found = {**self.internal.get(state, {}), **self.moves.get(state, {})}.get(verb, ())
        return (found,) if isinstance(found, str) else found

    def ways(self, state: str) -> Iterator[tuple[str, list[str]]]:
        """Yields what may happen in a state, internal moves last, with the states that it leads to."""
        for verb in {**self.moves.get(state, {}), **self.internal.get(state, {})}:
            yield verb, list(self._leads(state, verb))

    def edges(self) -> Iterator[tuple[str, str, str]]:
        """Yields every move as (state, verb, next state), those that stay included."""
        for moves in (self.moves, self.internal):
            for state, verbs in moves.items():
                yield from ((state, verb, target) for verb in verbs for target in self._leads(state, verb))


def archiving(*in_use: str, field: str = "status") -> StateMachine:
    """Returns the life of what is in use until it is put away: the given verbs are legal while it is in use."""
    return StateMachine(
        field,
        {
            "ACTIVE": {"Archive": ARCHIVED, "Unarchive": "ACTIVE", **dict.fromkeys(in_use, "ACTIVE")},
            ARCHIVED: {"Archive": ARCHIVED, "Unarchive": "ACTIVE", "Purge": GONE},
        },
    )


def faults(machine: StateMachine, values: Sequence[str], verbs: Sequence[str], initial: str) -> Iterator[str]:
    """Yields what is wrong with a machine, for the values of its enum, the verbs that exist and a new row's value."""
    known = {machine.of(value) for value in values[1:]}
    ways = [(state, target) for state, _, target in machine.edges() if target != state]
    for state in {*machine.states, *(target for _, target in ways)} - known - {GONE}:
        yield f"the state {state} is no value of {machine.field}"
    for verb in machine.verbs:
        if verb not in verbs:
            yield f"the verb {verb} is none that an RPC has"
    reached = _reached(ways, machine.of(initial))
    for state in [s for s in machine.states if s in known]:
        if state not in reached:
            yield f"nothing leads from {machine.of(initial)} to the state {state}"
        leaves = any(source == state for source, _ in ways)
        if leaves and state in machine.terminal:
            yield f"the state {state} is declared terminal and can be left"
        if not leaves and state not in machine.terminal:
            yield f"nothing leads out of the state {state}, which is not declared terminal"


def _reached(ways: Sequence[tuple[str, str]], start: str) -> set[str]:
    reached = {start}
    while more := {target for source, target in ways if source in reached} - reached:
        reached |= more
    return reached
