"""How often a model that does not answer is asked, by whose word, and what is not done again for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1.program_defaults_pb2 import SetProgramDefaultsRequest
from ashgrove.program.v1.signature_pb2 import SignatureConfig
from ashgrove.programs import field

from framework.errors import InvalidFields
from framework.testing.workbench import Workbench
from services.program.connectors.breaker import Breaker
from services.program.metering import lane
from services.program.working import Workshop
from tests.integration.program.connecting import SV, connected, connector, create_connector, execute
from tests.integration.program.making import create_program, working
from tests.integration.program.test_documents import create, document, executed
from tests.models import ModelServer, Reply, Say

Class, Source = execution_pb2.ErrorClass, execution_pb2.EffectiveValue.Source


@pytest.fixture
async def asking(bench: Workbench, workshop: Workshop, tmp_path: Path, models: ModelServer) -> AsyncIterator[None]:
    """A worker, and a connector called `fast`."""
    async with connected(bench, workshop, tmp_path) as made, working(made):
        await create_connector(bench, connector(models))
        yield


async def tried(bench: Workbench, models: ModelServer, program: Any, **configuration: Any) -> tuple[int, Any]:
    """Executes a program on a model that is away, and returns how often that was asked, and what was said of it."""
    models.script, models.otherwise = [], Reply(503)
    models.requests.clear()
    done = await execute(bench, program, model="fast", **configuration)
    assert done.error_class == Class.ERROR_CLASS_MODEL_UNAVAILABLE
    return len(models.requests), next(e for e in done.effective_configuration if e.name == "model_attempts")


async def test_each_level_says_how_often_a_model_is_asked(
    bench: Workbench, asking: None, models: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The organization over the platform, the program over it, the call over all of them."""
    monkeypatch.setattr(lane, "Breaker", lambda: Breaker(failures=100))
    plain = await create_program(bench)
    assert await tried(bench, models, plain) == (6, _said(6, Source.SOURCE_SYSTEM))
    request = SetProgramDefaultsRequest()
    request.defaults.model_attempts = 3
    await bench.do("SetProgramDefaults", request, bench.admin)
    assert await tried(bench, models, plain) == (3, _said(3, Source.SOURCE_ORGANIZATION))
    config = program_pb2.ProgramConfig(model_attempts=2, retry_backoff_ms=0)
    told = await create_program(bench, name="told", program_config=config)
    assert await tried(bench, models, told) == (2, _said(2, Source.SOURCE_PROGRAM))
    assert await tried(bench, models, told, model_attempts=1) == (1, _said(1, Source.SOURCE_CALL))


def _said(attempts: int, source: Source.ValueType) -> Any:
    said = execution_pb2.EffectiveValue(name="model_attempts", source=source)
    said.value.number_value = attempts
    return said


async def test_a_policy_out_of_bounds_is_refused_by_path(bench: Workbench, asking: None) -> None:
    """All at once, in a call and in a program."""
    program = await create_program(bench)
    with pytest.raises(InvalidFields) as refused:
        await execute(bench, program, model_attempts=0, retry_backoff_ms=60_001)
    paths = ["configuration.model_attempts", "configuration.retry_backoff_ms"]
    assert [each.path for each in refused.value.violations] == paths
    with pytest.raises(InvalidFields) as refused:
        await create_program(bench, name="other", program_config=program_pb2.ProgramConfig(model_attempts=11))
    assert [each.path for each in refused.value.violations] == ["program.program_config.model_attempts"]


async def test_a_model_that_only_wants_to_be_asked_less_is_told_as_that(
    bench: Workbench, asking: None, models: ModelServer
) -> None:
    """Also when it said so that often that it is left alone; so is every other cause."""
    models.otherwise = Reply(429)
    done = await execute(bench, await create_program(bench), model="fast")
    assert done.error_class == Class.ERROR_CLASS_RATE_LIMIT and "left alone" in done.error and "429" in done.error


async def test_what_was_done_before_a_call_that_fails_is_not_done_again(
    bench: Workbench, asking: None, models: ModelServer
) -> None:
    """Of a pipeline the call is tried again, and no step before it."""
    asks = await create_program(bench)
    second = {"field": "text", "from": "first.language"}
    steps = [
        {
            "name": "first",
            "program": {"program_id": asks.id},
            "inputs": [{"field": "text", "from": "inputs.text"}],
        },
        {"name": "second", "program": {"program_id": asks.id}, "inputs": [second]},
    ]
    signature = SignatureConfig(inputs=[field("text")], outputs=[field("language")])
    outputs = [{"field": "language", "from": "second.language"}]
    whole = await create(bench, document("PIPELINE", signature, pipeline={"steps": steps, "outputs": outputs}))
    models.script = [Say(SV), Reply(500), Reply(500), Say(SV)]
    done = await executed(bench, whole, {"text": "fjäll"}, first={"model": "fast"}, second={"model": "fast"})
    assert done.status == execution_pb2.WORK_STATUS_COMPLETED and done.cost_micros == 2 * 39
    assert ["fjäll" in each["messages"][-1]["content"] for each in models.requests] == [True, False, False, False]
