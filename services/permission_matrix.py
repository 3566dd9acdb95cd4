"""Writes the matrix of who may do what, `docs/permission-matrix.md`: `python -m services.permission_matrix`."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from framework.call import ANONYMOUS, Actor, ActorKind, Role, service_actor
from framework.engine.access import RULES
from framework.policy import Check, rule_for
from framework.policy.checks import AllOf, Composite, Not
from framework.resource import MethodSpec, Registry
from services.describe import registries

PAGE = Path(__file__).resolve().parent.parent / "docs" / "permission-matrix.md"
_ORGANIZATION, _PERSON = UUID(int=1), str(UUID(int=2))
PEOPLE = {
    "administrator": Actor(ActorKind.USER, _PERSON, _ORGANIZATION, Role.ADMIN),
    "user": Actor(ActorKind.USER, _PERSON, _ORGANIZATION, Role.USER),
    "viewer": Actor(ActorKind.USER, _PERSON, _ORGANIZATION, Role.VIEWER),
    "nobody known": ANONYMOUS,
    "administrator let in": Actor(ActorKind.USER, _PERSON, _ORGANIZATION, Role.ADMIN, guest=True),
    "operator elsewhere": Actor(ActorKind.USER, _PERSON, UUID(int=3), Role.VIEWER, operator=True),
    "service": service_actor("a-service", _ORGANIZATION),
}
_HEAD = """\
# Who may do what

Made from the policies by `python -m services.permission_matrix`; a test holds it current. *yes* and *no* are what the
role alone settles; anything else is what must hold of the row, of the act, or of both. Rows of other organizations do
not exist for anybody, whatever stands here; the scopes of a key and the actions of a grant only ever take away. What
the checks mean is in [permissions](permissions.md); `make describe` prints the policies themselves.

The *operator elsewhere* runs the platform and is a member of the operators' own organization; by `BreakGlass` they are
let in for a while, as an administrator at most. A *service* is one of the platform's own, with its own token; no client
is one.
"""


def page() -> str:
    """Returns the whole page."""
    return "\n".join([_HEAD, *(line for registry in registries() for line in _service(registry))])


def _service(registry: Registry) -> Iterator[str]:
    yield f"## The {registry.service} service\n"
    yield f"| RPC | {' | '.join(PEOPLE)} |"
    yield f"|---|{'---|' * len(PEOPLE)}"
    for method in registry.methods.values():
        yield f"| `{method.name}` | {' | '.join(may(method, actor) for actor in PEOPLE.values())} |"
    yield ""


def may(method: MethodSpec, actor: Actor) -> str:
    """Returns what a kind of actor may do: yes, no, or what must hold besides."""
    rule = RULES.get(method.verb) or rule_for(method.resource.policies, method.ruled_by)
    return left_of(rule, actor)


def left_of(check: Check, actor: Actor) -> str:
    """Returns what a check still asks when an actor is known: yes, no, or its open parts."""
    decided = check.decide(actor)
    if decided is not None:
        return "yes" if decided else "no"
    if not isinstance(check, Composite):
        return f"`{check}`"
    if isinstance(check, Not):
        return f"not {_bracketed(check.parts[0], actor)}"
    word = " and " if isinstance(check, AllOf) else " or "
    open_ = [part for part in check.parts if part.decide(actor) is None]
    told = list(dict.fromkeys(_bracketed(part, actor) for part in open_)) if len(open_) > 1 else []
    return word.join(told) if len(told) > 1 else left_of(open_[0], actor)


def _bracketed(check: Check, actor: Actor) -> str:
    told = left_of(check, actor)
    return f"({told})" if " or " in told or " and " in told else told


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page())
    print(PAGE.name)


if __name__ == "__main__":
    main()
