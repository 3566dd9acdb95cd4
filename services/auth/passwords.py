"""Passwords: kept as scrypt under a salt of their own; every check costs the same, whether there is one or not."""

import asyncio
import base64
import hashlib
import hmac
import secrets

_LOG2_COST, _BLOCK, _LANES = 15, 8, 1  # 32 MiB and some 80 ms of one core
_MEMORY = 64 * 1024 * 1024
_SALT_BYTES, _HASH_BYTES = 16, 32
# Guesses from everywhere together must leave the other cores, and memory, to everybody else.
_AT_ONCE = asyncio.Semaphore(2)


async def hashed(password: str) -> str:
    """Returns what is stored of a password: `scrypt$15$8$1$<salt>$<hash>`."""
    salt = secrets.token_bytes(_SALT_BYTES)
    found = await _scrypt(password, salt, _LOG2_COST, _BLOCK, _LANES)
    return "$".join(["scrypt", str(_LOG2_COST), str(_BLOCK), str(_LANES), _text(salt), _text(found)])


async def matches(stored: str | None, password: str) -> bool:
    """Tells whether a password is the one that is stored; with nothing stored it computes all the same and says no."""
    if stored is None:
        await _scrypt(password, bytes(_SALT_BYTES), _LOG2_COST, _BLOCK, _LANES)
        return False
    _, cost, block, lanes, salt, wanted = stored.split("$")
    found = await _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(found, base64.b64decode(wanted))


async def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    async with _AT_ONCE:
        return await asyncio.to_thread(
            hashlib.scrypt,
            password.encode("utf-8", "surrogatepass"),
            salt=salt,
            n=1 << cost,
            r=block,
            p=lanes,
            maxmem=_MEMORY,
            dklen=_HASH_BYTES,
        )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
