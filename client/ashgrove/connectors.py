"""Connectors: the models that programs ask, and what the calls through them took."""

from collections.abc import Iterator

from ashgrove.areas import ProgramArea
from ashgrove.collection import Archived
from ashgrove.program.v1 import connector_pb2, connector_requests_pb2

_Connector = connector_pb2.Connector


class Connectors(Archived[_Connector]):
    """The organization's connectors; administrators keep them."""

    area, noun, plural = ProgramArea, "Connector", "connectors"

    def create(self, connector: _Connector) -> _Connector:
        """Keeps a connector; programs name it as their `model`."""
        made: _Connector = self._call("CreateConnector", connector=connector)
        return made

    def check(self, identifier: str) -> connector_pb2.ConnectorHealth:
        """Asks whether its endpoint answers."""
        checked: _Connector = self._call("CheckConnector", id=identifier)
        return checked.health

    def ask(self, identifier: str, prompt: str = "") -> connector_requests_pb2.TryConnectorResponse:
        """Makes one small call through it, metered like any other."""
        said: connector_requests_pb2.TryConnectorResponse = self._call("TryConnector", id=identifier, prompt=prompt)
        return said

    def shared(self) -> Iterator[connector_pb2.ConnectorShare]:
        """Yields the connectors of the platform that the organization may use."""
        request = self._request("ListConnectorShares")
        return self._connection.pages(self._stub.ListConnectorShares, request, "connector_shares")

    def calls(self, filter: str = "") -> Iterator[connector_pb2.ModelCall]:
        """Yields the model calls that the caller may see, newest first."""
        request = self._request("ListModelCalls", filter=filter)
        return self._connection.pages(self._stub.ListModelCalls, request, "model_calls")
