"""The RPCs that the platform has for whole collections, found in its contracts."""

import re
from collections.abc import Mapping

from ashgrove import areas


def paths_of(verb: str) -> Mapping[str, str]:
    """Returns the paths of the RPCs that do this to a collection, by the collection's name."""
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", method.name.removeprefix(verb)).lower(): areas.path_of(method)
        for area in areas.AREAS
        for method in area.methods().values()
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
