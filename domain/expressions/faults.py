"""What may go wrong with an expression: before it runs, and while it does."""


class Malformed(Exception):  # noqa: N818 - the word a caller reads
    """The text is no expression over these variables; `code` is UNKNOWN_NAME, WRONG_TYPE, SYNTAX or TOO_LARGE."""

    def __init__(self, at: int, message: str, code: str = "SYNTAX") -> None:
        super().__init__(f"column {at + 1}: {message}")
        self.code = code


class Fault(Exception):  # noqa: N818 - a fault of the expression, not of ours
    """An expression has no value for these values: a division by zero, the logarithm of -1, text that is no number."""


class Absent(Fault):
    """An expression reads a variable that is inactive."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is inactive: guard it with has({name})")
