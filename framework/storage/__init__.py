"""Where resources rest: tables derived from descriptors, walled by row-level security, reached through psycopg."""

from framework.storage.database import Database, Reads, Transaction
from framework.storage.leases import LEASE_COLUMNS, Leases
from framework.storage.rows import Codec, codec_of
from framework.storage.tables import table_of

__all__ = ["LEASE_COLUMNS", "Codec", "Database", "Leases", "Reads", "Transaction", "codec_of", "table_of"]
