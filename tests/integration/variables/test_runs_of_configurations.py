"""What is kept of a run names it: one over the same space that its keeper can see, asked of the optimizer itself."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from ashgrove.variables.v1 import prompt_value_pb2, variable_space_pb2
from ashgrove.variables.v1.variable_configuration_pb2 import VariableConfiguration

from framework.call import Actor
from framework.identifiers import new_id
from framework.rpc.channels import channel_to
from framework.testing.refusals import Refused
from framework.testing.serving import Served, served
from framework.testing.tokens import Issuer
from framework.testing.workbench import Workbench, workbench
from services.optimizer.registry import registry as optimizer_registry
from services.variables.application import application
from services.variables.registry import registry

_RUN = """
INSERT INTO optimization_runs (organization_id, id, owner_id, grant_id, variable_space_id)
VALUES (%(organization)s, %(id)s, %(owner)s, %(id)s, %(space)s)"""
_TRIAL = """
INSERT INTO trials (organization_id, id, optimization_run_id, number) VALUES (%(organization)s, %(id)s, %(run)s, 1)"""


class Keeping:
    """The variables service and the optimizer, and a space of the user's."""

    def __init__(self, variables: Served, runs: Workbench, issuer: Issuer) -> None:
        self._variables = variables
        self._runs = runs
        self._issuer = issuer
        self.bench = variables.bench

    async def do(self, rpc: str, actor: Actor | None = None, **fields: Any) -> Any:
        """Does an RPC of the variables service."""
        actor = actor or self.bench.user
        return await self._variables.as_actor(actor, token=self._issuer.token(actor)).do(rpc, **fields)

    async def space(self) -> str:
        """Creates a public space with an open instruction."""
        public = variable_space_pb2.VariableSpace.VISIBILITY_PUBLIC
        wanted = variable_space_pb2.VariableSpace(name=f"space {new_id()}", visibility=public)
        wanted.variables.add(name="heat", float=variable_space_pb2.FloatDomain(low=0, high=1))
        return str((await self.do("CreateVariableSpace", variable_space=wanted)).id)

    async def run(self, space: str) -> tuple[str, str]:
        """Puts a run of the user's over a space into the optimizer's tables, with a trial."""
        told = {"organization": self.bench.organization_id, "id": new_id(), "space": UUID(space)}
        trial = {"organization": self.bench.organization_id, "id": new_id(), "run": told["id"]}
        async with self._runs.database.system() as tx:
            await tx.execute(_RUN, told | {"owner": self.bench.user.id})
            await tx.execute(_TRIAL, trial)
        return str(told["id"]), str(trial["id"])

    async def keep(self, space: str, run: str, trial: str = "", actor: Actor | None = None) -> VariableConfiguration:
        """Keeps a configuration as one that a trial of a run found."""
        made = VariableConfiguration(name=f"best {new_id()}", variable_space_id=space, optimization_run_id=run)
        made.trial_id, made.origin = trial, VariableConfiguration.ORIGIN_OPTIMIZER
        made.values.update({"heat": int(new_id()) % 1000 / 1000})
        kept: VariableConfiguration = await self.do("CreateVariableConfiguration", actor, variable_configuration=made)
        return kept

    async def refusal(self, *asked: Any) -> tuple[list[str], str]:
        """Returns why a configuration is not kept."""
        with pytest.raises(Refused) as refused:
            await self.keep(*asked)
        return refused.value.fields, refused.value.message.rpartition(": ")[2]


@pytest.fixture
async def keeping(postgres_url: str) -> AsyncIterator[Keeping]:
    issuer, here = Issuer(), Path("services")
    async with (
        workbench(optimizer_registry(), postgres_url, here / "optimizer" / "migrations") as runs,
        served(runs, issuer.keys) as optimizer,
    ):
        channels = {"optimizer": channel_to(f"127.0.0.1:{optimizer.port}"), "program": channel_to("127.0.0.1:1")}
        peers = application(channels)
        async with (
            workbench(registry(), postgres_url, here / "variables" / "migrations", peers) as bench,
            served(bench, issuer.keys) as variables,
        ):
            yield Keeping(variables, runs, issuer)
        for channel in channels.values():
            await channel.close()


async def test_a_configuration_names_the_run_and_trial_that_found_it(keeping: Keeping) -> None:
    """Hidden and missing runs are refused alike."""
    space = await keeping.space()
    run, trial = await keeping.run(space)
    assert (await keeping.keep(space, run, trial)).trial_id == trial
    hidden = await keeping.refusal(space, run, trial, keeping.bench.colleague)
    assert hidden == (["variable_configuration.optimization_run_id"], "there is no such run that you can see")
    assert hidden == await keeping.refusal(space, str(new_id()))


async def test_run_trial_and_space_belong_together(keeping: Keeping) -> None:
    """A run over another space found nothing for this one, nor did another run's trial."""
    space, other = await keeping.space(), await keeping.space()
    run, _ = await keeping.run(space)
    another, trial = await keeping.run(other)
    assert (await keeping.refusal(space, another))[1] == "is a run over another space"
    strange = (["variable_configuration.trial_id"], "there is no such trial of that run")
    assert await keeping.refusal(space, run, trial) == strange
    assert await keeping.refusal(space, run, str(new_id())) == strange


async def test_a_prompt_value_names_the_run_that_found_it(keeping: Keeping) -> None:
    """By the same rule."""
    space = await keeping.space()
    run, _ = await keeping.run(space)
    wanted = prompt_value_pb2.PromptValue(variable_space_id=space, kind=1, optimization_run_id=run)
    wanted.content.update({"text": "Answer."})
    assert (await keeping.do("AddPromptValue", prompt_value=wanted)).optimization_run_id == run
    with pytest.raises(Refused) as refused:
        await keeping.do("AddPromptValue", keeping.bench.colleague, prompt_value=wanted)
    assert refused.value.fields == ["prompt_value.optimization_run_id"]
