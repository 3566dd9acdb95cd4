"""A program names a space of the variables service: one that its writer can see, asked of that service itself."""

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
from ashgrove.areas import VariablesArea
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.program_requests_pb2 import CloneProgramRequest
from ashgrove.variables.v1 import variable_space_pb2

from framework.call import Actor
from framework.identifiers import new_id
from framework.rpc.channels import channel_to
from framework.testing.refusals import Refused
from framework.testing.serving import Caller, Served, served
from framework.testing.tokens import Issuer
from framework.testing.workbench import Workbench, workbench
from services.program.application import Application
from services.program.code.pool import Workers
from services.program.describing import Describing
from services.program.registry import registry
from services.variables.registry import registry as variables_registry
from tests.integration.program.making import outside, program

_Space = variable_space_pb2.VariableSpace


class Neighbours:
    """Both services, each behind a port, and the people of one organization."""

    def __init__(self, programs: Served, spaces: Served, issuer: Issuer, bench: Workbench) -> None:
        self._programs = programs
        self._spaces = spaces
        self._issuer = issuer
        self.bench = bench

    def programs(self, actor: Actor) -> Caller:
        """Returns somebody who calls the program service."""
        return self._programs.as_actor(actor, token=self._issuer.token(actor))

    async def space(self, actor: Actor, visibility: _Space.Visibility.ValueType = _Space.VISIBILITY_PRIVATE) -> str:
        """Creates a space as somebody and returns its id."""
        wanted = _Space(name=f"space {new_id()}", visibility=visibility)
        wanted.variables.add(name="heat", float=variable_space_pb2.FloatDomain(low=0, high=1))
        return str((await self.spaces(actor, "Create", variable_space=wanted)).id)

    async def spaces(self, actor: Actor, verb: str, **fields: Any) -> Any:
        """Does something to a space."""
        caller = self._spaces.as_actor(actor, token=self._issuer.token(actor))
        return await caller.do(f"{verb}VariableSpace", **fields)

    async def create(self, actor: Actor, space_id: str) -> Program:
        """Creates a public program over a space."""
        public = Program.VISIBILITY_PUBLIC
        made = program(name=f"program {new_id()}", variable_space_id=space_id, visibility=public)
        created: Program = await self.programs(actor).do("CreateProgram", program=made)
        return created


@pytest.fixture
async def near(postgres_url: str) -> AsyncIterator[Neighbours]:
    issuer, here = Issuer(), Path("services")
    async with (
        workbench(variables_registry(), postgres_url, here / "variables" / "migrations") as variables,
        served(variables, issuer.keys) as spaces,
    ):
        channel = channel_to(f"127.0.0.1:{spaces.port}")
        ours = Application(Describing(Workers(size=1)), VariablesArea(channel), *outside())
        async with (
            workbench(registry(), postgres_url, here / "program" / "migrations", ours) as made,
            served(made, issuer.keys) as programs,
        ):
            yield Neighbours(programs, spaces, issuer, made)
        await channel.close()


async def refused(call: Awaitable[Any]) -> str:
    """Returns why a space is refused."""
    with pytest.raises(Refused) as refusal:
        await call
    assert refusal.value.fields == ["program.variable_space_id"]
    return refusal.value.message.removeprefix("program.variable_space_id: ")


async def test_a_program_names_only_spaces_that_its_writer_can_see(near: Neighbours) -> None:
    """Hidden and missing ones are refused alike, and archived ones as what they are."""
    user, colleague = near.bench.user, near.bench.colleague
    mine, public = await near.space(user), await near.space(colleague, _Space.VISIBILITY_PUBLIC)
    made = await near.create(user, mine)
    made.variable_space_id = public
    changed = await near.programs(user).do("UpdateProgram", program=made)
    assert changed.variable_space_id == public
    hidden = await refused(near.create(colleague, mine))
    assert hidden == await refused(near.create(colleague, str(new_id()))) == "there is no such space that you can see"
    stranger = near.bench.elsewhere().user
    assert hidden == await refused(near.create(stranger, public))
    changed.variable_space_id = await near.space(colleague)
    assert hidden == await refused(near.programs(user).do("UpdateProgram", program=changed))
    await near.spaces(colleague, "Archive", id=public)
    assert "archived" in await refused(near.create(user, public))


async def test_what_a_program_names_already_stays_named(near: Neighbours) -> None:
    """Changing another field asks for no space, whatever became of it."""
    user, colleague = near.bench.user, near.bench.colleague
    space = await near.space(colleague, _Space.VISIBILITY_PUBLIC)
    made = await near.create(user, space)
    await near.spaces(colleague, "Archive", id=space)
    made.description = "another"
    assert (await near.programs(user).do("UpdateProgram", program=made)).variable_space_id == space


async def test_a_clone_names_its_parents_space_where_its_owner_could(near: Neighbours) -> None:
    """It is a copy without one elsewhere."""
    user, colleague = near.bench.user, near.bench.colleague
    for visibility, kept in ((_Space.VISIBILITY_PUBLIC, True), (_Space.VISIBILITY_PRIVATE, False)):
        made = await near.create(user, await near.space(user, visibility))
        copy = await near.programs(colleague).do("CloneProgram", id=made.id, new_name=f"copy {new_id()}")
        assert copy.variable_space_id == (made.variable_space_id if kept else "")


async def test_a_copy_shares_pins_copies_or_leaves_out_the_space(near: Neighbours) -> None:
    """A pinned revision stays; a copied space belongs to whoever copies; a trial copies none."""
    user, colleague = near.bench.user, near.bench.colleague
    space = await near.space(user, _Space.VISIBILITY_PUBLIC)
    made = await near.create(user, space)

    async def clone(choice: str, *, validate_only: bool = False) -> Program:
        number = CloneProgramRequest.Space.Value(f"SPACE_{choice}")
        name, caller = f"copy {new_id()}", near.programs(colleague)
        asked = {"id": made.id, "new_name": name, "space": number, "validate_only": validate_only}
        copy: Program = await caller.do("CloneProgram", **asked)
        return copy

    named = {choice: await clone(choice) for choice in ("UNSPECIFIED", "SHARE", "PIN", "COPY", "NONE")}
    found = {choice: (each.variable_space_id == space, each.variable_space_revision) for choice, each in named.items()}
    assert found == {
        "UNSPECIFIED": (True, 0),
        "SHARE": (True, 0),
        "PIN": (True, 1),
        "COPY": (False, 0),
        "NONE": (False, 0),
    }
    own = await near.spaces(colleague, "Get", id=named["COPY"].variable_space_id)
    assert own.owner_id == str(colleague.user_id) and [each.name for each in own.variables] == ["heat"]
    tried = await clone("COPY", validate_only=True)
    assert tried.variable_space_id == space
    named["PIN"].variable_space_revision = 2
    with pytest.raises(Refused) as refusal:
        await near.programs(colleague).do("UpdateProgram", program=named["PIN"])
    assert refusal.value.fields == ["program.variable_space_revision"]
