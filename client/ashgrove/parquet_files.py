"""Exports into a Parquet file, typed by its descriptor, some rows in memory at a time; needs `ashgrove[parquet]`."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from itertools import chain, islice
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ashgrove.exports import Exported
from ashgrove.values import to_plain

_GROUP = 1000
_TIME = "google.protobuf.Timestamp"
_SCALARS = {
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_DOUBLE: "float64",
    FieldDescriptor.TYPE_BOOL: "bool_",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_ENUM: "string",
}


def write_parquet(path: Path, rows: Iterable[Exported], fields: Sequence[str] = ()) -> Iterable[int]:
    """Writes rows and yields how many there are so far; the file has its name once it is whole.

    Times are UTC in microseconds, enums their names, and what is nested is JSON text.
    Raises ValueError without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError("Parquet needs pyarrow: install `ashgrove[parquet]`, or export as jsonl") from None
    source = iter(rows)
    first = next(source, None)
    if first is not None:
        source = chain([first], source)
    columns = _columns(first.resource.DESCRIPTOR, fields) if first is not None else []
    schema = pyarrow.schema([(field.name, _type(pyarrow, field)) for field in columns])
    part, count = path.with_name(path.name + ".part"), 0
    with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
        while group := list(islice(source, _GROUP)):
            cells = [_cells(row.resource, columns) for row in group]
            writer.write_table(pyarrow.Table.from_pylist(cells, schema=schema))
            count += len(group)
            yield count
    part.replace(path)


def _columns(descriptor: Any, fields: Sequence[str]) -> list[FieldDescriptor]:
    named = {path.partition(".")[0] for path in fields}
    return [field for field in descriptor.fields if not named or field.name in named]


def _type(pyarrow: Any, field: FieldDescriptor) -> Any:
    if field.is_repeated or field.message_type is not None:
        return pyarrow.timestamp("us", tz="UTC") if _is_time(field) else pyarrow.string()
    make: Callable[[], Any] = getattr(pyarrow, _SCALARS.get(field.type, "string"))
    return make()


def _is_time(field: FieldDescriptor) -> bool:
    return not field.is_repeated and field.message_type is not None and field.message_type.full_name == _TIME


def _cells(message: Message, columns: Sequence[FieldDescriptor]) -> dict[str, Any]:
    plain = to_plain(message)
    return {field.name: _cell(message, field, plain) for field in columns}


def _cell(message: Message, field: FieldDescriptor, plain: dict[str, Any]) -> Any:
    if _is_time(field):
        return getattr(message, field.name).ToDatetime(tzinfo=UTC) if message.HasField(field.name) else None
    if field.is_repeated or field.message_type is not None:
        return json.dumps(plain[field.name], ensure_ascii=False, sort_keys=True) if field.name in plain else None
    if field.enum_type is not None:
        return plain.get(field.name)
    return None if field.has_presence and not message.HasField(field.name) else getattr(message, field.name)
