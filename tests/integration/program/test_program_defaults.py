"""The organization's level of a configuration: who sets it, whom it reaches; work keeps to what it began with."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.connector_requests_pb2 import UpdateConnectorRequest
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_defaults_pb2 import ProgramDefaults, RunDefaults, SetProgramDefaultsRequest
from ashgrove.resource.v1.requests_pb2 import ListRequest
from ashgrove.values import to_plain
from google.protobuf.field_mask_pb2 import FieldMask

from framework.errors import NotPermitted, StaleEtag
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from services.program.lm.engine import ModelSettings
from services.program.working import Workshop
from tests.integration.program.connecting import SV, connected, connector, create_connector
from tests.integration.program.making import (
    create_custom,
    create_dataset,
    create_program,
    evaluated,
    evaluation,
    program,
    working,
)
from tests.models import ModelServer, Say

Source = execution_pb2.EffectiveValue.Source


@pytest.fixture
async def asking(bench: Workbench, workshop: Workshop, tmp_path: Path, models: ModelServer) -> AsyncIterator[Workshop]:
    """A workshop with a worker, and connectors called `fast` and `slow` to a model that knows Swedish."""
    models.otherwise = Say(SV)
    async with connected(bench, workshop, tmp_path) as made, working(made):
        await create_connector(bench, connector(models))
        await create_connector(bench, connector(models, "slow"))
        yield made


async def settle(bench: Workbench, etag: str = "", **values: Any) -> ProgramDefaults:
    """Sets the organization's defaults as its administrator."""
    request = SetProgramDefaultsRequest(defaults=RunDefaults(**values), etag=etag)
    made: ProgramDefaults = await bench.do("SetProgramDefaults", request, bench.admin)
    return made


async def run(bench: Workbench, made: Any, configuration: Any = None, **fields: Any) -> execution_pb2.Execution:
    """Runs a program on a text."""
    request = ExecuteProgramRequest(program_id=made.id, **fields)
    request.inputs.update({"text": "hav"})
    request.configuration.update(configuration or {})
    done: execution_pb2.Execution = await bench.do("ExecuteProgram", request)
    return done


def told(done: execution_pb2.Execution) -> dict[str, tuple[Any, str]]:
    """Every value that an execution ran with, and who set it."""
    return {
        each.name: (to_plain(each.value), Source.Name(each.source).removeprefix("SOURCE_"))
        for each in done.effective_configuration
    }


async def test_the_last_to_speak_sets_a_value(bench: Workbench, asking: Workshop, models: ModelServer) -> None:
    """Platform, organization, program, call: and what is told is what the model was asked with."""
    wanted = program()
    wanted.program_config.temperature = 0.5
    made = await create_program(bench, program_config=wanted.program_config)
    first = await run(bench, made, {"max_tokens": 9})
    assert told(first)["model"] == ("local/nearest-demo", "SYSTEM") and first.model == "local/nearest-demo"
    await settle(bench, model="fast", temperature=1.5, max_tokens=77, execution_timeout_ms=60_000)
    values = told(await run(bench, made))
    assert values["model"] == ("fast", "ORGANIZATION") and values["max_tokens"] == (77, "ORGANIZATION")
    assert values["temperature"] == (0.5, "PROGRAM") and values["top_p"] == (1.0, "SYSTEM")
    assert values["execution_timeout_ms"] == (60_000, "ORGANIZATION")
    assert (models.requests[0]["max_tokens"], models.requests[0]["temperature"]) == (77, 0.5)
    done = await run(bench, made, {"temperature": 0.1, "model": "slow"}, timeout_ms=9_000)
    values = told(done)
    assert values["temperature"] == (0.1, "CALL") and values["model"] == ("slow", "CALL") and done.model == "slow"
    assert values["execution_timeout_ms"] == (9_000, "CALL") and done.timeout_ms == 9_000


async def test_a_limit_of_cost_reaches_what_asks_models(bench: Workbench, asking: Workshop, coded: Workshop) -> None:
    """And no custom code, whose calls nobody sees."""
    await settle(bench, model="fast", execution_max_cost_micros=3)
    done = await run(bench, await create_program(bench))
    assert done.error_class == execution_pb2.ERROR_CLASS_BUDGET and done.max_cost_micros == 3
    code = await create_custom(bench, "echo@1")
    async with working(coded):
        done = await run(bench, code, detached=True)
        assert not done.HasField("max_cost_micros") and not done.model


async def test_administrators_alone_set_it(bench: Workbench) -> None:
    """Everybody reads it, one row; a change that somebody else made in between is not lost."""
    with pytest.raises(NotPermitted):
        await bench.do("SetProgramDefaults", SetProgramDefaultsRequest(defaults=RunDefaults(model="x")))
    first = await settle(bench, model="fast", temperature=0.5)
    second = await settle(bench, etag=first.etag, model="slow")
    assert second.id == first.id and not second.defaults.HasField("temperature")
    with pytest.raises(StaleEtag):
        await settle(bench, etag=first.etag, model="third")
    (seen,) = (await bench.do("ListProgramDefaults", ListRequest())).program_defaults
    assert seen.defaults.model == "slow"


async def test_what_ran_before_ran_otherwise_once_a_default_or_a_connector_changed(
    bench: Workbench, asking: Workshop, models: ModelServer
) -> None:
    """The cache is missed by another default, of organization or operator, and by a name that means something else."""
    made, local = await create_program(bench), await create_program(bench, name="local")
    assert not (await run(bench, local)).cached and (await run(bench, local, allow_cached=True)).cached
    bench.engine.application = replace(bench.engine.application, models=ModelSettings(default_model="slow"))
    assert not (await run(bench, local, allow_cached=True)).cached
    await settle(bench, model="fast")
    assert not (await run(bench, made)).cached and (await run(bench, made, allow_cached=True)).cached
    await settle(bench, model="fast", temperature=0.25)
    assert not (await run(bench, made, allow_cached=True)).cached
    (fast,) = (await bench.do("ListConnectors", ListRequest(filter='name = "fast"'))).connectors
    fast.model = "m2"
    update = UpdateConnectorRequest(connector=fast, update_mask=FieldMask(paths=["model"]))
    await bench.do("UpdateConnector", update, bench.admin)
    assert not (await run(bench, made, allow_cached=True)).cached
    assert (await run(bench, made, allow_cached=True)).cached


async def test_all_evaluations_of_a_run_keep_to_the_defaults_of_its_first(
    bench: Workbench, asking: Workshop, models: ModelServer
) -> None:
    """A change meanwhile makes no trial incomparable; what is no run's takes the new ones."""
    made, dataset = await create_program(bench), await create_dataset(bench, validation=1)
    bench.user = replace(bench.user, delegate="optimizer")
    request = evaluation(made, dataset, configuration={}, run_id=str(new_id()))
    await settle(bench, model="fast", max_tokens=50)
    await evaluated(bench, request)
    await settle(bench, model="fast", max_tokens=60)
    await evaluated(bench, request)
    await evaluated(bench, evaluation(made, dataset, configuration={}))
    assert [asked["max_tokens"] for asked in models.requests] == [50, 50, 60]
