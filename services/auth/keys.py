"""API keys: how they are made, recognised, and kept without being known.

A key is `ashgrove_<43 base62 digits>_<6 base62 digits>`: 256 random bits and the CRC-32 of all that stands before it,
so that a typing error is caught and a leaked key is found by its shape. Only `digest` of a key is ever stored. An
invitation's token is made in the same way under a brand of its own.
"""

import hmac
import re
import secrets
import zlib

BRAND = "ashgrove"
INVITATION = "ashgrove_invitation"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_BYTES = 32
_RANDOM_DIGITS = 43  # the fewest base62 digits that hold 256 bits
_CHECK_DIGITS = 6  # the fewest base62 digits that hold 32 bits
_SHAPE = re.compile(rf"{BRAND}_[0-9A-Za-z]{{{_RANDOM_DIGITS}}}_[0-9A-Za-z]{{{_CHECK_DIGITS}}}", re.ASCII)
_SHOWN = len(BRAND) + 1 + 6  # six digits tell a user's keys apart and leave 220 bits unknown


def new_key(brand: str = BRAND) -> str:
    """Returns a new key of 256 random bits."""
    body = f"{brand}_{_base62(int.from_bytes(secrets.token_bytes(_RANDOM_BYTES), 'big'), _RANDOM_DIGITS)}"
    return f"{body}_{_checksum(body)}"


def is_well_formed(key: str) -> bool:
    """Tells whether a text has a key's shape and checksum; it may still be nobody's."""
    return _SHAPE.fullmatch(key) is not None and _checksum(key[: -_CHECK_DIGITS - 1]) == key[-_CHECK_DIGITS:]


def shown_prefix(key: str) -> str:
    """Returns the first characters, by which people recognise a key."""
    return key[:_SHOWN]


def digest(key: str, pepper: bytes) -> bytes:
    """Returns what is stored of a key: HMAC-SHA256 under the pepper, 32 bytes; any text has one."""
    return hmac.digest(pepper, key.encode("utf-8", "surrogatepass"), "sha256")


def matches(stored: bytes | None, presented: bytes) -> bool:
    """Compares digests in constant time; with nothing stored it compares all the same and answers no."""
    return hmac.compare_digest(stored if stored is not None else bytes(32), presented) and stored is not None


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECK_DIGITS)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
