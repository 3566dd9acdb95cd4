"""The commands about who belongs where: signing in, members, invitations, service accounts, and the operator's own."""

from collections.abc import Callable
from typing import Any

import click

from ashgrove.auth.v1.api_key_pb2 import ApiKey
from ashgrove.auth.v1.invitation_pb2 import Invitation
from ashgrove.auth.v1.organization_pb2 import Organization
from ashgrove.client import Client
from ashgrove.opening import with_client
from ashgrove.printing import as_json_option, console, show, show_one
from ashgrove.settings import ClientSettings
from ashgrove.signing_in import Gateway, keep, sign_out
from ashgrove.users import role_of

_identifier = click.argument("identifier")
_password = click.option("--password", prompt=True, hide_input=True, help="Asked for when left out.")
_role = click.option("--role", type=click.Choice(["admin", "user", "viewer"]), default="user", show_default=True)
_SERVICE_ACCOUNTS = "kind = KIND_SERVICE_ACCOUNT"


@click.command("login", help="Sign in with EMAIL and password; commands act as you until `ashgrove logout`.")
@click.argument("email")
@click.option("--organization", default="", help="The id of the one to sign in to, if you belong to several.")
@_password
def login(email: str, organization: str, password: str) -> None:
    """Begins a session."""
    settings = ClientSettings()
    _entered(settings, Gateway(settings).sign_in(email, password, organization or settings.organization))


@click.command("logout", help="End the session that `ashgrove login` began.")
def logout() -> None:
    """Ends the session."""
    console.print("signed out" if sign_out(ClientSettings()) else "nobody is signed in")


def _entered(settings: ClientSettings, answer: Any) -> None:
    path = keep(settings, answer)
    console.print(f"signed in as {answer.user.email} in organization {answer.organization_id}; kept in {path}")


def _group(name: str, text: str, columns: tuple[str, ...], rows: Callable[[Client], Any]) -> click.Group:
    group = click.Group(name, help=text)

    @group.command("list", help="List what you may see.")
    @as_json_option
    @with_client
    def _list(client: Client, *, as_json: bool) -> None:
        show(rows(client), columns, as_json=as_json, most=1000)

    return group


organizations = _group(
    "organizations",
    "Organizations: yours; of the operator, all",
    ("id", "name", "suspended_at", "created_at"),
    lambda client: client.organizations.list(),
)
members = _group(
    "members",
    "Members: who belongs to the organization, as what",
    ("id", "name", "role", "kind", "deactivated", "last_sign_in_at"),
    lambda client: client.users.list(),
)
invitations = _group(
    "invitations",
    "Invitations: how people come in",
    ("id", "email", "role", "expires_at", "accepted_at", "revoked_at"),
    lambda client: client.invitations.list(),
)
accounts = _group(
    "service-accounts",
    "Service accounts: members that have keys and no sign-in",
    ("id", "name", "role", "deactivated", "created_at"),
    lambda client: client.users.list(filter=_SERVICE_ACCOUNTS),
)


@organizations.command(
    "create", help="Found one with its first administrator; for the operator. Shows their key, once."
)
@click.argument("name")
@click.argument("admin_email")
@with_client
def _create(client: Client, name: str, admin_email: str) -> None:
    show_one(client.organizations.create(Organization(name=name), admin_email))


@organizations.command("suspend", help="End all that goes on in one, until it is resumed; for the operator.")
@_identifier
@click.option("--reason", required=True, help="Its administrators read it in their trail.")
@with_client
def _suspend(client: Client, identifier: str, reason: str) -> None:
    show_one(client.organizations.suspend(identifier, reason))


@organizations.command("resume", help="Let a suspended one work again; for the operator.")
@_identifier
@with_client
def _resume(client: Client, identifier: str) -> None:
    show_one(client.organizations.resume(identifier))


@organizations.command("break-glass", help="Get into one for a short time; for the operator. Shows the key, once.")
@_identifier
@click.option("--reason", required=True, help="Its administrators read it in their trail.")
@click.option("--role", type=click.Choice(["admin", "viewer"]), default="viewer", show_default=True)
@click.option("--seconds", default=900, show_default=True, help="For how long, an hour at most.")
@with_client
def _break_glass(client: Client, identifier: str, **asked: Any) -> None:
    show_one(client.organizations.break_glass(identifier, **asked))


@members.command("mine", help="List the organizations that you belong to.")
@as_json_option
@with_client
def _mine(client: Client, *, as_json: bool) -> None:
    columns = ("organization_id", "organization_name", "role", "active")
    show(client.users.memberships(), columns, as_json=as_json, most=1000)


@members.command("role", help="Change what a member may do.")
@_identifier
@click.argument("role", type=click.Choice(["admin", "user", "viewer"]))
@with_client
def _change_role(client: Client, identifier: str, role: str) -> None:
    show_one(client.users.update(identifier, role=role_of(role)))


@members.command("deactivate", help="Suspend a membership: keys, tokens, grants and streams end within a second.")
@_identifier
@with_client
def _deactivate(client: Client, identifier: str) -> None:
    show_one(client.users.update(identifier, deactivated=True))


@members.command("activate", help="Let a deactivated member in again.")
@_identifier
@with_client
def _activate(client: Client, identifier: str) -> None:
    show_one(client.users.update(identifier, deactivated=False))


@members.command("end", help="End a membership, yours or, for administrators, another's; its keys are revoked.")
@_identifier
@with_client
def _end(client: Client, identifier: str) -> None:
    show_one(client.users.end_membership(identifier))


@invitations.command("create", help="Invite EMAIL; shows the token to hand to them, once.")
@click.argument("email")
@_role
@with_client
def _invite(client: Client, email: str, role: str) -> None:
    show_one(client.invitations.create(Invitation(email=email, role=role_of(role))))


@invitations.command("revoke", help="End an invitation that nobody accepted.")
@_identifier
@with_client
def _revoke(client: Client, identifier: str) -> None:
    show_one(client.invitations.revoke(identifier))


@invitations.command("accept", help="Join with the TOKEN that was made for EMAIL, and sign in.")
@click.argument("token")
@click.argument("email")
@click.option("--name", default="", help="What people call you, if you are new.")
@_password
def _accept(token: str, email: str, name: str, password: str) -> None:
    settings = ClientSettings()
    _entered(settings, Gateway(settings).accept_invitation(token, email, password, name))


@accounts.command("create", help="Create one by its HANDLE, such as nightly-report.")
@click.argument("handle")
@click.option("--name", default="", help="What people call it.")
@_role
@with_client
def _create_account(client: Client, handle: str, **asked: Any) -> None:
    show_one(client.users.create_service_account(handle, **asked))


@accounts.command("key", help="Make a key for one; shows the secret, once.")
@_identifier
@click.option("--name", default="made by the command line", help="What people call the key.")
@click.option("--scope", "scopes", multiple=True, help="A call that it may make, such as programs:read; all if none.")
@with_client
def _key(client: Client, identifier: str, name: str, scopes: tuple[str, ...]) -> None:
    show_one(client.keys.create(ApiKey(name=name, user_id=identifier, scopes=scopes)))


COMMANDS = (login, logout, organizations, members, invitations, accounts)
