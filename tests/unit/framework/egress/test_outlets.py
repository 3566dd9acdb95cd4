"""The lean client keeps to the same rules as checked clients: where it connects, what it follows, how much it reads."""

import asyncio
import socket

import pytest

from deploy.local.certificates import Authority
from framework.egress import EgressRefused
from framework.egress.calls import Broken, Call, NotAnsweredInTime, NotReached, OutletError
from framework.egress.outlet import Outlet
from framework.egress.policy import RESPONSE_BYTES
from tests.unit.framework.egress.outside import NAME, Trust, answer, outside
from tests.unit.framework.egress.test_egress_clients import Names, policy

KEY = "sk-very-secret"


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(Authority(), tmp_path_factory.mktemp("outlets"))


def call(url: str, **headers: str) -> Call:
    return Call(url, headers, connect_seconds=1.0, read_seconds=1.0)


async def test_one_connection_serves_many_calls() -> None:
    async with outside() as server, policy(f"127.0.0.1:{server.port}").outlet() as outlet:
        server.answers["/v1"] = answer(body=b"yes", x_told="so")
        for _ in range(3):
            said = await outlet.call(call(f"http://127.0.0.1:{server.port}/v1", authorization=KEY))
            assert (said.status, said.content, said.headers["x-told"]) == (200, b"yes", "so")
    assert server.connections == 1
    assert f"authorization: {KEY}" in server.requests[0].lower()
    assert "accept-encoding: identity" in server.requests[0].lower()


async def test_a_server_that_is_not_allowed_sees_no_connection() -> None:
    async with outside() as server, policy().outlet() as outlet:
        hosts = ("127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]", "localhost", "user@127.0.0.1")
        for url in [f"{scheme}://{host}:{server.port}/" for scheme in ("http", "https") for host in hosts]:
            with pytest.raises(EgressRefused):
                await outlet.call(call(url))
    assert server.connections == 0


async def test_the_connection_goes_to_the_checked_address_and_tls_to_the_name(trust: Trust) -> None:
    names = Names(["127.0.0.1"], ["10.0.0.7"])
    async with outside(context=trust.context(NAME)) as server, policy(NAME, names, trust).outlet() as outlet:
        url = f"https://{NAME}:{server.port}/"
        assert (await outlet.call(call(url))).status == 200
        assert (await outlet.call(call(url))).status == 200, "kept: the name may lead elsewhere by now"
    assert server.names == [NAME] and names.asked == [NAME]


async def test_a_certificate_of_another_name_or_authority_is_refused(trust: Trust) -> None:
    async with outside(context=trust.context("other.example.test")) as server:
        async with policy(NAME, Names(["127.0.0.1"]), trust).outlet() as outlet:
            with pytest.raises(OutletError):
                await outlet.call(call(f"https://{NAME}:{server.port}/"))
        async with policy(NAME, Names(["127.0.0.1"])).outlet() as outlet:
            with pytest.raises(OutletError):
                await outlet.call(call(f"https://{NAME}:{server.port}/"))
    assert server.requests == []


@pytest.mark.parametrize("leads", [["10.98.76.54"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254"], ["no address"], []])
async def test_a_name_that_leads_to_an_address_of_ours_is_refused(leads: list[str]) -> None:
    async with policy("", Names(leads)).outlet() as outlet:
        with pytest.raises(EgressRefused) as refused:
            await outlet.call(call("https://models.example.com/"))
    assert "10.98" not in str(refused.value)


async def test_a_name_that_cannot_be_looked_up_now_may_be_tried_again() -> None:
    async with policy("", Names(socket.gaierror(socket.EAI_AGAIN, "later"))).outlet() as outlet:
        with pytest.raises(NotReached):
            await outlet.call(call("https://models.example.com/"))


async def test_no_redirect_is_followed_and_one_to_another_host_is_refused() -> None:
    async with outside() as server, policy("127.0.0.1, localhost").outlet() as outlet:
        url = f"http://127.0.0.1:{server.port}"
        server.answers["/same"] = answer("302 Found", location=f"{url}/there")
        assert (await outlet.call(call(f"{url}/same"))).status == 302
        for path, location in (("/host", f"http://localhost:{server.port}/"), ("/port", "http://127.0.0.1:1/")):
            server.answers[path] = answer("307 Temporary Redirect", location=location)
            with pytest.raises(EgressRefused):
                await outlet.call(call(url + path))
    assert len(server.requests) == 3


async def test_what_is_no_sound_answer_is_broken() -> None:
    """Too long, compressed though nobody asked, cut in its middle, or no HTTP at all."""
    async with outside() as server, policy("127.0.0.1").outlet() as outlet:
        url = f"http://127.0.0.1:{server.port}"
        server.answers["/long"] = answer(body=b"x" * (RESPONSE_BYTES + 1))
        server.answers["/packed"] = answer(content_encoding="gzip")
        server.answers["/odd"] = b"SSH-2.0-something\r\n\r\n"
        for path in ("/long", "/packed", "/odd"):
            with pytest.raises(Broken):
                await outlet.call(call(url + path))
        with pytest.raises(Broken):
            async with outlet.lines(call(f"{url}/long")) as (_, lines):
                assert not [line async for line in lines]


async def test_a_header_with_a_line_end_is_not_sent_and_not_quoted() -> None:
    async with outside() as server, policy("127.0.0.1").outlet() as outlet:
        with pytest.raises(Broken) as raised:
            await outlet.call(call(f"http://127.0.0.1:{server.port}/", authorization=f"Bearer {KEY}\r\nx-more: 1"))
    assert KEY not in str(raised.value) and server.requests == []


async def test_nobody_there_and_nothing_said_are_told_apart() -> None:
    async with Outlet() as outlet:
        with pytest.raises(NotReached):
            await outlet.call(call("http://127.0.0.1:1/"))
        hanging = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = hanging.sockets[0].getsockname()[1]
        with pytest.raises(NotAnsweredInTime):
            await outlet.call(Call(f"http://127.0.0.1:{port}/", {}, b"", read_seconds=0.05))
        hanging.close()


async def test_lines_come_one_by_one_whatever_the_pieces() -> None:
    body = "data: å\r\ndata: 2\n\nlast".encode()
    async with outside() as server, Outlet() as outlet:
        server.answers["/s"] = answer(body=body)
        async with outlet.lines(call(f"http://127.0.0.1:{server.port}/s")) as (said, lines):
            assert said.status == 200
            assert [line async for line in lines] == ["data: å", "data: 2", "", "last"]


async def test_an_operators_own_endpoint_may_stand_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's, as for any other client of a server; what users name never goes through one."""
    async with (
        outside() as server,
        Outlet() as own,
        policy("models.internal.test", Names(["127.0.0.1"])).outlet() as theirs,
    ):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        assert (await own.call(call("http://models.internal.test:1/v1"))).status == 200
        with pytest.raises(NotReached):
            await theirs.call(call("http://models.internal.test:1/v1"))
    assert [head.split("\r\n")[0] for head in server.requests] == ["GET http://models.internal.test:1/v1 HTTP/1.1"]
