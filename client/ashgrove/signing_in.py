"""Signing in as a person: with a password, once; the session is kept in a file of its own and renewed by itself."""

import json
import os
import time
from pathlib import Path
from typing import Any

from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import authentication_requests_pb2 as pb
from ashgrove.auth.v1.invitation_requests_pb2 import AcceptInvitationRequest
from ashgrove.connection import Connection
from ashgrove.errors import Unauthenticated
from ashgrove.settings import ClientSettings

# An access token that ends so soon is renewed before it is used.
_EARLY_SECONDS = 60


class Gateway:
    """A gateway before anybody has signed in."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings

    def sign_in(self, email: str, password: str, organization: str = "") -> pb.SignInResponse:
        """Signs in; raises InvalidArgument, which names them, for one of several organizations who names none."""
        request = pb.SignInRequest(email=email, password=password, organization_id=organization)
        try:
            answer: pb.SignInResponse = self._ask("SignIn", request)
        except Unauthenticated as refused:
            told = "address and password do not fit, or nobody with them may come in; after many tries, wait 30 seconds"
            raise Unauthenticated(told, refused.reason) from None
        return answer

    def accept_invitation(self, token: str, email: str, password: str, name: str = "") -> pb.SignInResponse:
        """Joins an organization and signs in to it, with one's password or, when new, with the one to have then."""
        request = AcceptInvitationRequest(token=token, email=email, password=password, name=name)
        answer: pb.SignInResponse = self._ask("AcceptInvitation", request)
        return answer

    def change_password(self, email: str, password: str, new_password: str) -> None:
        """Puts a new password in the place of one's own, and ends every session."""
        self._ask("ChangePassword", pb.ChangePasswordRequest(email=email, password=password, new_password=new_password))

    def refresh(self, refresh_token: str) -> pb.RefreshAccessTokenResponse:
        """Trades a refresh token for the next tokens."""
        request = pb.RefreshAccessTokenRequest(refresh_token=refresh_token)
        answer: pb.RefreshAccessTokenResponse = self._ask("RefreshAccessToken", request)
        return answer

    def end_session(self, refresh_token: str) -> None:
        """Ends a session."""
        self._ask("EndSession", pb.EndSessionRequest(refresh_token=refresh_token))

    def _ask(self, rpc: str, request: Any) -> Any:
        connection = Connection(self._settings.gateway, credentials=self._settings.credentials())
        try:
            return connection.call(getattr(AuthArea(connection.channel), rpc), request)
        finally:
            connection.close()


def keep(settings: ClientSettings, answer: Any) -> Path:
    """Writes the tokens of an answer to the session's file, readable by its owner only; returns where."""
    path = settings.session
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    tokens = {"gateway": settings.gateway, "access_token": answer.access_token, "refresh_token": answer.refresh_token}
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({**tokens, "expires_at": answer.expires_at.seconds}, file)
    fresh.replace(path)
    return path


def access_token(settings: ClientSettings) -> str:
    """Returns the session's access token, renewed where it ends soon; empty when nobody is signed in to this gateway.

    A session that holds no more is forgotten, and Unauthenticated raised with the remedy.
    """
    session = _read(settings)
    if not session or session["expires_at"] - time.time() > _EARLY_SECONDS:
        return str(session.get("access_token", ""))
    try:
        answer = Gateway(settings).refresh(session["refresh_token"])
    except Unauthenticated:
        settings.session.unlink(missing_ok=True)
        raise Unauthenticated("the session has ended: sign in again with `ashgrove login`") from None
    keep(settings, answer)
    return answer.access_token


def sign_out(settings: ClientSettings) -> bool:
    """Ends the session and forgets it; tells whether there was one."""
    session = _read(settings)
    if session:
        Gateway(settings).end_session(session["refresh_token"])
        settings.session.unlink(missing_ok=True)
    return bool(session)


def _read(settings: ClientSettings) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(settings.session.read_text())
    except (OSError, ValueError):
        return {}
    return found if found.get("gateway") == settings.gateway else {}
