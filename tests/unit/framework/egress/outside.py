"""A server of one's own that plays the outside: HTTPS or HTTP on loopback, answers as scripted, remembers who came."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.certificates import Authority

NAME = "models.example.test"


@dataclass
class Outside:
    """A server: `answers` by path, else an empty 200; `requests` as they came; `names` that TLS clients asked for."""

    answers: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection until its caller leaves."""
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests.append(head)
                writer.write(self.answers.get(head.split(" ")[1], answer()))
                await writer.drain()
        writer.close()


def answer(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """Returns an HTTP answer as bytes."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", f"content-length: {len(body)}", *lines, "", ""]).encode() + body


@asynccontextmanager
async def outside(
    host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[Outside]:
    """Serves for the length of a block."""
    served = Outside()
    if context:
        context.sni_callback = lambda _socket, name, _context: served.names.append(name)
    server = await asyncio.start_server(served.serve, host, port, ssl=context)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()


@dataclass(frozen=True)
class Trust:
    """An authority's certificate in a file, and contexts of servers that it vouches for."""

    authority: Authority
    folder: Path

    @property
    def file(self) -> Path:
        file = self.folder / "ca.pem"
        file.write_bytes(self.authority.pem)
        return file

    def context(self, name: str = NAME) -> ssl.SSLContext:
        pair = self.authority.issue(name, ())
        file = self.folder / f"{name}.pem"
        file.write_bytes(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context
