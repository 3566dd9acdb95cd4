"""Which namespaces of secrets the operator granted to which organization: a file, read again whenever it changes."""

import logging
from pathlib import Path
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

_log = logging.getLogger(__name__)
_FORM = TypeAdapter(dict[UUID, frozenset[str]])
_BROKEN = (-1,)
_LARGEST_BYTES = 4 * 1024 * 1024


class Grants:
    """The grants of a JSON file such as `{"ORGANIZATION_ID": ["models"]}`; without a file, nobody has any."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._seen: tuple[int, ...] = ()
        self._granted: dict[UUID, frozenset[str]] = {}

    def of(self, organization_id: UUID) -> frozenset[str]:
        """Returns the namespaces that an organization may use now."""
        self._look()
        return self._granted.get(organization_id, frozenset())

    def _look(self) -> None:
        if self._file is None:
            return
        try:
            about = self._file.stat()
            seen = (about.st_mtime_ns, about.st_ino, about.st_size)
            if seen != self._seen:
                self._granted, self._seen = _read(self._file, about.st_size), seen
        except (OSError, ValueError) as error:
            self._hold_nothing(error)

    def _hold_nothing(self, error: Exception) -> None:
        # A file that is gone or broken grants nothing: what was withdrawn must not live on by a typing error.
        if self._seen != _BROKEN:
            _log.error("the grants of secrets in %s hold nothing: %s", self._file, error)
        self._granted, self._seen = {}, _BROKEN


def _read(file: Path, size: int) -> dict[UUID, frozenset[str]]:
    if size > _LARGEST_BYTES:
        raise ValueError(f"larger than {_LARGEST_BYTES} bytes")
    try:
        return _FORM.validate_json(file.read_bytes())
    except ValidationError as error:
        raise ValueError(error.errors(include_input=False, include_url=False)[0]["msg"]) from None
