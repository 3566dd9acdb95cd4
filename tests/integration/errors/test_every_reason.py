"""Every reason's example is what a real call is answered with: same code, same metadata, same kinds of details."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import api_key_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import CreateApiKeyRequest
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest
from ashgrove.variables.v1.variable_space_requests_pb2 import ListVariableSpacesRequest
from google.rpc import error_details_pb2, status_pb2

from framework.call import service_actor
from framework.errors import Failure
from framework.identifiers import new_id
from framework.rpc.assembly import keys_from
from framework.rpc.channels import channel_to
from framework.testing.factories import sound
from framework.testing.refusals import Refused
from framework.testing.serving import Served, served
from framework.testing.workbench import workbench
from gateway.error_examples import EXAMPLES
from services.auth.secrets import make_missing
from services.optimizer.registry import registry as optimizer_registry
from services.variables.registry import registry
from services.variables.resources import VariableSpace
from tests.integration.auth.house import House, context, migrated
from tests.integration.optimizer.asked import ask, let_end, opened, reached, tell
from tests.integration.optimizer.books import MIGRATIONS as OPTIMIZER_MIGRATIONS
from tests.integration.optimizer.books import Grants, started

MIGRATIONS = Path("services/variables/migrations")
# No method answers with these: their pages say so.
UNSENT = {"CANCELLED", "MODEL_FAILED"}
# These are in tests/integration/gateway.
OF_THE_GATEWAY = {"UNKNOWN_ROUTE", "REQUEST_TOO_LARGE", "MALFORMED_REQUEST"}


@dataclass(frozen=True)
class Stage:
    """The variables service, the superuser's URL of a database of this module's own, and an empty folder."""

    server: Served
    url: str
    home: Path

    async def owner(self, rpc: str, **fields: Any) -> Any:
        """Does an RPC as the user."""
        return await self.server.as_actor(self.server.bench.user).do(rpc, **fields)

    async def created(self, **overrides: Any) -> Any:
        """Creates a space."""
        return await self.owner("CreateVariableSpace", variable_space=sound(VariableSpace, **overrides))


@pytest.fixture(scope="module")
def error_url(postgres_url: str) -> str:
    """The URL of the module's own database."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE error_tests")
    return postgres_url.rsplit("/", 1)[0] + "/error_tests"


async def invalid_field(stage: Stage) -> None:
    await stage.owner("CreateVariableSpace", variable_space=VariableSpace.message())


async def resource_not_found(stage: Stage) -> None:
    await stage.owner("GetVariableSpace", id=str(new_id()))


async def resource_exists(stage: Stage) -> None:
    for _ in range(2):
        await stage.created(name="twice")


async def stale_etag(stage: Stage) -> None:
    space = await stage.created()
    space.description = "changed"
    for _ in range(2):
        await stage.owner("UpdateVariableSpace", variable_space=space)


async def illegal_state(stage: Stage) -> None:
    space = await stage.created()
    await stage.owner("ArchiveVariableSpace", id=space.id)
    await stage.owner("UpdateVariableSpace", variable_space=VariableSpace.message(id=space.id, description="x"))


async def credential_refused(stage: Stage) -> None:
    await stage.server.as_actor(token="nonsense").do("GetVariableSpace", id=str(new_id()))


async def not_permitted(stage: Stage) -> None:
    await stage.server.as_actor(stage.server.bench.viewer).do(
        "CreateVariableSpace", variable_space=sound(VariableSpace)
    )


async def invalid_page_token(stage: Stage) -> None:
    for number in range(2):
        await stage.created(name=f"space {number}")
    page = await stage.owner("ListVariableSpaces", page_size=1)
    await stage.owner("ListVariableSpaces", page_token=page.next_page_token, filter='name = "x"')


async def dependency_unavailable(stage: Stage) -> None:
    """Auth gives no keys: nothing listens where they are asked for."""
    auth = channel_to("127.0.0.1:1")
    keys = keys_from(AuthArea(auth), GetJwksRequest())
    async with auth, served(stage.server.bench, keys) as without_keys:
        await without_keys.as_actor(stage.server.bench.user).do("ListVariableSpaces")


async def deadline_passed(stage: Stage) -> None:
    """The table is locked for longer than the call may last; gRPC's own deadline would hide what the service says."""
    bench = stage.server.bench
    method = bench.registry.method("ListVariableSpaces")
    async with bench.database.system() as tx:
        await tx.execute("LOCK TABLE variable_spaces")
        await bench.engine.unary(
            method, bench.context(bench.user, method.name, seconds=0.2), ListVariableSpacesRequest()
        )


async def write_conflict(stage: Stage) -> None:
    """Two transactions lock two rows, each in its own order."""
    spaces = [(await stage.created(name=f"space {number}")).id for number in range(2)]
    met = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        async with stage.server.bench.database.tenant(stage.server.bench.organization_id) as tx:
            await tx.fetch("SELECT 1 FROM variable_spaces WHERE id = %(id)s FOR UPDATE", {"id": first})
            await met.wait()
            await tx.fetch("SELECT 1 FROM variable_spaces WHERE id = %(id)s FOR UPDATE", {"id": second})

    ends = await asyncio.gather(lock(*spaces), lock(*reversed(spaces)), return_exceptions=True)
    raise next(end for end in ends if end is not None)


