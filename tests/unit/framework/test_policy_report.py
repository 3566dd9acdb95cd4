"""The report on policies: it finds what nobody can do and what never decides, and finds it only where it is so."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from framework.call import Role
from framework.policy import (
    Check,
    anyone,
    bypass,
    changing,
    field_policy,
    forbid,
    has_role,
    in_context,
    is_operator,
    is_public,
    is_service,
    nobody,
    not_,
    owns,
    policy,
    report,
    report_on_fields,
    rule_for,
    signed_in,
)
from framework.policy.actor_checks import ActorCheck
from framework.policy.report import ACTORS

# The seed document's program policies, as they are there: an actor's id compared with a word, and an administrators'
# policy that is no bypass and so applies to everything and everybody.
NEVER_TRUE = ActorCheck("actor.id = ':user_id'", lambda actor: actor.id == ":user_id")
ACTIONS = ("Get", "List", "Create", "Update", "Archive", "ExecuteProgram", "OptimizeProgram", "CloneProgram")
SEED = [
    policy("Get", "List", allow=NEVER_TRUE),
    policy("Create", allow=signed_in),
    policy("Update", allow=NEVER_TRUE),
    policy(*ACTIONS, allow=has_role(Role.ADMIN)),
]
RIGHT = [
    bypass(has_role(Role.ADMIN)),
    policy("Get", "List", allow=owns | is_public),
    policy("Create", "Update", "Archive", allow=has_role(Role.USER) & owns),
]


def test_the_seeds_policies_would_have_been_caught() -> None:
    """Nobody could have read or updated a program, and being signed in would have decided nothing."""
    found = [str(finding) for finding in report(SEED, ACTIONS)]
    assert found[:3] == [f"nobody can {verb}, whatever the row" for verb in ("Get", "List", "Update")]
    assert "signed_in never decides in `Create: needs signed_in`: it could as well be true" in found
    assert any(f.startswith("actor.id = ':user_id' never decides in `Get, List:") for f in found)


def test_right_policies_give_nothing_to_say() -> None:
    """Every check decides something for somebody."""
    assert report(RIGHT, ["Get", "List", "Create", "Update", "Archive"]) == []


def test_what_no_policy_speaks_of_nobody_can() -> None:
    """A bypass without verbs still passes its own."""
    assert [f.nobody for f in report(RIGHT[1:], ["Get", "CloneProgram"])] == [True]
    assert report(RIGHT, ["Get", "List", "Create", "CloneProgram"]) == []


def test_a_check_that_another_implies_is_named() -> None:
    """With what it could as well be."""
    found = report([policy("Get", allow=signed_in & has_role(Role.USER))], ["Get"])
    assert [str(f) for f in found] == [
        "signed_in never decides in `Get: needs (signed_in and has_role(user))`: it could as well be true"
    ]


def test_a_forbid_that_refuses_nobody_else_is_named() -> None:
    """And one that refuses everybody leaves nobody."""
    reads = policy("Get", allow=has_role(Role.ADMIN))
    (idle,) = report([forbid(has_role(Role.VIEWER)), reads], ["Get"])
    assert (
        str(idle)
        == "has_role(viewer) never decides in `everything: forbids has_role(viewer)`: it could as well be false"
    )
    assert [str(f) for f in report([forbid(anyone), reads], ["Get"]) if f.nobody] == [
        "nobody can Get, whatever the row"
    ]


def test_checks_on_the_act_and_on_delegates_may_decide() -> None:
    """The report tries acts that answer in every way, and actors as the checks want them."""
    assert report([policy("Update", allow=owns & ~changing("owner_id"))], ["Update"]) == []
    assert report([policy("Get", allow=in_context(delegate="optimizer"))], ["Get"]) == []


def test_fields_that_nobody_reads_and_checks_that_decide_of_none_are_named() -> None:
    """As of policies; writing is asked only of fields that clients write."""
    hidden = field_policy("cost", allow=nobody)
    assert "nobody can read cost, whatever the row" in map(str, report_on_fields([hidden], ()))
    assert report_on_fields([field_policy("cost", allow=owns | has_role(Role.ADMIN))], {"cost"}) == []
    told = report_on_fields([field_policy("cost", allow=owns, write=nobody)], {"cost"})
    assert "nobody can write cost, whatever the row" in map(str, told)


leaves = st.sampled_from([anyone, signed_in, is_service, is_operator, is_public, owns, has_role(Role.ADMIN)])
checks: st.SearchStrategy[Check] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner), st.builds(lambda a, b: a | b, inner, inner), inner.map(not_)
    ),
    max_leaves=5,
)
policies = st.lists(
    st.one_of(checks.map(bypass), checks.map(forbid), checks.map(lambda c: policy("Get", allow=c))), max_size=4
)
rows = st.fixed_dictionaries(
    {
        "owner_id": st.sampled_from([None, UUID(int=2), UUID(int=3)]),
        "visibility": st.sampled_from([None, "VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"]),
    }
)


@given(policies, st.lists(rows, min_size=1, max_size=4))
def test_nobody_means_nobody(declared: list[object], some: list[dict[str, object]]) -> None:
    """Whoever passes for some row is not overlooked; where nobody can, no row lets anybody."""
    rule = rule_for(declared, "Get")  # type: ignore[arg-type]
    somebody = any(rule.allows(actor, row) for actor in ACTORS for row in some)
    said = any(finding.nobody for finding in report(declared, ["Get"]))  # type: ignore[arg-type]
    assert not (somebody and said)
    every = [
        {"owner_id": owner, "visibility": seen} for owner in (None, UUID(int=2)) for seen in (None, "VISIBILITY_PUBLIC")
    ]
    assert said is not any(rule.allows(actor, row) for actor in ACTORS for row in every)
