"""TLS in front of a server that has none of its own, as stunnel would stand there: terminates, and passes on."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.trust import Trust


@asynccontextmanager
async def tunnel(trust: Trust, name: str, port: int) -> AsyncIterator[int]:
    """Listens with a certificate of that name, asks for one of the same authority, and passes on to a local port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(trust.file))
    context.verify_mode = ssl.CERT_REQUIRED
    pair = trust.pair(name)
    context.load_cert_chain(pair.certificate, pair.key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
