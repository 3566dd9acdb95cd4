"""Variable configurations: points of a space that somebody kept."""

from collections.abc import Mapping
from typing import Any

from ashgrove.areas import VariablesArea
from ashgrove.collection import Archived
from ashgrove.values import numbered, to_struct
from ashgrove.variables.v1 import configuration_use_requests_pb2 as uses
from ashgrove.variables.v1 import variable_configuration_pb2

_Kept = variable_configuration_pb2.VariableConfiguration


class Configurations(Archived[variable_configuration_pb2.VariableConfiguration]):
    """The configurations that the caller may see."""

    area, noun, plural = VariablesArea, "VariableConfiguration", "variable_configurations"

    def create(
        self, name: str, space_id: str, values: Mapping[str, Any], *, origin: str = "manual"
    ) -> variable_configuration_pb2.VariableConfiguration:
        """Keeps a point of a space under a name; `origin` is manual, generated or optimizer."""
        kept = _Kept(
            name=name,
            variable_space_id=space_id,
            values=to_struct(values),
            origin=numbered(_Kept.Origin, origin),
        )
        made: variable_configuration_pb2.VariableConfiguration = self._call(
            "CreateVariableConfiguration", variable_configuration=kept
        )
        return made

    def compare(self, *identifiers: str, only_differences: bool = False) -> uses.CompareConfigurationsResponse:
        """Holds configurations side by side, path by path."""
        found: uses.CompareConfigurationsResponse = self._call(
            "CompareConfigurations", variable_configuration_ids=identifiers, only_differences=only_differences
        )
        return found

    def apply(self, identifier: str, program_id: str) -> uses.ApplyConfigurationResponse:
        """Puts a configuration into a program, which gets a new revision; `undo` takes it out again."""
        applied: uses.ApplyConfigurationResponse = self._call(
            "ApplyConfiguration", variable_configuration_id=identifier, program_id=program_id
        )
        return applied

    def undo(self, identifier: str, applied: uses.ApplyConfigurationResponse) -> uses.UndoConfigurationResponse:
        """Takes a configuration out of a program again, as long as nobody has changed the program since."""
        undone: uses.UndoConfigurationResponse = self._call(
            "UndoConfiguration",
            variable_configuration_id=identifier,
            program_id=applied.program_id,
            previous_program_revision=applied.previous_program_revision,
            program_revision=applied.program_revision,
        )
        return undone
