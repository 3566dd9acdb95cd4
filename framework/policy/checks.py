"""Checks: small questions that answer three times - about the actor alone, about a row in hand, and as SQL.

They compose with `&`, `|` and `~`. Answers have two values once a row is known: what is null matches nothing, so a
check on it says no, and its negation yes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, false, or_, true

from framework.call import Actor
from framework.resource import ResourceSpec

Row = Mapping[str, Any]
Verdict = bool | None
"""True, False, or None where it depends on what is not known yet."""


class Check:
    """A question about an actor and, perhaps, a row; compose with `&`, `|` and `~`."""

    parts: Sequence["Check"] = ()
    """The checks that this one is composed of."""

    def __str__(self) -> str:
        return str(getattr(self, "name", type(self).__name__))

    def decide(self, actor: Actor) -> Verdict:
        """Says what the actor alone settles; None when it takes more."""
        raise NotImplementedError

    def holds(self, actor: Actor, row: Row) -> Verdict:
        """Says what a row in hand settles; None when only the database knows."""
        return self.decide(actor)

    def allows(self, actor: Actor, row: Row) -> bool:
        """Says whether the check is known to pass for this row."""
        return self.holds(actor, row) is True

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Returns the clause that is true of exactly the rows for which the check passes."""
        return true() if self.decide(actor) else false()

    def faults(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields why the check cannot be asked about this resource."""
        yield from ()

    def __and__(self, other: "Check") -> "Check":
        return AllOf(self, other)

    def __or__(self, other: "Check") -> "Check":
        return AnyOf(self, other)

    def __invert__(self) -> "Check":
        return Not(self)


class Composite(Check):
    """A check made of others; it needs to know only how their answers combine."""

    def __init__(self, *parts: Check) -> None:
        self.parts = parts

    def combined(self, said: Sequence[Verdict]) -> Verdict:
        """Returns the answer that the parts' answers make; an open part leaves it open unless another settles it."""
        raise NotImplementedError

    def over(self, parts: Sequence[Check]) -> Check:
        """Returns the same composition of other parts."""
        return type(self)(*parts)

    def decide(self, actor: Actor) -> Verdict:
        """Combines what the actor settles."""
        return self.combined([part.decide(actor) for part in self.parts])

    def holds(self, actor: Actor, row: Row) -> Verdict:
        """Combines what the row settles."""
        return self.combined([part.holds(actor, row) for part in self.parts])

    def faults(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields what is wrong with the parts."""
        for part in self.parts:
            yield from part.faults(spec)


class AllOf(Composite):
    """Passes when every part passes."""

    def __str__(self) -> str:
        return f"({' and '.join(map(str, self.parts))})"

    def combined(self, said: Sequence[Verdict]) -> Verdict:
        """Says no as soon as one part says no."""
        return False if False in said else None if None in said else True

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Joins the clauses by AND."""
        return and_(*(part.where(actor, table) for part in self.parts))


class AnyOf(Composite):
    """Passes when some part passes."""

    def __str__(self) -> str:
        return f"({' or '.join(map(str, self.parts))})"

    def combined(self, said: Sequence[Verdict]) -> Verdict:
        """Says yes as soon as one part says yes."""
        return True if True in said else None if None in said else False

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Joins the clauses by OR."""
        return or_(*(part.where(actor, table) for part in self.parts))


class Not(Composite):
    """Passes when its part does not."""

    def __str__(self) -> str:
        return f"not {self.parts[0]}"

    def combined(self, said: Sequence[Verdict]) -> Verdict:
        """Says the opposite; what is open stays open."""
        return None if said[0] is None else not said[0]

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Holds where the part's clause is false or null."""
        (part,) = self.parts
        decided = part.decide(actor)
        if decided is not None:
            return false() if decided else true()
        return part.where(actor, table).is_not(true())


def not_(check: Check) -> Check:
    """Passes when a check does not: `~check` as a word."""
    return Not(check)


def leaves_of(check: Check) -> Iterator[Check]:
    """Yields the checks that a check is composed of, from left to right; one that is of no parts is its own leaf."""
    if not isinstance(check, Composite):
        yield check
    for part in check.parts:
        yield from leaves_of(part)


def rewritten(check: Check, by: Mapping[Check, Check]) -> Check:
    """Returns a check with some of its leaves replaced."""
    if isinstance(check, Composite):
        return check.over([rewritten(part, by) for part in check.parts])
    return by.get(check, check)
