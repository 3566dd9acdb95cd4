"""The RPCs that the platform has for whole collections, found in its contracts."""

import re
from collections.abc import Mapping

from ashgrove.audit.v1 import audit_service_pb2
from ashgrove.auth.v1 import auth_service_pb2
from ashgrove.optimizer.v1 import optimizer_service_pb2
from ashgrove.program.v1 import program_service_pb2
from ashgrove.variables.v1 import variables_service_pb2

_MODULES = (program_service_pb2, variables_service_pb2, optimizer_service_pb2, auth_service_pb2, audit_service_pb2)


def paths_of(verb: str) -> Mapping[str, str]:
    """Returns the paths of the RPCs that do this to a collection, by the collection's name."""
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", method.name.removeprefix(verb)).lower(): f"/{service.full_name}/{method.name}"
        for module in _MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        # One run is watched too, and that is no collection.
        if method.name.startswith(verb) and method.output_type.file.package == "ashgrove.resource.v1"
    }


def path_of(verb: str, collection: str) -> str:
    """Returns the path of one of them; raises ValueError with those that there are."""
    paths = paths_of(verb)
    if collection not in paths:
        raise ValueError(
            f"there is nothing to {verb.lower()} called {collection}; there are {', '.join(sorted(paths))}"
        )
    return paths[collection]
