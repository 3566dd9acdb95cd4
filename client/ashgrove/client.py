"""The client: one object, one connection, one attribute per kind of thing."""

from types import TracebackType
from typing import Any

from ashgrove.aggregates import Aggregates
from ashgrove.aliases import Aliases
from ashgrove.audit_trail import AuditTrail
from ashgrove.components import Components
from ashgrove.configurations import Configurations
from ashgrove.connection import Connection
from ashgrove.connectors import Connectors
from ashgrove.datasets import Datasets
from ashgrove.defaults import ProgramDefaults
from ashgrove.exports import Exports
from ashgrove.feedback import FeedbackGiven
from ashgrove.invitations import Invitations
from ashgrove.keys import Keys
from ashgrove.measures import Metrics
from ashgrove.organizations import Organizations
from ashgrove.pools import Pools
from ashgrove.presets import Presets
from ashgrove.programs import Programs
from ashgrove.runs import Runs
from ashgrove.schemas import Schemas
from ashgrove.settings import ClientSettings
from ashgrove.signing_in import access_token
from ashgrove.spaces import Spaces
from ashgrove.users import Users
from ashgrove.watches import Watches
from ashgrove.work import Evaluations, Executions


class Client:
    """A caller of one Ashgrove; use it in a `with` block, or close it.

    `api_key` may also be a person's access token; `organization` is then the one that calls are for, where it is not
    the one that they signed in to. `credentials` are those of a gRPC channel, such as `grpc.ssl_channel_credentials()`;
    without, nothing is encrypted.
    """

    def __init__(
        self, address: str = "127.0.0.1:8080", *, api_key: str, credentials: Any = None, organization: str = ""
    ) -> None:
        self.address = address
        self._connection = Connection(address, api_key, credentials, organization)
        self.programs = Programs(self._connection)
        self.aliases = Aliases(self._connection)
        self.schemas = Schemas(self._connection)
        self.datasets = Datasets(self._connection)
        self.spaces = Spaces(self._connection)
        self.pools = Pools(self._connection)
        self.components = Components(self._connection)
        self.presets = Presets(self._connection)
        self.configurations = Configurations(self._connection)
        self.executions = Executions(self._connection)
        self.feedback = FeedbackGiven(self._connection)
        self.evaluations = Evaluations(self._connection)
        self.connectors = Connectors(self._connection)
        self.program_defaults = ProgramDefaults(self._connection)
        self.metrics = Metrics(self._connection)
        self.runs = Runs(self._connection)
        self.audit = AuditTrail(self._connection)
        self.users = Users(self._connection)
        self.invitations = Invitations(self._connection)
        self.keys = Keys(self._connection)
        self.aggregates = Aggregates(self._connection)
        self.exports = Exports(self._connection)
        self.watches = Watches(self._connection)
        self.organizations = Organizations(self._connection)

    @classmethod
    def from_environment(cls) -> "Client":
        """Connects to where `ASHGROVE_*` says, or to the embedded stack; raises FileNotFoundError without a key.

        A key that is given goes before a session that `ashgrove login` began, and that before the stack's own key.
        """
        settings = ClientSettings()
        key = "" if settings.key_given else access_token(settings)
        return cls(
            settings.gateway,
            api_key=key or settings.key(),
            credentials=settings.credentials(),
            organization=settings.organization,
        )

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
