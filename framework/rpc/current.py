"""The call that this task serves, for whatever cannot take it as an argument: interceptors and outgoing channels."""

from contextvars import ContextVar

from framework.call import Context

_current: ContextVar[Context | None] = ContextVar("ashgrove_call", default=None)


def enter(context: Context) -> None:
    """Makes a context the current one for this task."""
    _current.set(context)


def current() -> Context:
    """Returns the call that is being served; raises LookupError outside one."""
    context = _current.get()
    if context is None:
        raise LookupError("no call is being served here")
    return context


def current_or_none() -> Context | None:
    """Returns the call that is being served, None outside one."""
    return _current.get()
