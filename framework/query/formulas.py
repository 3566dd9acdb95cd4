"""The words that declare computed fields: SQL over the row's own columns, and Python for a whole page at once."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from google.protobuf.message import Message
from sqlalchemy import ColumnElement, Double, cast, func
from sqlalchemy.types import NullType

from framework.query.columns import Columns
from framework.query.sketch import Sketch
from framework.resource.fields import Field
from framework.resource.spec import ResourceSpec
from framework.resource.types import TYPES


class Formula:
    """How a computed field comes to its value, as an expression that filters, orders and reads share."""

    @property
    def always(self) -> bool:
        """Whether there is a value for every row, so that it can be compared and sorted without regard to null."""
        return False

    def expression(self, columns: Columns) -> ColumnElement[Any]:
        """Returns the expression over a row's columns."""
        raise NotImplementedError

    def faults(self, field: Field, spec: ResourceSpec) -> Iterator[str]:
        """Yields why the formula cannot fill this field of this resource."""
        yield from ()


@dataclass(frozen=True)
class sql(Formula):  # noqa: N801 - reads as a word of the declaration
    """A value computed by the database from the row's own columns: `sql(lambda row: row["tokens"] * 2)`."""

    make: Callable[[Columns], ColumnElement[Any]]
    always: bool = False

    def __str__(self) -> str:
        return "an expression"

    def expression(self, columns: Columns) -> ColumnElement[Any]:
        """Returns what the author made of the columns."""
        return self.make(columns)

    def faults(self, field: Field, spec: ResourceSpec) -> Iterator[str]:
        """Yields a name that is no field's, and a type that is not the field's."""
        try:
            made = self.expression(Sketch(spec)).type
        except KeyError as unknown:
            yield f"its formula names {unknown.args[0]}, which is no field"
            return
        if isinstance(made, NullType) or made.python_type is not TYPES[field.kind].python_type:
            yield f"is of type {field.kind.value}, its formula of type {str(made).lower()}"


def seconds_between(start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns how many seconds lie between two times; null where one is absent."""
    return cast(func.extract("epoch", end - start), Double())


@dataclass(frozen=True)
class batched:  # noqa: N801 - reads as a word of the declaration
    """Values computed in Python, once for all rows of a read, from the fields it needs; no filter can name them."""

    compute: Callable[[Any, Sequence[Any]], Awaitable[Sequence[Any]]]
    needs: tuple[str, ...] = ("id",)
    always: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"a batch of Python over {', '.join(self.needs)}"

    async def fill(self, call: Any, name: str, messages: Sequence[Any]) -> None:
        """Computes the values of messages and puts them into their field; None leaves it empty."""
        for message, value in zip(messages, await self.compute(call, messages), strict=True):
            if value is not None:
                _put(message, name, value)

    def faults(self, field: Field, spec: ResourceSpec) -> Iterator[str]:
        """Yields the fields it needs that have no column."""
        yield from (f"needs {name}, which is no stored field" for name in self.needs if name not in spec.fields)


def _put(message: Any, name: str, value: Any) -> None:
    """Puts a value into a field of any kind."""
    if message.DESCRIPTOR.fields_by_name[name].is_repeated:
        getattr(message, name).extend(value)
    elif isinstance(value, Message):
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)