async def internal_fault(stage: Stage) -> None:
    """What nobody foresaw: a table is gone."""
    with psycopg.connect(stage.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE variables.variable_spaces RENAME TO gone")
        try:
            await stage.owner("ListVariableSpaces")
        finally:
            connection.execute("ALTER TABLE variables.gone RENAME TO variable_spaces")


async def limit_reached(stage: Stage) -> None:
    """The constraint leaves a hundred millionth of the space."""
    space = VariableSpace.message(name="next to nothing")
    space.variables.add(name="heat").float.high = 1
    space.constraints.add(id="hot", expression="heat > 0.99999999")
    space = await stage.owner("CreateVariableSpace", variable_space=space)
    await stage.owner("GenerateConfigurations", variable_space_id=space.id, count=1)


async def no_result_yet(stage: Stage) -> None:
    async with workbench(optimizer_registry(), stage.url, OPTIMIZER_MIGRATIONS, Grants()) as bench:
        run = await started(bench)
        async with served(bench) as server:
            await server.as_actor(bench.user).do("GetBestConfiguration", id=str(run["id"]))


async def lease_lost(stage: Stage) -> None:
    """Its client tells about a trial a second too late."""
    async with workbench(optimizer_registry(), stage.url, OPTIMIZER_MIGRATIONS, Grants()) as bench:
        run = await opened(bench)
        await ask(bench, run)
        await let_end(bench, run, 1)
        await tell(bench, run, "a", reached(1))


async def grant_lost(stage: Stage) -> None:
    """Its user was deactivated."""
    make_missing(stage.home)
    async with House(migrated(stage.url), stage.home) as house:
        user = await house.user()
        grant = await house.grant(house.actor(user))
        await house.change(user, deactivated=True)
        await house.grants.exchange(context(service_actor("optimizer"), "ExchangeGrant"), grant)


async def already_done(stage: Stage) -> None:
    """What was answered held the key itself."""
    make_missing(stage.home)
    async with House(migrated(stage.url), stage.home) as house:
        for _ in range(2):
            request = CreateApiKeyRequest(request_id="once", api_key=api_key_pb2.ApiKey(name="a key"))
            await house.call(house.admin, "CreateApiKey", request)


async def watched(stage: Stage, rpc: str, position: int) -> None:
    """Watches as a colleague."""
    async for _ in stage.server.as_actor(stage.server.bench.colleague).stream(rpc, from_sequence=position):
        return


async def position_gone(stage: Stage) -> None:
    """Everything that was told has been dropped."""
    await stage.created()
    await stage.server.bench.events()
    async with stage.server.bench.database.system() as tx:
        await tx.execute("UPDATE feed_head SET oldest_sequence = last_sequence + 1")
    try:
        await watched(stage, "WatchVariableSpaces", 0)
    finally:
        async with stage.server.bench.database.system() as tx:
            await tx.execute("UPDATE feed_head SET oldest_sequence = 1")


async def view_changed(stage: Stage) -> None:
    """What hangs on a space is seen with it."""
    space = await stage.created(visibility="VISIBILITY_PUBLIC")
    position = (await stage.server.bench.events())[-1]["sequence"]
    hidden = VariableSpace.message(id=space.id, visibility="VISIBILITY_PRIVATE")
    await stage.owner("UpdateVariableSpace", variable_space=hidden, update_mask={"paths": ["visibility"]})
    await stage.server.bench.events()
    await watched(stage, "WatchVariableConfigurations", position)


PROVOKED: dict[str, Callable[[Stage], Awaitable[Any]]] = {
    "INVALID_FIELD": invalid_field,
    "RESOURCE_NOT_FOUND": resource_not_found,
    "RESOURCE_EXISTS": resource_exists,
    "STALE_ETAG": stale_etag,
    "WRITE_CONFLICT": write_conflict,
    "ILLEGAL_STATE": illegal_state,
    "CREDENTIAL_REFUSED": credential_refused,
    "NOT_PERMITTED": not_permitted,
    "DEADLINE_PASSED": deadline_passed,
    "DEPENDENCY_UNAVAILABLE": dependency_unavailable,
    "LIMIT_REACHED": limit_reached,
    "INTERNAL_FAULT": internal_fault,
    "INVALID_PAGE_TOKEN": invalid_page_token,
    "GRANT_LOST": grant_lost,
    "LEASE_LOST": lease_lost,
    "NO_RESULT_YET": no_result_yet,
    "ALREADY_DONE": already_done,
    "POSITION_GONE": position_gone,
    "VIEW_CHANGED": view_changed,
}


def shape(status: status_pb2.Status) -> tuple[int, str, set[str], list[str], list[str]]:
    """Returns what an error promises to programs: all but its sentence and the values in its metadata."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if not detail.Unpack(info):
            detail.Unpack(bad)
    kinds = [detail.type_url for detail in status.details]
    return status.code, info.reason, set(info.metadata), kinds, [violation.field for violation in bad.field_violations]


@pytest.mark.parametrize("reason", PROVOKED)
async def test_the_example_is_what_a_call_is_answered(reason: str, error_url: str, tmp_path: Path) -> None:
    """As its page shows it."""
    async with workbench(registry(), error_url, MIGRATIONS) as bench, served(bench) as server:
        with pytest.raises((Refused, Failure)) as refused:
            await PROVOKED[reason](Stage(server, error_url, tmp_path / "secrets"))
    told: Any = refused.value
    status = told.status if isinstance(told, Refused) else told.status()
    assert shape(status) == shape(EXAMPLES[reason].status)


def test_every_reason_is_provoked() -> None:
    """But those that only the gateway tells, and those that nothing tells."""
    assert PROVOKED.keys() | UNSENT | OF_THE_GATEWAY == EXAMPLES.keys()
