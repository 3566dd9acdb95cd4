"""What signs checkpoints and tombstones: a key that no database holds."""

from pathlib import Path

from ashgrove.audit_statements import to_text
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

KEY_FILE = "audit-signing.pem"


class Signer:
    """Signs statements about chains."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = to_text(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, statement: bytes) -> str:
        """Returns the signature of a statement."""
        return to_text(self._private.sign(statement))


def signer_from(folder: Path) -> Signer:
    """Returns the signer of the secrets folder; raises FileNotFoundError with the remedy when there is none."""
    path = folder / KEY_FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `python -m services.auth bootstrap`")
    private = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError(f"{KEY_FILE} holds no Ed25519 key")
    return Signer(private)
