"""Checked clients call real servers where they may, and connect nowhere else, whatever names and redirects say."""

import asyncio
import json
import socket
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest

from deploy.local.certificates import Authority
from framework.egress import EgressPolicy, EgressRefused
from framework.settings import OutsideSettings
from tests.unit.framework.egress.outside import NAME, Trust, answer, outside

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(Authority(), tmp_path_factory.mktemp("trust"))


class Names:
    """A resolver that answers with the next of its answers, the last one for ever."""

    def __init__(self, *answers: Iterable[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, OSError):
            raise given
        return list(given)


def policy(allow: str = "", names: Names | None = None, trust: Trust | None = None) -> EgressPolicy:
    settings = OutsideSettings.model_validate({"egress_allow": allow, "egress_ca": trust.file if trust else None})
    return EgressPolicy(settings, names) if names else EgressPolicy(settings)


async def test_an_allowed_server_of_ones_own_is_called() -> None:
    async with outside() as server:
        server.answers["/v1"] = answer(body=b"yes")
        async with policy(f"127.0.0.1:{server.port}").client() as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/v1")).text == "yes"


async def test_a_server_that_is_not_allowed_sees_no_connection() -> None:
    async with outside() as server, policy().client() as client:
        for url in (f"http://127.0.0.1:{server.port}/", f"https://127.0.0.1:{server.port}/"):
            with pytest.raises(EgressRefused):
                await client.get(url)
        assert server.connections == 0


async def test_the_connection_goes_to_the_checked_address_and_tls_to_the_name(trust: Trust) -> None:
    async with outside(context=trust.context()) as server:
        names = Names(["127.0.0.1"])
        async with policy(NAME, names, trust).client() as client:
            await client.get(f"https://{NAME}:{server.port}/v1")
        assert server.names == [NAME]
        assert f"host: {NAME}:{server.port}\r\n" in server.requests[0].lower()
        assert names.asked == [NAME]


async def test_a_certificate_of_another_name_is_refused(trust: Trust) -> None:
    async with outside(context=trust.context("other.example.test")) as server:
        async with policy(NAME, Names(["127.0.0.1"]), trust).client() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://{NAME}:{server.port}/")
        assert server.requests == []


async def test_an_unknown_authority_is_refused(trust: Trust) -> None:
    async with outside(context=trust.context()) as server:
        async with policy(NAME, Names(["127.0.0.1"])).client() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://{NAME}:{server.port}/")
        assert server.requests == []


async def test_two_names_at_one_address_share_no_connection(trust: Trust) -> None:
    async with outside(context=trust.context()) as server:
        async with policy(f"{NAME},other.example.test", Names(["127.0.0.1"]), trust).client() as client:
            await client.get(f"https://{NAME}:{server.port}/")
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://other.example.test:{server.port}/")
        assert len(server.requests) == 1


async def test_a_name_that_changes_its_mind_reaches_nothing() -> None:
    async with outside("127.0.0.2") as good, outside("127.0.0.1", good.port) as trap:
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        url = f"http://rebinding.example:{good.port}/"
        rules = policy(f"rebinding.example:{good.port}, 127.0.0.2", names)
        async with rules.client() as client:
            await client.get(url)
            await client.get(url)
        assert (good.connections, trap.connections, len(names.asked)) == (1, 0, 1)


async def test_a_name_that_leads_inside_on_the_second_connection_is_refused(trust: Trust) -> None:
    async with (
        outside("127.0.0.2", context=trust.context()) as good,
        outside("127.0.0.1", good.port) as trap,
    ):
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        rules = policy("127.0.0.2/32", names, trust)
        async with rules.client(headers={"connection": "close"}) as client:
            await client.get(f"https://{NAME}:{good.port}/")
        async with rules.client() as client:
            with pytest.raises(EgressRefused):
                await client.get(f"https://{NAME}:{good.port}/")
        assert (len(good.requests), trap.connections, len(names.asked)) == (1, 0, 2)


@pytest.mark.parametrize(
    "names",
    [
        Names(["127.0.0.1"]),
        Names(["93.184.216.34", "127.0.0.1"]),
        Names(["169.254.169.254"]),
        Names(["::1"]),
        Names(["::ffff:10.0.0.1"]),
        Names(["not an address"]),
        Names([]),
        Names(socket.gaierror(socket.EAI_NONAME, "unknown")),
    ],
)
async def test_names_that_lead_inside_or_nowhere_are_refused_alike(names: Names) -> None:
    async with policy("", names).client() as client:
        with pytest.raises(EgressRefused) as refused:
            await client.get("https://inside.example/")
    assert refused.value.message.startswith("url: leads to no address of the public internet")


async def test_a_resolver_that_is_down_is_worth_another_attempt() -> None:
    async with policy("", Names(socket.gaierror(socket.EAI_AGAIN, "later"))).client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("https://models.example/")


async def test_a_resolver_that_hangs_ends_with_the_time_to_connect() -> None:
    async def hanging(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async with EgressPolicy(OutsideSettings(), hanging).client(timeout=0.05) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get("https://models.example/")


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with outside("127.0.0.2") as server:
        names = Names(["127.0.0.1", "127.0.0.2"])
        async with policy("models.internal", names).client() as client:
            assert (await client.get(f"http://models.internal:{server.port}/")).status_code == 200


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/",
        "//other.example/",
        "https://127.0.0.1:{port}/",
        "http://127.0.0.1:1/",
        "http://[bad/",
    ],
)
async def test_redirects_to_another_host_scheme_or_port_are_refused(location: str) -> None:
    async with outside() as server:
        server.answers["/"] = answer("302 Found", location=location.format(port=server.port))
        for follow in (True, False):
            async with policy("127.0.0.1, localhost").client(follow_redirects=follow) as client:
                with pytest.raises(EgressRefused, match="redirect"):
                    await client.get(f"http://127.0.0.1:{server.port}/")


