"""The SQL type of each kind of field."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Double, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.sql.type_api import TypeEngine

from framework.resource.fields import Kind

TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.UUID: UUID(as_uuid=True),
    Kind.TEXT: Text(),
    Kind.ENUM: Text(),
    Kind.INTEGER: Integer(),
    Kind.BIGINT: BigInteger(),
    Kind.DOUBLE: Double(),
    Kind.BOOLEAN: Boolean(),
    Kind.TIMESTAMP: DateTime(timezone=True),
    Kind.JSON: JSONB(none_as_null=True),
}
