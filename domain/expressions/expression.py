"""An expression, checked and ready to run."""

from collections.abc import Mapping
from typing import NamedTuple

from domain.expressions.compiling import Run, Scope, compiled, wanted
from domain.expressions.faults import Fault
from domain.expressions.kinds import Kind
from domain.expressions.nodes import Node
from domain.values import Json


class Expression(NamedTuple):
    """What an expression reads, what it gives and how; `run` raises Fault where it has no value.

    `guarded` says that it deals with inactive variables itself; else it has nothing to say where one that it names is
    inactive.
    """

    kind: Kind
    run: Run
    names: frozenset[str]
    guarded: bool

    @classmethod
    def of(cls, tree: Node, scope: Scope, kind: Kind | None = None) -> "Expression":
        """Check a syntax tree against the kinds of variables; raises Malformed."""
        if kind is None:
            made = compiled(tree, scope)
            return cls(made.kind, made.run, tree.names(), tree.asks_for_presence())
        return cls(kind, wanted(tree, scope, kind), tree.names(), tree.asks_for_presence())

    def applies(self, values: Mapping[str, Json]) -> bool:
        """Tell whether it has something to say of these values of the active variables."""
        return self.guarded or self.names <= values.keys()

    def holds(self, values: Mapping[str, Json]) -> bool:
        """Tell whether a condition is met.

        It is not where it names an inactive variable without asking for presence, nor where it has no value.
        """
        try:
            return self.applies(values) and bool(self.run(values))
        except Fault:
            return False

    def is_satisfied(self, values: Mapping[str, Json]) -> bool:
        """Tell whether a constraint holds.

        It does where it names an inactive variable without asking for presence, and does not where it has no value.
        """
        try:
            return not self.applies(values) or bool(self.run(values))
        except Fault:
            return False
