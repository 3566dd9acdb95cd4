"""Random actors, acts, rows, checks and policies, and a reference evaluator that reads policies as Ash does."""

from collections.abc import Callable, Sequence
from uuid import UUID

from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, Text
from sqlalchemy.dialects import postgresql

from framework.call import ANONYMOUS, Actor, ActorKind, Context, Role, service_actor
from framework.policy import (
    Check,
    Policy,
    anyone,
    argument,
    bypass,
    changing,
    forbid,
    has_role,
    in_context,
    is_operator,
    is_own_organization,
    is_public,
    is_service,
    itself,
    nobody,
    not_,
    owns,
    policy,
    relates_to,
    shares_organization,
    signed_in,
)
from framework.policy.policies import WRITES
from framework.testing.specimen import message

IDS = [UUID(int=n) for n in range(1, 5)]
_UUID = postgresql.UUID(as_uuid=True)
TABLE = Table(
    "policy_rows",
    MetaData(),
    *(Column(name, _UUID) for name in ("id", "owner_id", "organization_id")),
    Column("visibility", Text()),
)
actors = st.one_of(
    st.just(ANONYMOUS),
    st.just(service_actor("optimizer")),
    st.builds(
        Actor,
        kind=st.just(ActorKind.USER),
        id=st.sampled_from([str(i) for i in IDS]),
        organization_id=st.sampled_from([None, *IDS[:2]]),
        role=st.sampled_from([None, *Role]),
        operator=st.booleans(),
        guest=st.booleans(),
        delegate=st.sampled_from(["", "optimizer"]),
        credential_id=st.sampled_from(["", "key"]),
        actions=st.sampled_from([None, frozenset({"Get"})]),
    ),
)
rows = st.fixed_dictionaries(
    {
        "id": st.sampled_from(IDS),
        "owner_id": st.sampled_from([None, *IDS]),
        "organization_id": st.sampled_from([None, *IDS[:2]]),
        "visibility": st.sampled_from([None, "", "VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"]),
    }
)
requests = st.builds(
    message("CreateSpecimenRequest"),
    validate_only=st.booleans(),
    specimen=st.builds(
        message("Specimen"), name=st.sampled_from(["", "a", "b"]), visibility=st.sampled_from([0, 1, 2])
    ),
)
changes = st.dictionaries(
    st.sampled_from(["owner_id", "visibility"]),
    st.tuples(*2 * [st.sampled_from([None, "VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"])]),
)
contexts = st.builds(
    Context,
    actor=st.just(ANONYMOUS),
    action=st.sampled_from(["CreateSpecimen", "UpdateSpecimen"]),
    request_id=st.just(""),
    deadline=st.just(0.0),
    arguments=requests,
    changes=changes,
)
row_checks = st.sampled_from(
    [is_public, owns, itself, shares_organization, is_own_organization, relates_to("owner_id"), relates_to("id")]
)
actor_checks = st.sampled_from(
    [
        anyone,
        nobody,
        signed_in,
        is_service,
        is_operator,
        has_role(Role.ADMIN),
        has_role(*Role),
        in_context(delegate="optimizer"),
        in_context(bounded=True, credential=False),
    ]
)
act_checks = st.sampled_from(
    [
        changing("visibility"),
        changing("visibility", to="VISIBILITY_PUBLIC"),
        changing("visibility", to="VISIBILITY_PUBLIC", from_="VISIBILITY_PRIVATE"),
        argument("specimen.name"),
        argument("specimen.name", "a"),
        argument("specimen.visibility", "VISIBILITY_PUBLIC"),
        in_context(validate_only=True),
        in_context(action="UpdateSpecimen"),
    ]
)


def composed(leaves: st.SearchStrategy[Check], most: int = 6) -> st.SearchStrategy[Check]:
    """Returns compositions of checks by and, or and not."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda a, b: a & b, inner, inner),
            st.builds(lambda a, b: a | b, inner, inner),
            inner.map(not_),
        ),
        max_leaves=most,
    )


checks = composed(st.one_of(row_checks, actor_checks, act_checks))


def policies_of(some: st.SearchStrategy[Check], most: int = 4) -> st.SearchStrategy[list[Policy]]:
    """Returns sets of policies of every kind that ask some checks."""
    verbs = st.sampled_from([("Get",), ("List",), ("Get", "List"), ("Update",), WRITES])
    few = st.one_of(verbs, st.just(()))
    return st.lists(
        st.one_of(
            st.builds(lambda c, v: bypass(c, *v), some, few),
            st.builds(lambda c, v: forbid(c, *v), some, few),
            st.builds(lambda c, v: policy(*v, allow=c), some, verbs),
            st.builds(lambda c, v: policy(*v, allow=c), some, verbs),
        ),
        max_size=most,
    )


policies = policies_of(checks)


def reference(declared: Sequence[Policy], verb: str, says: Callable[[Check], bool]) -> bool:
    """Reads policies from top to bottom, as Ash's documentation tells it."""
    authorized = False
    for one in [p for p in declared if p.applies(verb)]:
        passed = says(one.allow)
        if one.bypasses:
            if passed:
                return True
        elif one.forbids:
            if passed:
                return False
        elif not passed:
            return False
        else:
            authorized = True
    return authorized
