"""What is said about permissions is what calls meet, over every declared resource that can be asked."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from ashgrove.access.v1 import access_pb2 as pb

from framework.call import ANONYMOUS, Actor, Role
from framework.engine.reading import load
from framework.errors import Failure, InvalidFields, NotFound, NotPermitted, Unauthenticated
from framework.policy import guard_of, rule_of
from framework.testing.contract import Driver
from framework.testing.suite.choosing import Pair, over
from framework.testing.workbench import Workbench

askable = over("TestPermissions")
_ROLES = {Role.ADMIN: pb.Subject.ROLE_ADMIN, Role.USER: pb.Subject.ROLE_USER, Role.VIEWER: pb.Subject.ROLE_VIEWER}
_MET = {
    "allowed": pb.ExplainAccessResponse.OUTCOME_ALLOWED,
    "NotFound": pb.ExplainAccessResponse.OUTCOME_HIDDEN,
    "NotPermitted": pb.ExplainAccessResponse.OUTCOME_REFUSED,
}


def people(bench: Workbench) -> list[Actor]:
    """Everybody who may see or do different things, a demoted owner and a stranger among them."""
    return [bench.admin, bench.user, replace(bench.user, role=Role.VIEWER), bench.colleague, bench.viewer]


async def met(driver: Driver, actor: Actor, verb: str, identifier: str) -> str:
    """Returns what a call that acts on a row would meet."""
    context = driver.bench.context(actor, verb)
    try:
        async with driver.bench.database.tenant(actor.organization_id) as tx:
            await load(tx, driver.spec, context, identifier, verb)
    except Failure as refused:
        return type(refused).__name__
    return "allowed"


def verbs(driver: Driver) -> list[str]:
    """Returns the verbs of the resource that act on a row."""
    every = driver.bench.registry.actions(driver.spec).values()
    return [verb for verb in dict.fromkeys(every) if verb not in ("Create", "List")]


@askable
async def test_tested_permissions_are_what_calls_meet(driver: Driver, bench: Workbench) -> None:
    """Many rows and actions at once, for everybody; hidden and missing rows have none alike."""
    rows = [(await driver.create(await driver.sound(n))).id for n in range(3)]
    asked = [*rows, str(uuid4())]
    for actor in [*people(bench), bench.elsewhere().admin]:
        answer = await driver.call("TestPermissions", actor, ids=asked, actions=verbs(driver))
        assert [one.id for one in answer.permissions] == asked
        for one in answer.permissions:
            may = [verb for verb in verbs(driver) if await met(driver, actor, verb, one.id) == "allowed"]
            assert list(one.actions) == may, actor.role


@askable
async def test_explained_access_is_what_calls_meet(driver: Driver, bench: Workbench) -> None:
    """As anybody, with exactly one policy deciding where one did."""
    created = await driver.create()
    for actor in people(bench):
        subject = pb.Subject(user_id=actor.id, role=_ROLES[actor.role or Role.VIEWER])
        for verb in verbs(driver):
            asked: dict[str, Any] = {"id": created.id, "action": verb, "subject": subject}
            told = await driver.call("ExplainAccess", bench.admin, **asked)
            assert told.outcome == _MET[await met(driver, actor, verb, created.id)], (verb, actor.role)
            assert told.reason and len([p for p in told.policies if p.decisive]) <= 1
            assert [p.policy for p in told.policies] == [str(p) for p in driver.spec.policies]


@askable
async def test_without_a_row_it_is_told_what_depends_on_one(driver: Driver, bench: Workbench) -> None:
    """A viewer's own rows may be readable; what the role settles is settled."""
    viewer = pb.Subject(user_id=bench.viewer.id, role=pb.Subject.ROLE_VIEWER)
    creating = await driver.call("ExplainAccess", bench.admin, action="Create", subject=viewer)
    assert creating.outcome == pb.ExplainAccessResponse.OUTCOME_REFUSED
    (mine,) = (await driver.call("TestPermissions", bench.viewer)).permissions
    assert not mine.id and "Get" not in mine.actions
    assert not {a for a in mine.actions if a.startswith("Create")}
    assert {a for a in mine.actions if a.startswith("List")}


