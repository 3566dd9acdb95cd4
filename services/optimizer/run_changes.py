"""What of a run's row changes, as assignments of an UPDATE: counts that grow, and columns that are written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb


@dataclass(frozen=True, slots=True)
class Changes:
    """By how much counts grow, and what columns are to hold."""

    counts: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """The assignments, with the marks of a changed row; empty where nothing changes."""
        added = [f"{name} = {name} + %({name})s" for name in self.counts]
        written = [f"{name} = %({name})s" for name in self.columns]
        marks = ["lock_version = lock_version + 1", "updated_at = now()"]
        return ", ".join([*added, *written, *marks]) if added or written else ""

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that the assignments name."""
        written = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in self.columns.items()}
        return {**self.counts, **written}


NO_CHANGES = Changes()
