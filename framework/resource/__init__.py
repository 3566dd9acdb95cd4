"""What a resource is: declared, verified, frozen into a spec that all else reads."""

from framework.resource.actions import action
from framework.resource.declaration import Resource, Rollup, Storage, Tenancy
from framework.resource.fields import Kind
from framework.resource.registry import MethodSpec, Registry
from framework.resource.spec import Relationship, ResourceSpec, spec_of
from framework.resource.states import ARCHIVED, GONE, StateMachine, archiving

__all__ = [
    "ARCHIVED",
    "GONE",
    "Kind",
    "MethodSpec",
    "Registry",
    "Relationship",
    "Resource",
    "ResourceSpec",
    "Rollup",
    "StateMachine",
    "Storage",
    "Tenancy",
    "action",
    "archiving",
    "spec_of",
]
