"""Presets: variables that an organization keeps to copy into spaces."""

from collections.abc import Sequence
from typing import Any

from ashgrove.areas import VariablesArea
from ashgrove.collection import Archived
from ashgrove.domains import Constraint, Domain
from ashgrove.values import to_struct
from ashgrove.variables.v1 import variable_preset_pb2

_Preset = variable_preset_pb2.VariablePreset


class Presets(Archived[_Preset]):
    """The organization's presets."""

    area, noun, plural = VariablesArea, "VariablePreset", "variable_presets"

    def create(
        self, name: str, domain: Domain, *, category: str = "", constraints: Sequence[Constraint] = (), **metadata: Any
    ) -> _Preset:
        """Keeps a variable as a preset of its name."""
        preset = _Preset(variable=domain.variable(name), category=category, metadata=to_struct(metadata))
        preset.constraints.extend(each.constraint() for each in constraints)
        made: _Preset = self._call("CreateVariablePreset", variable_preset=preset)
        return made

    def add_defaults(self) -> Sequence[_Preset]:
        """Adds what the organization lacks of the platform's catalogue; for administrators."""
        added: Sequence[_Preset] = self._call("AddDefaultPresets").variable_presets
        return added
