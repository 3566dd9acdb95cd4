"""Faults in words for the author of the code: the exception's type and message, without the machine's paths."""

import re

LONGEST = 500
_FILE_URL = re.compile(r"file://(?=/)")
_FOLDERS = re.compile(r"""(?<![\w/:.~)\]-])/(?:[^\s/'":,;()<>]+/)*(?=[\w.~-])""")


def pathless(text: str) -> str:
    """Returns a text with only the last part of every absolute path in it."""
    return _FOLDERS.sub("…/", _FILE_URL.sub("", text))


def told(error: BaseException) -> str:
    """Returns what an exception says: `ValueError: no digit`."""
    try:
        said = str(error)
    except Exception:  # an exception's own __str__ is custom code too
        said = ""
    said = pathless(said).replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if len(said) > LONGEST:
        said = said[: LONGEST - 1] + "…"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def a(value: object) -> str:
    """Returns what a value is: `a function`, `an int`, `a class`."""
    name = "class" if isinstance(value, type) else "None" if value is None else type(value).__name__
    return name if value is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