@askable
async def test_only_administrators_have_access_explained(driver: Driver, bench: Workbench) -> None:
    """Of their own organization's rows; everybody who is signed in may test their own permissions."""
    created = await driver.create()
    for actor, failure in ((bench.user, NotPermitted), (bench.viewer, NotPermitted), (ANONYMOUS, Unauthenticated)):
        with pytest.raises(failure):
            await driver.call("ExplainAccess", actor, id=created.id, action="Get")
    with pytest.raises(NotFound):
        await driver.call("ExplainAccess", bench.elsewhere().admin, id=created.id, action="Get")
    with pytest.raises(Unauthenticated):
        await driver.call("TestPermissions", ANONYMOUS, ids=[created.id])


@askable
async def test_a_grant_bounds_what_is_permitted(driver: Driver, bench: Workbench) -> None:
    """Whatever the policies allow."""
    created = await driver.create()
    method = driver.method("TestPermissions")
    assert method is not None
    bounded = replace(bench.admin, actions=frozenset({method.name, f"Get{driver.spec.noun}"}))
    (one,) = (await driver.call("TestPermissions", bounded, ids=[created.id])).permissions
    assert list(one.actions) == [f"Get{driver.spec.noun}"]


@askable
async def test_unknown_actions_are_refused_by_place(driver: Driver, bench: Workbench) -> None:
    """With those that there are."""
    with pytest.raises(InvalidFields) as refused:
        await driver.call("TestPermissions", actions=["Get", "Destroy"])
    assert [v.path for v in refused.value.violations] == ["actions[1]"]
    with pytest.raises(InvalidFields) as refused:
        await driver.call("ExplainAccess", bench.admin, action="Destroy")
    assert [v.path for v in refused.value.violations] == ["action"]
    assert f"Get{driver.spec.noun}" in refused.value.violations[0].message


@over("TestPermissions", "ExplainAccess", creatable=False)
async def test_every_resource_answers_for_its_permissions(pair: Pair, bench: Workbench) -> None:
    """Without an id what the caller's role settles is settled, for everybody and every action; of no row, nothing."""
    registry, spec = pair.subjects.registry, pair.spec
    test, explain = f"Test{spec.noun}Permissions", f"Explain{spec.noun}Access"
    for actor in people(bench):
        (mine,) = (await bench.do(test, pb.TestPermissionsRequest(), actor)).permissions
        settled = {rpc: rule_of(spec, verb).passing().decide(actor) for rpc, verb in registry.actions(spec).items()}
        assert list(mine.actions) == [rpc for rpc, verdict in settled.items() if verdict is not False]
        assert list(mine.forbidden_fields) == sorted(guard_of(spec, actor).hidden)
        subject = pb.Subject(user_id=actor.id, role=_ROLES[actor.role or Role.VIEWER])
        for rpc, verdict in settled.items():
            told = await bench.do(explain, pb.ExplainAccessRequest(action=rpc, subject=subject), bench.admin)
            closed = (pb.ExplainAccessResponse.OUTCOME_HIDDEN, pb.ExplainAccessResponse.OUTCOME_REFUSED)
            if verdict is False:
                assert told.outcome in closed, rpc
            assert {one.field for one in told.fields} == {name for one in spec.field_policies for name in one.fields}
    nothing = str(uuid4())
    (none,) = (await bench.do(test, pb.TestPermissionsRequest(ids=[nothing]), bench.admin)).permissions
    assert none.id == nothing and not none.actions and not none.forbidden_fields
    with pytest.raises(NotFound):
        await bench.do(explain, pb.ExplainAccessRequest(id=nothing, action=next(iter(settled))), bench.admin)
