"""Passwords: guessing is barred and learns nothing; who sets a new one is rid of whoever had the old one."""

import pytest
from ashgrove.auth.v1.authentication_requests_pb2 import (
    ChangePasswordRequest,
    EndSessionRequest,
)

from framework.call import ANONYMOUS
from framework.errors import (
    NotFound,
    Unauthenticated,
)
from framework.testing.counting import counted
from services.auth import people
from services.auth.people import FORGIVEN
from services.auth.resetting import reset_password
from tests.integration.auth.gate import Gate
from tests.integration.auth.house import House
from tests.integration.auth.persons import PASSWORD, accept, address, boss_of_another, invite, join, sign_in


async def test_x81_a_wrong_password_and_an_unknown_person_answer_alike_and_guessing_is_barred(house: House) -> None:
    """X-81: and after ten failures in a row the right password is refused for a while, too."""
    email = address()
    await join(house, email)
    answers = set()
    for who, password in ((address(), PASSWORD), (email, "wrong"), (email[1:], PASSWORD)):
        with pytest.raises(Unauthenticated) as refused:
            await sign_in(house, who, password)
        answers.add(refused.value.status().SerializeToString(deterministic=True))
    assert len(answers) == 1
    await sign_in(house, email)
    for _ in range(FORGIVEN + 1):
        with pytest.raises(Unauthenticated):
            await sign_in(house, email, "wrong")
    with pytest.raises(Unauthenticated):
        await sign_in(house, email)
    async with house.database.system() as tx:
        await tx.execute("UPDATE people SET barred_until = now() WHERE email = %(e)s", {"e": email})
    await sign_in(house, email)


async def test_of_many_guesses_at_once_no_more_than_are_forgiven_are_answered(house: House) -> None:
    """X-81: a guess that was begun before the bar came down is refused behind it, right or not."""
    email = address()
    await join(house, email)
    async with house.database.system() as tx:
        person = await people.find(tx, email)
    for proved in (*[False] * (FORGIVEN + 1), True):
        async with house.database.system() as tx:
            assert not await people.note(tx, person, proved=proved)


async def test_every_refused_sign_in_runs_the_same_statements(house: House) -> None:
    """X-81: of nobody, of a wrong password, of whoever belongs nowhere any more."""
    email, gone = address(), address()
    await join(house, email)
    await house.change((await join(house, gone)).user, deactivated=True)
    kinds = set()
    for who, password in ((address(), PASSWORD), (email, "wrong"), (gone, PASSWORD)):
        with counted(house.database) as queries, pytest.raises(Unauthenticated):
            await sign_in(house, who, password)
        kinds.add(tuple(queries))
    assert len(kinds) == 1


async def change_password(house: House, email: str, password: str, new: str) -> None:
    request = ChangePasswordRequest(email=email, password=password, new_password=new)
    await house.call(ANONYMOUS, "ChangePassword", request)


async def test_what_the_operator_resets_is_the_persons_again(house: House, gate: Gate) -> None:
    """Whoever had the password or a session is out at once; what was handed out sets another, once, and no more."""
    email = address()
    held = await join(house, email)
    await gate.until(held.access_token, admitted=True)
    with pytest.raises(NotFound):
        await reset_password(house.database, address())
    handed = await reset_password(house.database, email.upper())
    await gate.until(held.access_token, admitted=False)
    assert (await house.events())[-1]["type"] == "user.password_reset"
    boss = await boss_of_another(house)
    for password in (PASSWORD, handed):
        with pytest.raises(Unauthenticated):
            await sign_in(house, email, password)
        with pytest.raises(Unauthenticated):
            await accept(house, (await invite(house, email, by=boss)).token, email, password)
    await change_password(house, email, handed, "another long password")
    with pytest.raises(Unauthenticated):
        await change_password(house, email, handed, "the third of them all")
    assert (await sign_in(house, email, "another long password")).user.id == held.user.id
    assert handed not in str(await house.events())


async def test_what_was_handed_out_is_good_for_an_hour(house: House) -> None:
    email = address()
    await join(house, email)
    handed = await reset_password(house.database, email)
    async with house.database.system() as tx:
        await tx.execute("UPDATE people SET reset_until = now() WHERE email = %(e)s", {"e": email})
    with pytest.raises(Unauthenticated):
        await change_password(house, email, handed, "another long password")


async def test_a_new_password_ends_every_session(house: House, gate: Gate) -> None:
    """Of all the person's organizations; the old one is worth nothing, and without it there is no new one."""
    email = address()
    held = await join(house, email)
    await gate.until(held.access_token, admitted=True)
    change = ChangePasswordRequest(email=email, password="wrong", new_password="another long password")
    with pytest.raises(Unauthenticated):
        await house.call(ANONYMOUS, "ChangePassword", change)
    assert gate.admits(held.access_token)
    change.password = PASSWORD
    await house.call(ANONYMOUS, "ChangePassword", change)
    await gate.until(held.access_token, admitted=False)
    with pytest.raises(Unauthenticated):
        await sign_in(house, email)
    fresh = await sign_in(house, email, "another long password")
    await gate.until(fresh.access_token, admitted=True)
    await house.call(ANONYMOUS, "EndSession", EndSessionRequest(refresh_token=fresh.refresh_token))
    await gate.until(fresh.access_token, admitted=False)
