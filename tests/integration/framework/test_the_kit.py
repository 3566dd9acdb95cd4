"""The test kit itself: what it promises to find, it finds."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest

from framework.errors import NotFound
from framework.testing.asserting import assert_allowed, assert_audited, assert_denied, assert_event, assert_filtered
from framework.testing.counting import counted
from framework.testing.refusals import Refused
from framework.testing.serving import Served, served
from framework.testing.specimen import message, registry
from framework.testing.workbench import workbench


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[Served]:
    async with workbench(registry(), postgres_url) as bench, served(bench) as made:
        yield made


async def test_a_caller_is_who_its_token_names(server: Served) -> None:
    """Over the wire: role, organization and grant's bounds; a token that is past, forged or absent is nobody's."""
    user = server.as_actor(server.bench.user)
    made = await user.do("CreateSpecimen", specimen=message("Specimen")(name="mine"))
    assert made.owner_id == server.bench.user.id
    bounded = server.as_actor(replace(server.bench.user, actions=frozenset({"ListSpecimens"})))
    await assert_denied(bounded.do("GetSpecimen", id=made.id), "PERMISSION_DENIED")
    past = server.issuer.token(server.bench.user, seconds=-60)
    for token in ("", "nonsense", past):
        refusal = await assert_denied(server.as_actor(token=token).do("GetSpecimen", id=made.id), "UNAUTHENTICATED")
        assert refusal.reason == "CREDENTIAL_REFUSED"


async def test_a_refusal_is_read_off_the_wire(server: Served) -> None:
    """Code, reason, page and every wrong field."""
    with pytest.raises(Refused) as refused:
        await server.as_actor(server.bench.user).do("ListSpecimens", order_by="nothing")
    told = refused.value
    assert (told.code, told.reason, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", ["order_by"])
    assert told.metadata["docs"] == "errors/invalid-field.md"


async def test_assertions_fail_when_what_they_say_is_not_so(server: Served) -> None:
    """Each the other way round."""
    user, colleague = server.as_actor(server.bench.user), server.as_actor(server.bench.colleague)
    made = await user.do("CreateSpecimen", specimen=message("Specimen")(name="mine"))
    wrong: list[Any] = [
        assert_allowed(colleague.do("GetSpecimen", id=made.id)),
        assert_denied(user.do("GetSpecimen", id=made.id)),
        assert_denied(user.do("ListSpecimens", filter="(")),
        assert_denied(colleague.do("GetSpecimen", id=made.id), "PERMISSION_DENIED"),
        assert_filtered(user, "ListSpecimens", seen=[], hidden=[made]),
        assert_filtered(colleague, "ListSpecimens", seen=[made], hidden=[]),
        assert_event(server.bench, "specimen.created", resource_id="another"),
        assert_audited(server.bench, "CreateSpecimen", outcome="PERMISSION_DENIED"),
    ]
    for claim in wrong:
        with pytest.raises(AssertionError):
            await claim
    await assert_event(server.bench, "specimen.created", resource_id=made.id, actor__id=server.bench.user.id)


async def test_engine_and_wire_are_denied_alike(server: Served) -> None:
    """What assertions take from the one they take from the other."""
    request = message("GetSpecimenRequest")(id="01a20000-0000-7000-8000-000000000000")
    on_the_wire = await assert_denied(server.as_actor(server.bench.user).do("GetSpecimen", request))
    inside = await assert_denied(server.bench.do("GetSpecimen", request))
    assert (on_the_wire.status, on_the_wire.code) == (inside.status, inside.code)
    with pytest.raises(NotFound):
        await server.bench.do("GetSpecimen", request)


async def test_the_statements_of_a_block_are_counted(server: Served) -> None:
    """Those of this service's roles alone, and none after the block."""
    user = server.as_actor(server.bench.user)
    with counted(server.bench.database) as queries:
        made = await user.do("CreateSpecimen", specimen=message("Specimen")(name="counted"))
    before = list(queries)
    assert len(queries.on("INSERT INTO specimens")) == 1 and len(queries.on("INSERT INTO outbox")) == 1
    await user.do("GetSpecimen", id=made.id)
    assert queries == before
