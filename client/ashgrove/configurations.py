"""Variable configurations: points of a space that somebody kept."""

from collections.abc import Mapping
from typing import Any

from ashgrove.collection import Archived
from ashgrove.values import to_struct
from ashgrove.variables.v1 import variable_configuration_pb2
from ashgrove.variables.v1 import variables_service_pb2 as pb
from ashgrove.variables.v1.variables_service_pb2_grpc import VariablesServiceStub

_Kept = variable_configuration_pb2.VariableConfiguration


class Configurations(Archived[variable_configuration_pb2.VariableConfiguration]):
    """The configurations that the caller may see."""

    service, messages, noun, plural = VariablesServiceStub, pb, "VariableConfiguration", "variable_configurations"

    def create(
        self, name: str, space_id: str, values: Mapping[str, Any], *, origin: str = "manual"
    ) -> variable_configuration_pb2.VariableConfiguration:
        """Keeps a point of a space under a name; `origin` is manual, generated or optimizer."""
        kept = _Kept(
            name=name,
            variable_space_id=space_id,
            values=to_struct(values),
            origin=_Kept.Origin.Value(f"ORIGIN_{origin.upper()}"),
        )
        made: variable_configuration_pb2.VariableConfiguration = self._call(
            "CreateVariableConfiguration", variable_configuration=kept
        )
        return made
