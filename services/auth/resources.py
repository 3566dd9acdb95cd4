"""What the auth service declares: organizations, their members and invitations, and keys."""

from typing import Any

from framework.resource import Resource
from services.auth.api_keys import ApiKey
from services.auth.invitations import Invitation
from services.auth.organizations import Organization
from services.auth.users import User

RESOURCES: list[type[Resource[Any]]] = [Organization, User, Invitation, ApiKey]
