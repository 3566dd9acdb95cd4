"""The seed document's own policies, fed to the report as data: it finds their faults before anybody calls."""

from dataclasses import dataclass

import pytest

from framework.call import ANONYMOUS, Role
from framework.policy import (
    Check,
    Policy,
    anyone,
    bypass,
    has_role,
    is_public,
    nobody,
    not_,
    owns,
    policy,
    report,
    shares_organization,
    signed_in,
)
from framework.policy.actor_checks import ActorCheck
from framework.policy.report import who_can
from services.optimizer.resources import OptimizationRun

ACTIONS = ("Get", "List", "Create", "Update", "Archive", "ExecuteProgram", "OptimizeProgram", "CloneProgram")
# `actor_attribute_equals(:id, :user_id)` compares the actor's id with a word.
COMPARED_WITH_A_WORD: Check = ActorCheck("actor.id = ':user_id'", lambda actor: actor.id == ":user_id")
NOT_A_VIEWER = ~has_role(Role.VIEWER)


@dataclass(frozen=True)
class Item:
    """One item of the document: its policies, and what the report must say of them."""

    name: str
    policies: list[Policy]
    findings: tuple[str, ...]


P_POL1 = policy("Get", "List", allow=COMPARED_WITH_A_WORD)
P_POL2 = policy("Create", allow=signed_in)
P_POL3 = policy("Update", allow=COMPARED_WITH_A_WORD)
P_POL4 = policy(*ACTIONS, allow=has_role(Role.ADMIN))
PROGRAM = [P_POL1, P_POL2, P_POL3, P_POL4]
# ProgramPolicy: administrators everything; owners everything; what is public in the organization everything.
PE = [policy(*ACTIONS, allow=has_role(Role.ADMIN) | owns | (is_public & shares_organization))]
ITEMS = [
    Item(
        "P-POL1, X-31: read compares the actor's id with the word `:user_id`",
        PROGRAM,
        ("nobody can Get, whatever the row", "nobody can List, whatever the row"),
    ),
    Item(
        "P-POL2, X-32: create asks for an actor, and something stricter is asked beside it",
        PROGRAM,
        ("signed_in never decides in `Create: needs signed_in`: it could as well be true",),
    ),
    Item("P-POL3, X-31: update as read", PROGRAM, ("nobody can Update, whatever the row",)),
    Item(
        "P-POL4, X-33: the administrators' policy is no bypass",
        PROGRAM,
        ("actor.id = ':user_id' never decides in `Get, List: needs actor.id = ':user_id'`: it could as well be false",),
    ),
    Item(
        "P-POL5, X-34: no policy for archive and for the generic actions",
        [bypass(has_role(Role.ADMIN), "Get", "List"), policy("Get", "List", allow=owns), P_POL2],
        tuple(f"nobody can {verb}, whatever the row" for verb in ("Update", "Archive", "ExecuteProgram")),
    ),
    Item(
        "PE-1, X-85: the record is never asked, so the check is constant",
        [policy("Get", allow=has_role(Role.ADMIN) | nobody)],
        ("nobody never decides in `Get: needs (has_role(admin) or nobody)`: it could as well be false",),
    ),
    Item(
        "PE-3, X-87: a viewer is let read by the comment and denied by the code",
        [policy("Get", allow=has_role(Role.USER, Role.ADMIN) & NOT_A_VIEWER)],
        (
            "has_role(viewer) never decides in `Get: needs (has_role(user, admin) and not has_role(viewer))`: "
            "it could as well be false",
        ),
    ),
]


@pytest.mark.parametrize("item", ITEMS, ids=[item.name for item in ITEMS])
def test_the_seeds_faults_are_found(item: Item) -> None:
    """Each by the words of the report."""
    found = {str(finding) for finding in report(item.policies, ACTIONS)}
    assert set(item.findings) <= found


def test_writes_of_what_is_public_are_no_contradiction_and_told_by_who_can() -> None:
    """PE-2, X-86: the report finds nothing wrong with letting colleagues write; what they can do is told instead."""
    assert not report(PE, ["Update"])
    assert who_can(PE, "Update") >= {"viewers", "people without a role", "services"}
    right = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=owns | is_public),
        policy("Create", "Update", "Archive", allow=has_role(Role.USER) & owns),
    ]
    assert who_can(right, "Update") == {"administrators", "users"}
    assert who_can(right, "Get") >= {"administrators", "users", "viewers"}
    assert who_can([policy("Get", allow=anyone)], "Get") == {
        "administrators",
        "users",
        "viewers",
        "people without a role",
        "services",
        "anybody",
    }
    assert who_can([policy("Get", allow=not_(anyone))], "Get") == set()


def test_an_unknown_organization_is_not_the_same_as_another() -> None:
    """PE-2, X-86: null equals nothing, so strangers without an organization see nothing that is public."""
    row = {"visibility": "VISIBILITY_PUBLIC", "organization_id": None, "owner_id": None}
    assert not (is_public & shares_organization).allows(ANONYMOUS, row)


def test_a_run_is_read_through_its_program_in_one_statement() -> None:
    """PE-4, X-88: not record by record; the check is SQL, which joins the policies of the other row."""
    (reads,) = [one for one in OptimizationRun.policies if one.speaks_of("Get")]
    assert "of_readable_program" in str(reads.allow)
