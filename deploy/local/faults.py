"""What can keep the stack from starting, each in one sentence with its remedy."""


class StackFault(Exception):  # noqa: N818 - it is shown to people as it is
    """The stack cannot start or stop; the message says why and what to do."""
