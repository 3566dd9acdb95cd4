"""A field of a signature: what it is called, what it may hold, and its JSON form."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from domain.values import Invalid, Json, normalise

ANY_LENGTH = 0
"""A dimension of an embedding or tensor that may be of any length."""


class Missing:
    """What stands where a value could be and none is, since null is a value."""

    def __repr__(self) -> str:
        """Return its word."""
        return "MISSING"


MISSING: Any = Missing()


@dataclass(frozen=True)
class Constraints:
    """What a value must keep beside its type; None, "" and False for nothing."""

    minimum: float | None = None
    maximum: float | None = None
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False

    @property
    def given(self) -> dict[str, Json]:
        """Those that say something, by name."""
        found = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in found if not (value is None or value is False or value == "")}

    def to_json(self) -> dict[str, Json]:
        """Return them as JSON."""
        return self.given


@dataclass(frozen=True)
class Field:
    """A field: its kind and what belongs to that.

    `items` says what an array holds, `properties` what an object consists of, `shape` and `dimension` how long tensors
    and embeddings are. `default` is MISSING where there is none.
    """

    name: str = ""
    kind: str = "string"
    description: str = ""
    choices: tuple[str, ...] = ()
    variable: bool = False
    optional: bool = False
    default: Json = MISSING
    nullable: bool = False
    constraints: Constraints = Constraints()
    items: "Field | None" = None
    properties: tuple["Field", ...] = ()
    dimension: int = ANY_LENGTH
    shape: tuple[int, ...] = ()

    @property
    def may_be_left_out(self) -> bool:
        """Whether a value without it is whole."""
        return self.optional or self.default is not MISSING

    @cached_property
    def fills(self) -> bool:
        """Whether a field inside it has a default."""
        return any(each.default is not MISSING or each.fills for _, each in self.within)

    @property
    def within(self) -> Iterator[tuple[str, "Field"]]:
        """The fields inside it, with the ends of their paths."""
        if self.items is not None:
            yield ".items", self.items
        for index, each in enumerate(self.properties):
            yield f".properties[{index}]", each

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON, in the words of the proto; what says nothing stays absent."""
        plain: dict[str, Json] = {"type": f"TYPE_{self.kind.upper()}"}
        plain |= {name: getattr(self, name) for name in ("name", "description") if getattr(self, name)}
        plain |= {name: list(getattr(self, name)) for name in ("choices", "shape") if getattr(self, name)}
        plain |= {name: True for name in ("variable", "optional", "nullable") if getattr(self, name)}
        plain |= {"dimension": self.dimension} if self.dimension else {}
        plain |= {"constraints": self.constraints.to_json()} if self.constraints.given else {}
        plain |= {"default_value": self.default} if self.default is not MISSING else {}
        plain |= {"items": self.items.to_json()} if self.items else {}
        return plain | ({"properties": [each.to_json() for each in self.properties]} if self.properties else {})


def _default(plain: Mapping[str, Any]) -> Json:
    """Return a default with whole doubles as integers; what JSON cannot keep stays, for whoever judges it."""
    try:
        return normalise(plain["default_value"]) if "default_value" in plain else MISSING
    except Invalid:
        return plain["default_value"]


def kind_of(name: Json) -> str:
    """Return a type's kind: `TYPE_DATE_TIME` and `date_time` are one, and what is not said is a string."""
    kind = str(name or "string").removeprefix("TYPE_").lower()
    return "string" if kind == "unspecified" else kind


def field_of(plain: Mapping[str, Any]) -> Field:
    """Return the field of its JSON, in the words of the proto."""
    return Field(
        name=str(plain.get("name", "")),
        kind=kind_of(plain.get("type")),
        description=str(plain.get("description", "")),
        choices=tuple(plain.get("choices", ())),
        variable=bool(plain.get("variable", False)),
        optional=bool(plain.get("optional", False)),
        default=_default(plain),
        nullable=bool(plain.get("nullable", False)),
        constraints=Constraints(**plain.get("constraints", {})),
        items=field_of(plain["items"]) if "items" in plain else None,
        properties=tuple(map(field_of, plain.get("properties", ()))),
        dimension=int(plain.get("dimension", ANY_LENGTH)),
        shape=tuple(int(each) for each in plain.get("shape", ())),
    )


def fields_of(plain: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    """Return the fields of their JSON."""
    return tuple(map(field_of, plain))
