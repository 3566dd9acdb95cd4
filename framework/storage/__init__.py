"""Where resources rest: tables derived from descriptors, walled by row-level security, reached through psycopg."""

from framework.storage.atomic import (
    Expression,
    appended,
    clock_time,
    decrement,
    from_now,
    greatest,
    increment,
    least,
    merged,
    transaction_time,
)
from framework.storage.database import Asked, Database, Reads, Transaction, as_json
from framework.storage.failures import Unmet
from framework.storage.leases import FENCE, LEASE_COLUMNS, Leases
from framework.storage.rows import Codec, codec_of
from framework.storage.tables import table_of

__all__ = [
    "FENCE",
    "LEASE_COLUMNS",
    "Asked",
    "Codec",
    "Database",
    "Expression",
    "Leases",
    "Reads",
    "Transaction",
    "Unmet",
    "appended",
    "as_json",
    "clock_time",
    "codec_of",
    "decrement",
    "from_now",
    "greatest",
    "increment",
    "least",
    "merged",
    "table_of",
    "transaction_time",
]
