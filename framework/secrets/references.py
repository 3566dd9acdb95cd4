"""`secret://NAMESPACE/NAME` for the organizations to which the operator granted that namespace, and for nobody else."""

import re
from uuid import UUID

from pydantic import SecretStr

from framework.errors import FieldViolation, InvalidFields
from framework.secrets.files import content
from framework.secrets.grants import Grants
from framework.settings import OutsideSettings

# Lower case, for the environment knows no other; no dot and no slash, so that no name is a path.
_REFERENCE = re.compile(r"secret://([a-z0-9][a-z0-9_-]{0,62})/([a-z0-9][a-z0-9_-]{0,62})", re.ASCII)
_REMEDY = (
    "not a secret that this organization may use: write secret://NAMESPACE/NAME, and ask the operator of the platform "
    "to keep it and to grant the namespace to the organization"
)


class SecretReferences:
    """Resolves references; reads files anew at each use, so that what is rotated or withdrawn holds from then on."""

    def __init__(self, settings: OutsideSettings) -> None:
        self._folder = settings.tenant_secrets
        self._values = settings.tenant_secret
        self._grants = Grants(settings.secret_grants)

    def resolve(self, organization_id: UUID, reference: str, field: str = "secret") -> SecretStr:
        """Returns the secret; raises InvalidFields about the field, with one sentence for whatever the reason is."""
        named = _REFERENCE.fullmatch(reference)
        if named is None or named[1] not in self._grants.of(organization_id):
            raise _refused(field)
        value = self._value(named[1], named[2])
        if not value:
            raise _refused(field)
        return SecretStr(value)

    def _value(self, namespace: str, name: str) -> str:
        kept = content(self._folder, namespace, name) if self._folder else ""
        if kept:
            return kept
        given = self._values.get(namespace, {}).get(name)
        return given.get_secret_value() if given else ""


def _refused(field: str) -> InvalidFields:
    # Missing, forbidden and misspelt alike: the answer tells nobody which secrets or organizations there are.
    return InvalidFields(FieldViolation(field, _REMEDY))
