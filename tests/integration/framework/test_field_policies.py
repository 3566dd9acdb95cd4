"""What a field policy keeps is in no answer, cannot be asked about, and cannot be written by whoever may not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.access.v1 import access_pb2
from ashgrove.resource.v1 import aggregate_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import Actor
from framework.engine.concealing import concealed
from framework.errors import InvalidFields, NotPermitted
from framework.identifiers import new_id
from framework.testing.specimen import message, registry
from framework.testing.workbench import Workbench, workbench

WORD = "canary-whisper"
HIDDEN = ["rank", "stamp"]
_LIST = "/ashgrove.specimen.v1.SpecimenService/ListSpecimens"
KEPT = [*HIDDEN, "whisper"]


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        yield made


async def public(bench: Workbench, **more: Any) -> Any:
    """Returns a specimen that everybody in the organization may see, as its owner is told of it."""
    made = message("Specimen")(name="one", whisper=WORD, rank=7, visibility="VISIBILITY_PUBLIC", **more)
    return await bench.do("CreateSpecimen", message("CreateSpecimenRequest")(specimen=made))


async def listed(bench: Workbench, actor: Actor, **asked: Any) -> list[Any]:
    answer = await bench.do("ListSpecimens", message("ListSpecimensRequest")(**asked), actor)
    return list(answer.specimens)


async def update(bench: Workbench, actor: Actor, one: Any, *paths: str) -> Any:
    request = message("UpdateSpecimenRequest")(specimen=one, update_mask=FieldMask(paths=paths))
    return await bench.do("UpdateSpecimen", request, actor)


async def test_what_is_kept_is_in_no_answer_and_is_named(bench: Workbench) -> None:
    """The owner reads the whisper and writes a rank that only administrators read; a colleague reads neither."""
    made = await public(bench)
    assert (made.whisper, made.rank, made.forbidden_fields) == (WORD, 0, HIDDEN)
    told = {bench.admin: (WORD, 7, []), bench.user: (WORD, 0, HIDDEN), bench.colleague: ("", 0, KEPT)}
    for actor, expected in told.items():
        read = await bench.do("GetSpecimen", message("GetSpecimenRequest")(id=made.id), actor)
        for one in (read, *(await listed(bench, actor))):
            assert (one.whisper, one.rank, list(one.forbidden_fields)) == expected
        masked = await bench.do(
            "GetSpecimen",
            message("GetSpecimenRequest")(id=made.id, read_mask=FieldMask(paths=["whisper", "forbidden_fields"])),
            actor,
        )
        assert (masked.whisper, list(masked.forbidden_fields)) == (expected[0], expected[2])


async def test_a_write_that_is_tried_tells_its_caller_what_the_real_one_tells(bench: Workbench) -> None:
    """The row that a policy asks is there while the answer is made, though it is gone afterwards."""
    made = message("Specimen")(name="tried", whisper=WORD)
    asked = message("CreateSpecimenRequest")
    tried = await bench.do("CreateSpecimen", asked(specimen=made, validate_only=True))
    real = await bench.do("CreateSpecimen", asked(specimen=made))
    assert (
        (tried.whisper, list(tried.forbidden_fields)) == (real.whisper, list(real.forbidden_fields)) == (WORD, HIDDEN)
    )


async def test_what_is_never_shown_is_unknown_and_what_depends_is_absent(bench: Workbench) -> None:
    """Filters, orders, measures and groups answer of a kept value as of none."""
    made = await public(bench)
    for asked in ({"filter": "rank = 7"}, {"order_by": "rank"}):
        with pytest.raises(InvalidFields) as refused:
            await listed(bench, bench.user, **asked)
        assert "rank is no field" in refused.value.message
        assert "rank," not in refused.value.message.split("there are")[1]
    for text, seen in ((f'whisper = "{WORD}"', False), (f'whisper != "{WORD}"', True), ('whisper:"canary"', False)):
        assert [one.id for one in await listed(bench, bench.colleague, filter=text)] == ([made.id] if seen else [])
        assert [one.id for one in await listed(bench, bench.user, filter=text)] == ([] if seen else [made.id])
    for measure in ("count(whisper)", "count_distinct(whisper)", "max(whisper)"):
        request = aggregate_pb2.AggregateRequest(measures=[f"{measure} as found"], group_by=["whisper"])
        (row,) = (await bench.do("AggregateSpecimens", request, bench.colleague)).rows
        assert row.keys["whisper"].WhichOneof("kind") == "null_value"
        assert not row.values["found"].number_value and not row.values["found"].string_value
    with pytest.raises(InvalidFields):
        await bench.do("AggregateSpecimens", aggregate_pb2.AggregateRequest(measures=["sum(rank)"]), bench.user)


async def test_orders_and_page_tokens_tell_nothing_of_what_is_kept(bench: Workbench) -> None:
    """Rows stand as if the value were absent, over all pages; the other's own rows stand by their value."""
    ids = [(await public(bench)).id for _ in range(3)]
    mine = message("Specimen")(name="mine", whisper="b")
    own = await bench.do("CreateSpecimen", message("CreateSpecimenRequest")(specimen=mine), bench.colleague)
    walked: list[str] = []
    token = ""
    while True:
        request = message("ListSpecimensRequest")(order_by="whisper desc", page_size=1, page_token=token)
        page = await bench.do("ListSpecimens", request, bench.colleague)
        walked += [one.id for one in page.specimens]
        token = page.next_page_token
        if not token:
            break
    assert walked == [own.id, *reversed(ids)]


