"""Passwords: salted, slow, and as dear to check for nobody as for somebody."""

import pytest

from services.auth import passwords


async def test_a_password_matches_its_own_hash_alone() -> None:
    """Two hashes of one password differ; none of them holds it."""
    first, second = await passwords.hashed("correct horse battery"), await passwords.hashed("correct horse battery")
    assert first != second and "horse" not in first and first.startswith("scrypt$15$8$1$")
    assert await passwords.matches(first, "correct horse battery")
    assert not await passwords.matches(first, "correct horse batterz")
    assert not await passwords.matches(first, "")


async def test_nobodys_password_costs_a_hash_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same parameters; and a hash made with others is checked with its own."""
    asked = []
    scrypt = passwords._scrypt

    async def noted(*arguments: object) -> bytes:
        asked.append(arguments[2:])
        return await scrypt(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(passwords, "_scrypt", noted)
    monkeypatch.setattr(passwords, "_LOG2_COST", 4)
    stored = await passwords.hashed("correct horse battery")
    assert not await passwords.matches(None, "correct horse battery")
    monkeypatch.setattr(passwords, "_LOG2_COST", 5)
    assert await passwords.matches(stored, "correct horse battery")
    assert asked == [(4, 8, 1), (4, 8, 1), (4, 8, 1)]
