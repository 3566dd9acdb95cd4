"""What the rows of a collection come to, for whoever may list them: one statement, walled as every list is."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import ColumnElement, and_

from framework.call import Context
from framework.engine.calls import Call
from framework.engine.messages import refuse_if
from framework.engine.readable import Readable, in_use
from framework.engine.reading import scope
from framework.errors import FieldViolation, InvalidFields
from framework.query import filter_clause, order_from
from framework.query.grouping import Groups
from framework.query.measuring import Group, Measure, groups_from, measures_from
from framework.resource import MethodSpec, ResourceSpec
from framework.storage.tables import compiled

DEFAULT_GROUPS = 1000
# Doubles hold every whole number up to here.
_EXACT = 2**53


async def aggregate(call: Call, method: MethodSpec, request: Any) -> Any:
    """Groups the rows that the caller may list, and measures each group."""
    asked = Asked(method.resource, call.context, request)
    found = await call.reads().fetch(*asked.statement())
    return asked.answer(found, method.response_class())


class Asked:
    """What a request wants to know of a collection: one statement, and the answer that its rows make."""

    def __init__(self, spec: ResourceSpec, context: Context, request: Any) -> None:
        self.request = request
        self.readable = Readable(spec, context)
        self.limit: int = request.limit or DEFAULT_GROUPS
        keys, measures = groups_from(request.group_by, self.readable), measures_from(request.measures, self.readable)
        refuse_if(_named_twice(keys, measures))
        self.groups = Groups(self.readable, self._counted(), keys, measures)

    def _counted(self) -> ColumnElement[bool]:
        spec = self.readable.spec
        return and_(
            scope(spec, self.readable.context, "List"),
            filter_clause(self.request.filter, self.readable),
            in_use(spec, self.readable.table, archived=self.request.show_archived),
        )

    def statement(self) -> tuple[str, dict[str, Any]]:
        """Returns the SQL for one group more than wanted, so that it is known whether there are more."""
        groups = self.groups
        order = order_from(self.request.order_by, groups, default=(), last=[*groups.keys])
        query = groups.query().where(_having(self.request.having, groups)).order_by(*order.terms(groups))
        return compiled(query.limit(self.limit + 1))

    def answer(self, rows: Sequence[Mapping[str, Any]], response: Any) -> Any:
        """Fills the response with the groups that the statement found."""
        for row in rows[: self.limit]:
            told = response.rows.add()
            for i, name in enumerate(self.groups.keys):
                told.keys[name].CopyFrom(value_of(row[f"k{i}"]))
            for i, name in enumerate(self.groups.values):
                told.values[name].CopyFrom(value_of(row[f"v{i}"]))
        response.truncated = len(rows) > self.limit
        return response


def _named_twice(keys: Sequence[Group], measures: Sequence[Measure]) -> Iterator[FieldViolation]:
    named = [(f"group_by[{i}]", one.result.name) for i, one in enumerate(keys)]
    named += [(f"measures[{i}]", one.result.name) for i, one in enumerate(measures)]
    seen: set[str] = set()
    for place, name in named:
        if name in seen:
            yield FieldViolation(place, f"{name} is the name of another one; name one of them with `as`")
        seen.add(name)


def _having(text: str, groups: Groups) -> ColumnElement[bool]:
    try:
        return filter_clause(text, groups)
    except InvalidFields as refused:
        raise refused.moved(lambda path: "having") from None


def value_of(value: Any) -> Value:
    """Returns what a database column holds as a JSON value; numbers that JSON's doubles cannot hold are text."""
    made = Value()
    if value is None:
        made.null_value = 0  # type: ignore[assignment]
    elif isinstance(value, Mapping):
        made.struct_value.update(value)
    else:
        _fill(made, value)
    return made


def _fill(made: Value, value: Any) -> None:
    if isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int | float) and math.isfinite(value) and not _long(value):
        made.number_value = float(value)
    elif isinstance(value, float):
        # JSON has no such numbers; protobuf writes them in these words.
        made.string_value = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    else:
        made.string_value = _stamp(value) if isinstance(value, datetime) else str(value)


def _long(value: int | float) -> bool:
    return isinstance(value, int) and abs(value) > _EXACT


def _stamp(value: datetime) -> str:
    stamp = Timestamp()
    stamp.FromDatetime(value)
    return stamp.ToJsonString()