async def test_a_field_that_is_kept_is_not_written_either(bench: Workbench) -> None:
    """The refusal names it; whoever may write what they cannot read may, and learns nothing by it."""
    made = await public(bench)
    other = message("Specimen")(name="two", stamp="x")
    creating = message("CreateSpecimenRequest")(specimen=other)
    with pytest.raises(NotPermitted) as refused:
        await bench.do("CreateSpecimen", creating)
    assert refused.value.metadata == {"action": "Create", "fields": "stamp"}
    with pytest.raises(NotPermitted) as refused:
        await update(bench, bench.user, message("Specimen")(id=made.id, name="two", stamp="x"))
    assert refused.value.metadata == {"action": "Update", "fields": "stamp"}
    assert len(await listed(bench, bench.admin)) == 1
    first = await update(bench, bench.user, message("Specimen")(id=made.id, rank=7), "rank")
    second = await update(bench, bench.user, message("Specimen")(id=made.id, rank=8), "rank")
    # A right guess is written as a wrong one is.
    assert int(second.etag) == int(first.etag) + 1 == int(made.etag) + 2
    assert first.rank == second.rank == 0 and second.forbidden_fields == HIDDEN
    read = await bench.do("GetSpecimen", message("GetSpecimenRequest")(id=made.id), bench.admin)
    assert read.rank == 8


async def test_sending_back_what_was_read_empties_nothing(bench: Workbench) -> None:
    """A mask of `*` means every field that the caller could read or write."""
    made = await public(bench)
    for actor in (bench.admin, bench.user):
        one = await bench.do("GetSpecimen", message("GetSpecimenRequest")(id=made.id), actor)
        one.name = f"renamed by {actor.role}"
        await update(bench, actor, one, "*")
        read = await bench.do("GetSpecimen", message("GetSpecimenRequest")(id=made.id), bench.admin)
        assert (read.name, read.whisper, read.rank) == (one.name, WORD, 7)


async def test_no_event_carries_what_some_may_not_read(bench: Workbench) -> None:
    """Audit entries and watchers are fed from them."""
    made = await public(bench)
    await update(bench, bench.user, message("Specimen")(id=made.id, whisper=f"{WORD}!"), "whisper")
    events = await bench.events()
    assert len(events) == 2
    assert WORD not in str(events) and "rank" not in events[0]["data"]
    assert events[1]["changed_paths"] == ["whisper"]


