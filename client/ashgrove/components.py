"""Components: what module variables choose among."""

from collections.abc import Iterator

from ashgrove.areas import VariablesArea
from ashgrove.collection import Archived
from ashgrove.variables.v1 import component_pb2

_Component = component_pb2.Component


class Components(Archived[_Component]):
    """The organization's components."""

    area, noun, plural = VariablesArea, "Component", "components"

    def create(self, component: _Component) -> _Component:
        """Keeps a component; modules of its interface may then choose it by `name@version`."""
        made: _Component = self._call("CreateComponent", component=component)
        return made

    def built_in(self) -> Iterator[component_pb2.BuiltInComponent]:
        """Yields the components that the platform itself runs; one of the organization's own name goes before it."""
        request = self._request("ListBuiltInComponents")
        return self._connection.pages(self._stub.ListBuiltInComponents, request, "built_in_components")
