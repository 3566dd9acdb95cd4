"""The client by TLS: it finds the embedded stack's authority by itself, and speaks to nobody whom none vouches for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from ashgrove.client import Client
from ashgrove.errors import Unavailable
from ashgrove.program.v1 import program_requests_pb2 as pb
from ashgrove.program.v1 import program_service_pb2_grpc as rpc
from ashgrove.settings import ClientSettings

from tests.trust import Trust


class Programs(rpc.ProgramServiceServicer):
    """Lists no program."""

    def ListPrograms(self, request: Any, context: Any) -> Any:
        return pb.ListProgramsResponse()


@contextmanager
def gateway(trust: Trust) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    rpc.add_ProgramServiceServicer_to_server(Programs(), server)  # type: ignore[no-untyped-call, unused-ignore]
    pair = trust.pair("gateway")
    shown = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(shown))
    server.start()
    try:
        yield str(port)
    finally:
        server.stop(None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "admin.key").write_text("ashgrove_key\n")
    monkeypatch.setenv("ASHGROVE_HOME", str(tmp_path))
    monkeypatch.setenv("ASHGROVE_TLS", "true")
    return tmp_path


def test_the_stacks_own_authority_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway(Trust(home / "tls")) as port:
        monkeypatch.setenv("ASHGROVE_PORT", port)
        with Client.from_environment() as client:
            assert list(client.programs.list()) == []


def test_a_gateway_elsewhere_needs_an_authority_that_vouches_for_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trust(home / "tls")
    elsewhere = Trust(home / "elsewhere")
    with gateway(elsewhere) as port:
        monkeypatch.setenv("ASHGROVE_ADDRESS", f"127.0.0.1:{port}")
        with Client.from_environment() as client, pytest.raises(Unavailable):
            list(client.programs.list())
        monkeypatch.setenv("ASHGROVE_TLS_AUTHORITY", str(elsewhere.file))
        with Client.from_environment() as client:
            assert list(client.programs.list()) == []


def test_the_key_may_be_in_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "mine").write_text("ashgrove_mine\n")
    assert ClientSettings().key() == "ashgrove_key"
    monkeypatch.setenv("ASHGROVE_API_KEY_FILE", str(home / "mine"))
    assert ClientSettings().key() == "ashgrove_mine"
    monkeypatch.setenv("ASHGROVE_API_KEY", "ashgrove_given")
    assert ClientSettings().key() == "ashgrove_given"
