"""What the variables service declares: spaces and configurations, and what those are made of."""

from typing import Any

from framework.resource import Resource
from services.variables.components import BuiltInComponent, Component
from services.variables.presets import VariablePreset
from services.variables.prompts import KeptPromptValue
from services.variables.variable_configurations import VariableConfiguration
from services.variables.variable_spaces import VariableSpace

__all__ = [
    "RESOURCES",
    "BuiltInComponent",
    "Component",
    "KeptPromptValue",
    "VariableConfiguration",
    "VariablePreset",
    "VariableSpace",
]

RESOURCES: list[type[Resource[Any]]] = [
    VariableSpace,
    VariableConfiguration,
    Component,
    BuiltInComponent,
    KeptPromptValue,
    VariablePreset,
]
