"""Signing in by password: a session in a file of one's own, renewed by itself, forgotten when it holds no more."""

import json
import stat
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from ashgrove import cli
from ashgrove.auth.v1 import authentication_requests_pb2 as pb
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.organization_requests_pb2 import ListOrganizationsResponse
from ashgrove.client import Client
from ashgrove.users import role_of
from click.testing import CliRunner

from tests.unit.client.conftest import Scripted


@pytest.fixture
def gateway(served: tuple[Scripted, Client], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scripted:
    """The scripted server; nobody has a key for it."""
    monkeypatch.setenv("ASHGROVE_ADDRESS", served[1].address)
    monkeypatch.setenv("ASHGROVE_HOME", str(tmp_path))
    monkeypatch.delenv("ASHGROVE_API_KEY", raising=False)
    served[0].answer = answered
    return served[0]


def answered(request: Any, context: Any) -> Any:
    """Answers as a gateway does where all is well."""
    if isinstance(request, pb.SignInRequest):
        answer = pb.SignInResponse(access_token="first", refresh_token="r1", organization_id="o")
        answer.user.CopyFrom(user_pb2.User(email=request.email))
        answer.expires_at.FromSeconds(int(time.time()) + 900)
        return answer
    if isinstance(request, pb.RefreshAccessTokenRequest):
        renewed = pb.RefreshAccessTokenResponse(access_token="second", refresh_token="r2")
        renewed.expires_at.FromSeconds(int(time.time()) + 900)
        return renewed
    return pb.EndSessionResponse() if isinstance(request, pb.EndSessionRequest) else ListOrganizationsResponse()


def run(*words: str) -> str:
    """Runs a command that must do, and returns what it printed."""
    done = CliRunner().invoke(cli.main, list(words))
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_commands_act_as_whoever_signed_in(gateway: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the token of the session, for the organization that the environment names; the file is its owner's."""
    assert "ann@x.org" in run("login", "ann@x.org", "--password", "correct horse")
    assert gateway.metadata[-1].get("authorization") is None
    assert stat.S_IMODE((tmp_path / "session.json").stat().st_mode) == 0o600
    run("organizations", "list")
    assert gateway.metadata[-1]["authorization"] == "Bearer first"
    assert "x-ashgrove-organization" not in gateway.metadata[-1]
    monkeypatch.setenv("ASHGROVE_ORGANIZATION", "another")
    run("organizations", "list")
    assert gateway.metadata[-1]["x-ashgrove-organization"] == "another"
    monkeypatch.setenv("ASHGROVE_API_KEY", "a key that is given")
    run("organizations", "list")
    assert gateway.metadata[-1]["authorization"] == "Bearer a key that is given"


def test_a_session_is_renewed_before_its_token_ends(gateway: Scripted, tmp_path: Path) -> None:
    """Once, by the refresh token, whose successor is kept."""
    run("login", "ann@x.org", "--password", "correct horse")
    file = tmp_path / "session.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "expires_at": time.time() + 5}))
    for _ in range(2):
        run("organizations", "list")
        assert gateway.metadata[-1]["authorization"] == "Bearer second"
    traded = [one for one in gateway.asked if isinstance(one, pb.RefreshAccessTokenRequest)]
    assert [one.refresh_token for one in traded] == ["r1"]
    assert json.loads(file.read_text())["refresh_token"] == "r2"


def test_signing_out_ends_the_session_and_forgets_it(gateway: Scripted, tmp_path: Path) -> None:
    """At the gateway and here; twice is no error; a session of another gateway is none."""
    run("login", "ann@x.org", "--password", "correct horse")
    file = tmp_path / "session.json"
    kept = json.loads(file.read_text())
    assert "signed out" in run("logout")
    assert gateway.asked[-1] == pb.EndSessionRequest(refresh_token="r1") and not file.exists()
    assert "nobody" in run("logout")
    file.write_text(json.dumps({**kept, "gateway": "elsewhere:1"}))
    assert "nobody" in run("logout")


def test_a_session_that_ended_says_to_sign_in_again(gateway: Scripted, tmp_path: Path) -> None:
    """And is forgotten."""
    run("login", "ann@x.org", "--password", "correct horse")
    file = tmp_path / "session.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "expires_at": 1}))

    def refused(request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")

    gateway.answer = refused
    with pytest.raises(Exception, match="ashgrove login"):
        CliRunner().invoke(cli.main, ["organizations", "list"], catch_exceptions=False)
    assert not file.exists()


def test_roles_have_plain_names() -> None:
    """What is none is refused before anything is sent."""
    assert role_of("viewer") == user_pb2.User.ROLE_VIEWER
    with pytest.raises(ValueError, match="not 'king'"):
        role_of("king")
