"""The auth service's API process: the declared RPCs, and what services ask among themselves."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ashgrove.auth.v1 import auth_internal_service_pb2_grpc
from grpc import aio

from framework.rpc.assembly import Parts, api, parts
from framework.rpc.current import current
from framework.rpc.server import Process
from services.auth.application import AuthApplication, AuthSettings, application_of, service_secrets
from services.auth.grants import Grants
from services.auth.internal import InternalServicer
from services.auth.refusals import keep_telling
from services.auth.registry import registry


async def auth_process(settings: AuthSettings, migrations: Path) -> Process:
    """Returns the process, its database open; raises when a secret or the database is missing."""
    application = application_of(settings)
    made = await parts(settings, registry(), application)
    return assembled(made, application, service_secrets(settings.secrets), migrations)


def assembled(made: Parts, application: AuthApplication, secrets: Mapping[str, bytes], migrations: Path) -> Process:
    """Returns the process of parts that are made already."""
    tokens = application.tokens
    internal = InternalServicer(tokens, Grants(made.database, tokens), secrets, current)

    def add_internal(server: aio.Server) -> None:
        auth_internal_service_pb2_grpc.add_AuthInternalServiceServicer_to_server(  # type: ignore[no-untyped-call,unused-ignore]
            internal, server
        )

    async def own_keys() -> Sequence[Mapping[str, Any]]:
        return tokens.jwks()

    sign_ins = application.sign_ins
    background = [partial(keep_telling, made.database), partial(sign_ins.keep_writing, made.database)]
    return api(made, migrations, own_keys, servicers=[add_internal], background=background)
