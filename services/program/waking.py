"""How workers and waiters wake each other: a notification channel, hint topics, and looking without them."""

WORK = "program_work"
"""The channel that wakes workers when there is something to do."""

LOOK_SECONDS = 0.1
"""How often a waiter looks by itself: hints are best effort."""


def topic(kind: str, identifier: object) -> str:
    """Returns the topic of the hints about one piece of work."""
    return f"{kind}:{identifier}"
