"""The program service's processes: `python -m services.program [serve|worker|migrate|ddl]`."""

import asyncio
import sys
from pathlib import Path

import click
from ashgrove.areas import AuthArea, VariablesArea
from ashgrove.auth.v1 import auth_internal_service_pb2
from ashgrove.auth.v1.auth_internal_service_pb2_grpc import AuthInternalServiceStub
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest
from ashgrove.program.v1.program_internal_service_pb2_grpc import add_ProgramInternalServiceServicer_to_server

from framework.egress import EgressPolicy
from framework.events.rollups import counters
from framework.events.tail import Consumer
from framework.rpc.assembly import api, commands, keys_from, parts, worker
from framework.rpc.current import current
from framework.rpc.feed_commands import opened
from framework.rpc.peers import Peers
from framework.rpc.server import Process, run
from framework.rpc.tracing import readers
from framework.secrets import SecretReferences
from framework.settings import ServiceSettings
from framework.tasks import together
from services.program.application import Application
from services.program.code.pool import Workers
from services.program.describing import Describing
from services.program.handing import HandingServicer
from services.program.registry import registry
from services.program.retention.batches import Counts
from services.program.retention.work import Retention
from services.program.settings import ProgramSettings
from services.program.unsealing import sealed_as_before, unseal

MIGRATIONS = Path(__file__).parent / "migrations"


async def api_process(settings: ProgramSettings) -> Process:
    """Returns the API process; it imports neither DSPy nor a model, and registered code in another process only."""
    describing = Describing(Workers(size=1))
    peers = peers_of(settings)
    rules = EgressPolicy(settings), SecretReferences(settings)
    ours = Application(describing, VariablesArea(peers.channels["variables"]), *rules, settings.models)
    made = await parts(settings, registry(), application=ours)
    handing = HandingServicer(ours.waiting, current)
    keys = keys_from(AuthArea(peers.channels["auth"]), GetJwksRequest())
    return api(
        made,
        MIGRATIONS,
        keys,
        servicers=[lambda server: add_ProgramInternalServiceServicer_to_server(handing, server)],
        background=[describing.follow],
        consumers=consumers_of(peers),
        auth_feed=peers.feed("auth"),
        close=[peers.close, describing.close],
    )


def peers_of(settings: ServiceSettings) -> Peers:
    """Connects to the services whose feeds this one follows, and to the one that it asks about spaces."""
    names = ("auth", "optimizer", "variables")
    return Peers(settings, "program", names, AuthInternalServiceStub, auth_internal_service_pb2)


def consumers_of(peers: Peers) -> list[Consumer]:
    """Returns who follows the feeds of others here: runs are counted, and what ended ones held is opened."""
    optimizer = peers.feed("optimizer")
    opened = Consumer("unsealing:optimizer", optimizer, unseal, ["optimization_run"], sealed_as_before)
    return [*counters(registry(), {"optimizer": optimizer}), opened]


async def worker_process(settings: ProgramSettings) -> Process:
    """Returns a worker process."""
    # What runs programs and speaks to endpoints is a worker's alone: the API stays small without.
    import httpx

    from framework.egress.outlet import Outlet
    from services.program.connectors.desk import Desk
    from services.program.connectors.directory import Directory
    from services.program.metering.gate import Gate
    from services.program.running import Models
    from services.program.scoring.likeness import Embeddings
    from services.program.taking import Taking
    from services.program.tools.using import Outside
    from services.program.worker import Worker
    from services.program.working import Workshop

    made = await parts(settings, registry())
    egress = EgressPolicy(settings)
    outside = egress.client(limits=httpx.Limits(max_connections=settings.lm_connections))
    own, theirs = Outlet(settings.lm_connections), egress.outlet(settings.lm_connections)
    gate = Gate(made.database)
    secrets = SecretReferences(settings)
    desk = Desk(Directory(made.database), gate, theirs, secrets, outside, traced_texts=settings.trace_prompts)
    models = Models(settings.models, own, desk)
    workers = Workers(settings.code_processes)
    workshop = Workshop(
        made.engine,
        models.prepare,
        Embeddings(settings.models, own),
        workers,
        settings.bounds,
        at_once=settings.examples_at_once,
        evaluations_at_once=settings.evaluations_at_once,
        desk=desk,
        prepare_with_tools=models.prepare_with_tools,
        outside=Outside(outside, secrets),
    )

    peers = Peers(settings, "program", ("auth", "program"), AuthInternalServiceStub, auth_internal_service_pb2)
    its = Worker(workshop)

    async def work() -> None:
        theirs.open()
        await models.warm()
        await gate.open()
        await together([its.run(), Taking(its, peers.channels["program"], peers.tokens).run()])

    retention = Retention(made.database, settings.keep_days, readers(settings))
    close = [workers.close, gate.close, outside.aclose, own.aclose, theirs.aclose, peers.close]
    return worker(made, MIGRATIONS, background=[work, retention.run], close=close)


main = commands(registry(), MIGRATIONS, ProgramSettings, lambda settings: consumers_of(peers_of(settings)))


@main.command("serve")
def _serve() -> None:
    """Serve the API."""
    settings = ProgramSettings()  # the environment gives the rest
    run(lambda: api_process(settings))


@main.command("worker")
def _work() -> None:
    """Execute and evaluate programs."""
    settings = ProgramSettings()
    run(lambda: worker_process(settings))


@main.command("retain", help="Let go of what is kept no longer, once, whatever the settings say of days.")
@click.option("--executions", type=click.IntRange(min=1), help="How many days executions are kept at least.")
@click.option("--model-calls", type=click.IntRange(min=1), help="How many days model calls are kept at least.")
def _retain(executions: int | None, model_calls: int | None) -> None:
    """Does one pass."""
    keep_days = {"executions": executions or 0, "model_calls": model_calls or 0}
    for (what, of), count in asyncio.run(_retained(ProgramSettings(), keep_days)).items():
        click.echo(f"{count} {what}: {of}")


async def _retained(settings: ProgramSettings, keep_days: dict[str, int]) -> Counts:
    async with opened(settings, "program") as database:
        return await Retention(database, keep_days).once()


if __name__ == "__main__":
    main.main(sys.argv[1:] or ["serve"], prog_name="python -m services.program")
