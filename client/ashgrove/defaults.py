"""What the programs of an organization run with where neither they nor a call say anything."""

from typing import Any

from ashgrove.areas import ProgramArea
from ashgrove.collection import Kind
from ashgrove.program.v1 import program_defaults_pb2

RunDefaults = program_defaults_pb2.RunDefaults


class ProgramDefaults(Kind[program_defaults_pb2.ProgramDefaults]):
    """The organization's defaults: one row, which its administrators write."""

    area, noun, plural = ProgramArea, "ProgramDefaults", "program_defaults"

    def get(self) -> RunDefaults:
        """Returns the defaults as they are; empty ones while nobody has set any."""
        return next((found.defaults for found in self._pages()), RunDefaults())

    def set(self, **values: Any) -> RunDefaults:
        """Puts these, such as `model="fast"`, in the place of all those before; raises ValueError for others."""
        made: program_defaults_pb2.ProgramDefaults = self._call("SetProgramDefaults", defaults=RunDefaults(**values))
        return made.defaults
