"""Expressions over variables: a profile of CEL that is checked before it runs, always ends, and is never `eval`.

Numbers are doubles, also where a variable is an integer. NaN and infinities do not occur: what would give one is a
fault of the expression. `&&` and `||` overlook a fault on one side when the other decides, whatever the order. There
are no loops and no macros beyond `has`, so that an expression costs at most what it is long.
"""

from domain.expressions.expression import Expression
from domain.expressions.faults import Absent, Fault
from domain.expressions.kinds import ANY, BOOLEAN, NUMBER, TEXT, Kind
from domain.expressions.nodes import Node
from domain.expressions.parsing import parse

__all__ = ["ANY", "BOOLEAN", "NUMBER", "TEXT", "Absent", "Expression", "Fault", "Kind", "Node", "parse"]