async def test_redirects_at_the_same_host_are_followed_five_times_at_most() -> None:
    async with outside() as server:
        server.answers["/"] = answer("302 Found", location="/there")
        server.answers["/round"] = answer("302 Found", location="/round")
        async with policy("127.0.0.1").client(follow_redirects=True, max_redirects=100) as client:
            assert (await client.get(f"http://127.0.0.1:{server.port}/")).url.path == "/there"
            server.requests.clear()
            with pytest.raises(httpx.TooManyRedirects):
                await client.get(f"http://127.0.0.1:{server.port}/round")
        assert len(server.requests) == 6


async def test_an_answer_longer_than_allowed_is_cut_off() -> None:
    async with outside() as server:
        server.answers["/"] = answer(body=b"x" * 100_001)
        async with policy("127.0.0.1").client(max_response_bytes=100_000) as client:
            with pytest.raises(httpx.RemoteProtocolError, match="longer than 100000 bytes"):
                await client.get(f"http://127.0.0.1:{server.port}/")


async def test_a_compressed_answer_is_refused_for_nobody_knows_its_size() -> None:
    async with outside() as server:
        server.answers["/"] = answer(body=b"\x1f\x8b", content_encoding="gzip")
        async with policy("127.0.0.1").client() as client:
            with pytest.raises(httpx.RemoteProtocolError, match="compressed"):
                await client.get(f"http://127.0.0.1:{server.port}/")
        assert "accept-encoding: identity" in server.requests[0].lower()


async def test_no_cookie_of_one_caller_reaches_the_next() -> None:
    async with outside() as server:
        server.answers["/"] = answer(set_cookie="session=of-somebody")
        async with policy("127.0.0.1").client() as client:
            for _ in range(2):
                await client.get(f"http://127.0.0.1:{server.port}/")
        assert "cookie" not in server.requests[1].lower()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with outside() as server, outside() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with policy("127.0.0.1").client() as client:
            await client.get(f"http://127.0.0.1:{server.port}/")
        assert (len(server.requests), proxy.connections) == (1, 0)


@pytest.mark.parametrize("option", ["transport", "mounts", "proxy", "verify", "cert", "trust_env", "app", "cookies"])
def test_options_that_would_lead_around_the_checks_are_refused(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        policy().client(**{option: None})


async def test_a_refusal_tells_nothing_of_what_was_found() -> None:
    async with policy("", Names(["10.98.76.54"])).client() as client:
        with pytest.raises(EgressRefused) as refused:
            await client.post(
                "https://inside.example/", json={"key": "sk-canary"}, headers={"authorization": "sk-canary"}
            )
    told = json.dumps([str(refused.value), refused.value.status().SerializeToString().decode("latin-1")])
    assert "10.98" not in told
    assert "canary" not in told


async def test_a_secret_that_is_no_header_is_refused_and_not_quoted() -> None:
    async with outside() as server, policy("127.0.0.1").client() as client:
        for secret in ("sk-canary\r\nx-evil: 1", "sk-canary\n", "sk-\0canary", "sk-canary\x7f"):
            with pytest.raises(httpx.LocalProtocolError) as refused:
                await client.get(f"http://127.0.0.1:{server.port}/", headers={"authorization": f"Bearer {secret}"})
            assert "canary" not in str(refused.value)
        assert server.connections == 0


def test_a_file_of_authorities_that_is_missing_is_said(tmp_path: Path) -> None:
    settings = OutsideSettings(egress_ca=tmp_path / "none.pem")
    with pytest.raises(FileNotFoundError):
        EgressPolicy(settings).client()
