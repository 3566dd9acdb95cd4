"""An explanation and the rule it explains are one: the same decision, and the policy that made it."""

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from framework.call import Role
from framework.policy import (
    Check,
    Policy,
    anyone,
    bypass,
    forbid,
    has_role,
    is_public,
    is_service,
    itself,
    not_,
    owns,
    policy,
    rule_for,
    signed_in,
)
from framework.policy.checks import Verdict
from framework.policy.explaining import explained
from framework.policy.policies import WRITES
from framework.policy.report import ACTORS

leaves = st.sampled_from([anyone, signed_in, is_service, is_public, owns, itself, has_role(Role.ADMIN)])
checks: st.SearchStrategy[Check] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner), st.builds(lambda a, b: a | b, inner, inner), inner.map(not_)
    ),
    max_leaves=5,
)
policies = st.lists(
    st.one_of(
        checks.map(bypass),
        checks.map(forbid),
        checks.map(lambda c: policy("Get", allow=c)),
        checks.map(lambda c: policy("Update", allow=c)),
        checks.map(lambda c: policy(*WRITES, allow=c)),
    ),
    max_size=5,
)
rows = st.fixed_dictionaries(
    {
        "id": st.sampled_from([UUID(int=2), UUID(int=4)]),
        "owner_id": st.sampled_from([None, UUID(int=2), UUID(int=3)]),
        "visibility": st.sampled_from([None, "VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"]),
    }
)


@given(policies, st.sampled_from(ACTORS), rows, st.sampled_from(["Get", "Update"]))
def test_an_explanation_is_the_rule(declared: list[Policy], actor: Any, row: dict[str, Any], verb: str) -> None:
    """Of the decisive policy at most one, and without it the decision would not be what it is."""
    found = explained(declared, verb, lambda check: check.allows(actor, row))
    assert found.verdict is rule_for(declared, verb).allows(actor, row)
    decisive = [one for one in found.policies if one.decisive]
    assert len(decisive) <= 1
    assert [one.applies for one in found.policies] == [one.applies(verb) for one in declared]
    if decisive:
        (one,) = decisive
        assert found.verdict is one.policy.bypasses
        assert one.check.verdict is (one.policy.bypasses or one.policy.forbids)
        assert str(one.policy) in found.reason
    elif found.verdict is False:
        assert not [one for one in declared if one.applies(verb) and not one.bypasses and not one.forbids]


@given(policies, st.sampled_from(ACTORS), st.lists(rows, min_size=1, max_size=4))
def test_without_a_row_what_is_said_holds_for_every_row(
    declared: list[Policy], actor: Any, some: list[dict[str, Any]]
) -> None:
    """Where rows could differ, it is said to depend."""
    found: Verdict = explained(declared, "Get", lambda check: check.decide(actor)).verdict
    rule = rule_for(declared, "Get")
    if found is not None:
        assert all(rule.allows(actor, row) is found for row in some)
    assert found is rule.decide(actor)
