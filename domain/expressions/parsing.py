"""From text to syntax tree."""

from domain.expressions.faults import Malformed
from domain.expressions.nodes import Node
from domain.expressions.tokens import Token, tokens

LONGEST = 4096
"""How many characters an expression may have."""

MOST_PARTS = 1000
"""How many names, literals and operations an expression may have."""

_NESTED = 40  # what a parser that calls itself can bear on any stack
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED = {"as", "break", "const", "continue", "else", "for", "function", "if", "import", "in", "let", "loop"}
_RESERVED |= {"namespace", "package", "return", "var", "void", "while"}
_POWERS = {"?": 1, "||": 2, "&&": 3, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6}
_POWERS |= dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 4)
_TIGHTER_THAN_ALL = 7


def parse(text: str) -> Node:
    """Return the syntax tree; raises Malformed, naming the column."""
    if len(text) > LONGEST:
        raise Malformed(LONGEST, f"is longer than {LONGEST} characters", "TOO_LARGE")
    parser = _Parser(list(tokens(text)))
    tree = parser.expression()
    parser.expect("", "an operator or the end")
    return tree


class _Parser:
    """Reads one expression, by the powers of its operators."""

    def __init__(self, words: list[Token]) -> None:
        if len(words) > 2 * MOST_PARTS:
            raise Malformed(words[2 * MOST_PARTS].at, f"has more than {MOST_PARTS} parts", "TOO_LARGE")
        self.words = words
        self.place = 0
        self.nested = 0

    @property
    def word(self) -> Token:
        return self.words[self.place]

    def sees(self, sign: str) -> bool:
        """Tell whether the next word is that sign, and go past it if so."""
        seen = self.word.kind in ("sign", "name") and self.word.value == sign
        self.place += seen
        return seen

    def expect(self, sign: str, what: str = "") -> None:
        """Go past the sign, the end when it is empty; raises Malformed for anything else."""
        if not (self.word.kind == "end" if not sign else self.sees(sign)):
            shown = "the end" if self.word.kind == "end" else repr(self.word.value)
            raise Malformed(self.word.at, f"expected {what or repr(sign)}, not {shown}")

    def expression(self, power: int = 0) -> Node:
        """Read on while operators bind at least so tightly."""
        self.nested += 1
        if self.nested > _NESTED:
            raise Malformed(self.word.at, f"is nested deeper than {_NESTED} levels", "TOO_LARGE")
        left = self.operand()
        while self.word.kind in ("sign", "name") and (found := _POWERS.get(self.word.value, -1)) >= max(power, 1):
            left = self.operation(left, found)
        self.nested -= 1
        return left

    def operation(self, left: Node, power: int) -> Node:
        sign = self.word
        self.place += 1
        if sign.value == "?":
            then = self.expression()
            self.expect(":")
            return Node("?", sign.at, None, (left, then, self.expression(1)))
        right = self.expression(power + 1)
        if sign.value in ("&&", "||"):
            sides = [left, right]  # one level for the whole chain
            while self.sees(sign.value):
                sides.append(self.expression(power + 1))
            return Node(sign.value, sign.at, None, tuple(sides))
        return Node("operation", sign.at, sign.value, (left, right))

    def operand(self) -> Node:
        word = self.word
        for sign in ("!", "-"):
            if word.kind == "sign" and self.sees(sign):
                return Node("!" if sign == "!" else "negative", word.at, None, (self.expression(_TIGHTER_THAN_ALL),))
        found = self.primary(word)
        while self.word.kind == "sign" and self.word.value in (".", "["):
            found = self.selection(found)
        return found

    def selection(self, of: Node) -> Node:
        at = self.word.at
        if self.sees("."):
            name = self.word
            if name.kind != "name":
                raise Malformed(name.at, "expected the name of a member")
            self.place += 1
            return Node("member", at, name.value, (of,))
        self.expect("[")
        key = self.expression()
        self.expect("]")
        return Node("index", at, None, (of, key))

    def primary(self, word: Token) -> Node:
        self.place += 1
        if word.kind in ("number", "text"):
            return Node("literal", word.at, word.value)
        if word.kind == "name":
            return self.named(word)
        if word.kind == "sign" and word.value == "(":
            inner = self.expression()
            self.expect(")")
            return inner
        if word.kind == "sign" and word.value == "[":
            return Node("list", word.at, None, self.items("]"))
        if word.kind == "sign" and word.value == "{":
            return self.lookup(word)
        self.place -= 1
        raise Malformed(word.at, "expected a value" if word.kind == "end" else f"expected a value, not {word.value!r}")

    def named(self, word: Token) -> Node:
        if word.value in _CONSTANTS:
            return Node("literal", word.at, _CONSTANTS[word.value])
        if word.value in _RESERVED:
            raise Malformed(word.at, f"{word.value} is a reserved word, which no expression can read")
        if self.sees("("):
            return Node("call", word.at, word.value, self.items(")"))
        return Node("name", word.at, word.value)

    def items(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self.sees(end):
            if found:
                self.expect(",", f"',' or {end!r}")
            found.append(self.expression())
        return tuple(found)

    def lookup(self, word: Token) -> Node:
        keys: list[str] = []
        values: list[Node] = []
        while not self.sees("}"):
            if keys:
                self.expect(",", "',' or '}'")
            key = self.word
            if key.kind != "text" or key.value in keys:
                raise Malformed(key.at, "expected a key: a text in quotes that is not repeated")
            self.place += 1
            self.expect(":")
            keys.append(key.value)
            values.append(self.expression())
        return Node("object", word.at, tuple(keys), tuple(values))
