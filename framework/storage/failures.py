"""Maps what PostgreSQL refuses to what a caller may be told; no SQLSTATE leaves the building."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from framework.errors import (
    AlreadyExists,
    DeadlinePassed,
    DependencyUnavailable,
    FieldViolation,
    InvalidFields,
    WriteConflict,
)


class Unmet(Exception):  # noqa: N818 - not an error: somebody else was faster
    """What a transaction required does not hold: nothing of it was done."""


@contextmanager
def mapped() -> Iterator[None]:
    """Raises a `Failure` in place of the database errors that a caller can act on."""
    try:
        yield
    except pg.InvalidArgumentForLogarithm as error:  # as `Transaction.require` has it, and nobody else
        raise Unmet from error
    except pg.UniqueViolation as error:
        constraint = error.diag.constraint_name or ""
        raise AlreadyExists("another resource has these unique values; choose others", constraint=constraint) from error
    except pg.ForeignKeyViolation as error:
        raise InvalidFields(FieldViolation(_column(error), "refers to nothing that exists here")) from error
    except (pg.SerializationFailure, pg.DeadlockDetected) as error:
        raise WriteConflict("two writers met; try again") from error
    except (pg.QueryCanceled, PoolTimeout) as error:
        raise DeadlinePassed("the deadline passed before the database answered") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DependencyUnavailable("the database does not answer; try again later", service="database") from error


def _column(error: pg.ForeignKeyViolation) -> str:
    # Constraints are named <table>_<column>_fkey.
    name = (error.diag.constraint_name or "").removesuffix("_fkey")
    return name.removeprefix(f"{error.diag.table_name}_")
