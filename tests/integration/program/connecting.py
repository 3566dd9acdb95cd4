"""Makes what tests of connectors need: a desk that may call this machine, secrets, a connector to the server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ashgrove.program.v1 import connector_pb2
from ashgrove.program.v1.connector_requests_pb2 import CreateConnectorRequest
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from pydantic import SecretStr

from framework.call import Actor
from framework.egress.outlet import Outlet
from framework.testing.workbench import Workbench
from services.program.application import Application
from services.program.code.pool import Workers
from services.program.connectors.desk import Desk
from services.program.connectors.directory import Directory
from services.program.describing import Describing
from services.program.lm.engine import ModelSettings
from services.program.metering.gate import Gate
from services.program.running import Models
from services.program.working import Workshop
from tests.integration.program.making import outside
from tests.models import ModelServer

SECRET = "sk-very-secret-9431"
SV = "[[ ## language ## ]]\nsv\n\n[[ ## completed ## ]]"


@asynccontextmanager
async def connected(bench: Workbench, workshop: Workshop, folder: Path) -> AsyncIterator[Workshop]:
    """A workshop that asks connectors on this machine; the organization may use the secrets of `models`."""
    grants = folder / "grants.json"
    grants.write_text(json.dumps({str(bench.organization_id): ["models"]}))
    secrets = {"models": {"key": SecretStr(SECRET)}}
    rules = outside(egress_allow=("127.0.0.1",), tenant_secret=secrets, secret_grants=grants)
    gate = Gate(bench.database)
    await gate.open()
    workers = Workers(size=1)
    bench.engine.application = Application(Describing(workers), None, *rules)
    async with rules[0].client() as others, rules[0].outlet() as theirs, Outlet() as own:
        desk = Desk(Directory(bench.database), gate, theirs, rules[1], others)
        yield replace(workshop, prepare=Models(ModelSettings(), own, desk).prepare, desk=desk)
        await gate.close()
    bench.engine.application = None
    await workers.close()


def connector(models: ModelServer, name: str = "fast", **fields: Any) -> connector_pb2.Connector:
    """A connector to the server, at a dollar and at four for a million tokens."""
    made = connector_pb2.Connector(
        name=name, provider="openai", base_url=models.url, model="m1", secret="secret://models/key", **fields
    )
    made.prices.add(input_micros=1_000_000, output_micros=4_000_000, cached_input_micros=500_000)
    return made


async def create_connector(
    bench: Workbench, made: connector_pb2.Connector, actor: Actor | None = None
) -> connector_pb2.Connector:
    """Creates a connector as the administrator."""
    created: connector_pb2.Connector = await bench.do(
        "CreateConnector", CreateConnectorRequest(connector=made), actor or bench.admin
    )
    return created


async def execute(bench: Workbench, program: Any, actor: Actor | None = None, **configuration: Any) -> Any:
    """Runs a program on a text."""
    request = ExecuteProgramRequest(program_id=program.id)
    request.inputs.update({"text": "hav och fjäll"})
    request.configuration.update(configuration)
    return await bench.do("ExecuteProgram", request, actor)
