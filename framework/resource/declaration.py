"""The Python half of a resource: storage, policies and formulas; the proto holds all a client may know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar, get_args

from google.protobuf.message import Message

from framework.resource.states import StateMachine

M = TypeVar("M", bound=Message)


class Tenancy(Enum):
    """Whose a table's rows are."""

    TENANT = "tenant"
    """Each row belongs to one organization, walled by row-level security."""
    GLOBAL = "global"
    """Rows belong to the platform."""


@dataclass(frozen=True)
class Storage:
    """Where a resource rests: what the proto cannot say because no client may know it.

    `hidden` maps column names to SQL types with optional defaults (`"bigint NOT NULL DEFAULT 0"`); `content` names the
    fields whose every change makes a new revision; `initial` holds the values of a new row by field name; rows of an
    `append_only` table can be changed and deleted by no role of the service. `references` maps columns to the tables
    they refer to: what is referred to cannot be purged, unless `part_of` names the column: then its rows are a part
    of what they refer to, and go with it. `droppable` names what an append-only row loses when the month of its
    `created_at` is let go, while the row itself stays.
    """

    owner: str | None = None
    unique: Sequence[tuple[str, ...]] = ()
    indexes: Sequence[tuple[str, ...]] = ()
    content: tuple[str, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    part_of: Sequence[str] = ()
    initial: Mapping[str, Any] = field(default_factory=dict)
    tenancy: Tenancy = Tenancy.TENANT
    append_only: bool = False
    droppable: Sequence[str] = ()


@dataclass(frozen=True)
class Rollup:
    """A count of another service's rows that name this one in their `key`, kept by that service's events.

    It is some seconds behind, moves without an event or a new etag, and is right again however long a service was away.
    """

    service: str
    resource: str
    key: str


class Resource(Generic[M]):
    """A resource: subclass it with its message, name storage and policies; standard methods follow by themselves."""

    message: ClassVar[type[Message]]
    storage: ClassVar[Storage] = Storage()
    policies: ClassVar[Sequence[Any]] = ()
    field_policies: ClassVar[Sequence[Any]] = ()
    """Who may see the fields that not everybody may see who sees the row."""
    untold: ClassVar[Sequence[str]] = ()
    """The fields that events leave out: whoever needs them reads the resource, for as long as it keeps them."""
    computed: ClassVar[Mapping[str, Any]] = {}
    """The formulas of public fields that have no column."""
    rollups: ClassVar[Mapping[str, Rollup]] = {}
    """The stored fields that count another service's rows."""
    states: ClassVar[StateMachine | None] = None
    """The life of a row as a state machine."""

    def __init_subclass__(cls, **how: Any) -> None:
        """Takes the message from `Resource[…]`, unless the class names one."""
        super().__init_subclass__(**how)
        given = [one for origin in cls.__dict__.get("__orig_bases__", ()) for one in get_args(origin)]
        if "message" not in cls.__dict__ and given and hasattr(given[0], "DESCRIPTOR"):
            cls.message = given[0]

    async def prepare(self, call: Any, new: M, old: M | None) -> None:
        """Completes or refuses a row before it is written; `old` is None on creation."""

    def derive(self, message: M) -> None:
        """Recomputes the fields that follow from the content, when an earlier revision of it is read; on a thread."""