async def test_what_an_action_answers_is_bounded_at_the_last_gate(bench: Workbench) -> None:
    """Wherever in the answer a resource stands; of one that is no more, nothing is told that depends on its row."""
    made = await public(bench)
    whole = {"whisper": WORD, "rank": 7, "stamp": "x", "name": "plain"}
    method = replace(bench.registry.methods[_LIST], verb="TellSpecimens", handler=lambda call, request: None)
    for actor, shown in ((bench.admin, {*whole}), (bench.user, {"whisper", "name"}), (bench.colleague, {"name"})):
        told = [message("Specimen")(id=identifier, **whole) for identifier in (made.id, str(new_id()))]
        call = bench.engine.call(bench.context(actor, "TellSpecimens"))
        answer = await concealed(call, method, message("ListSpecimensResponse")(specimens=told))
        first, lost = answer.specimens
        assert {name for name in whole if getattr(first, name)} == shown
        assert {name for name in whole if getattr(lost, name)} == (shown if actor is bench.admin else {"name"})
        assert set(first.forbidden_fields) == whole.keys() - shown


async def test_related_rows_keep_their_fields(bench: Workbench) -> None:
    """Whether they are included, or only named in a filter or an order of the rows that lead to them."""
    made = await public(bench)
    async with bench.database.system() as tx:
        await tx.execute(
            """INSERT INTO pieces (organization_id, id, specimen_id, owner_id, visibility, name)
               VALUES (%(o)s, %(i)s, %(s)s, %(u)s, 'VISIBILITY_PUBLIC', 'piece')""",
            {"o": bench.organization_id, "i": new_id(), "s": made.id, "u": bench.user.user_id},
        )
    asked = message("ListPiecesRequest")(include=["specimen"], order_by="specimen.whisper")
    for actor, shown in ((bench.colleague, False), (bench.user, True)):
        (piece,) = (await bench.do("ListPieces", asked, actor)).pieces
        (specimen,) = piece.included[0].resources
        told = message("Specimen")()
        specimen.Unpack(told)
        assert told.id == made.id and (told.whisper == WORD) is shown and told.rank == 0
        assert list(told.forbidden_fields) == (HIDDEN if shown else KEPT)
        probe = message("ListPiecesRequest")(filter=f'specimen.whisper = "{WORD}"')
        assert len((await bench.do("ListPieces", probe, actor)).pieces) == int(shown)
        for text in ("specimen.rank = 7", "specimen.stamp:*"):
            with pytest.raises(InvalidFields):
                await bench.do("ListPieces", message("ListPiecesRequest")(filter=text), actor)
        with pytest.raises(InvalidFields):
            await bench.do("ListPieces", message("ListPiecesRequest")(order_by="specimen.rank"), actor)


async def test_permissions_and_explanations_speak_of_fields(bench: Workbench) -> None:
    """What is kept is told beside what may be done; administrators learn which policy keeps it, as anybody."""
    made = await public(bench)
    asked = access_pb2.TestPermissionsRequest(ids=[made.id], actions=["Get", "Update"])
    for actor, actions, kept in ((bench.user, ["Get", "Update"], HIDDEN), (bench.colleague, ["Get"], KEPT)):
        (told,) = (await bench.do("TestSpecimenPermissions", asked, actor)).permissions
        assert (list(told.actions), list(told.forbidden_fields)) == (actions, kept)
    subject = access_pb2.Subject(user_id=bench.user.id, role=access_pb2.Subject.ROLE_USER)
    request = access_pb2.ExplainAccessRequest(id=made.id, action="Get", subject=subject)
    explained = await bench.do("ExplainSpecimenAccess", request, bench.admin)
    fields = {one.field: one for one in explained.fields}
    assert fields["whisper"].read == access_pb2.VERDICT_PASSES
    assert (fields["rank"].read, fields["rank"].write) == (access_pb2.VERDICT_FAILS, access_pb2.VERDICT_PASSES)
    assert "does not pass" in fields["rank"].read_reason
    assert [one.decisive for one in fields["rank"].policies] == [True, False]
    nowhere = access_pb2.ExplainAccessRequest(action="Get", subject=subject)
    fields = {one.field: one for one in (await bench.do("ExplainSpecimenAccess", nowhere, bench.admin)).fields}
    assert fields["whisper"].read == access_pb2.VERDICT_DEPENDS
    assert WORD not in str(explained)
