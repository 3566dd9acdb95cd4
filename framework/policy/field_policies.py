"""Field policies: who may read, and who may write, the fields that not everybody may who sees the row.

A field that no field policy names is as visible as its row. Of those that name it, every one must pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

from framework.call import Actor
from framework.policy.act_checks import asked_of
from framework.policy.checks import AllOf, Check
from framework.policy.policies import Policy, policy
from framework.resource import ResourceSpec

# What a page walk and every answer stand on; a row that may be seen has these.
ALWAYS = frozenset({"id", "created_at", "archived_at", "organization_id"})


@dataclass(frozen=True)
class FieldPolicy:
    """For some fields, whose they are to read; to write too, unless `write` says otherwise."""

    fields: tuple[str, ...]
    allow: Check
    write: Check | None = None

    def __str__(self) -> str:
        writing = "" if self.write is None else f", to write {self.write}"
        return f"{', '.join(self.fields)}: needs {self.allow}{writing}"

    def faults(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields what the policy says that cannot be."""
        needed = {"revision"} if spec.revisioned else set()
        needed |= {spec.states.field} if spec.states else set()
        for name in self.fields:
            if name in ALWAYS | needed:
                yield f"a field policy names {name}, which whoever sees a row sees"
            elif name not in spec.fields and name not in spec.computed:
                yield f"a field policy names {name}, which is no field"
        if set(self.fields) & set(spec.storage.content) and "content_hash" not in self.fields:
            yield "a field policy keeps content and not content_hash, which tells of it; name that too"
        for check in filter(None, (self.allow, self.write)):
            yield from check.faults(spec)
            for one in asked_of(check):
                yield f"a field policy asks {one} of the act, and every act reads fields"


def field_policy(*fields: str, allow: Check, write: Check | None = None) -> FieldPolicy:
    """Lets only whoever passes read and write these fields; `write` is asked for writing in place of `allow`."""
    return FieldPolicy(fields, allow, write)


@dataclass(frozen=True)
class FieldRules:
    """What must hold for each guarded field of a resource."""

    reads: Mapping[str, Check]
    writes: Mapping[str, Check]


@cache
def field_rules(spec: ResourceSpec) -> FieldRules:
    """Returns the rules of a resource's guarded fields, folded once."""
    reads: dict[str, Check] = {}
    writes: dict[str, Check] = {}
    for one in spec.field_policies:
        for name in one.fields:
            _join(reads, name, one.allow)
            _join(writes, name, one.write or one.allow)
    return FieldRules(reads, writes)


def _join(rules: dict[str, Check], name: str, check: Check) -> None:
    rules[name] = AllOf(rules[name], check) if name in rules else check


@dataclass(frozen=True)
class Guard:
    """What field policies keep from one actor: fields that no row shows, and fields that some rows show."""

    hidden: frozenset[str] = frozenset()
    dependent: Mapping[str, Check] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.hidden or self.dependent)


_OPEN = Guard()


def guard_of(spec: ResourceSpec, actor: Actor) -> Guard:
    """Returns what the field policies of a resource keep from an actor."""
    return _guard(spec, actor) if spec.field_policies else _OPEN


# Keyed by the actor's facts, as statements are.
@lru_cache(maxsize=4096)
def _guard(spec: ResourceSpec, actor: Actor) -> Guard:
    decided = {name: check.decide(actor) for name, check in field_rules(spec).reads.items()}
    dependent = {name: field_rules(spec).reads[name] for name, said in decided.items() if said is None}
    return Guard(frozenset(name for name, said in decided.items() if said is False), dependent)


READING, WRITING = "read {}", "write {}"


def as_policies(policies: Sequence[FieldPolicy]) -> list[Policy]:
    """Returns field policies as policies on the acts `read <field>` and `write <field>`, to report on and explain."""
    told = []
    for one in policies:
        reads, writes = (tuple(map(how.format, one.fields)) for how in (READING, WRITING))
        if one.write is None:
            told.append(policy(*reads, *writes, allow=one.allow))
        else:
            told += [policy(*reads, allow=one.allow), policy(*writes, allow=one.write)]
    return told
