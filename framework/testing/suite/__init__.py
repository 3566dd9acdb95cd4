"""What every declared resource keeps, as one suite: import it into a test module, and say what the subjects are.

    from framework.testing.suite import *

    SUBJECTS = Subjects(registry(), MIGRATIONS, Subject(Note, make_note))

Every rule then runs over every resource that it speaks of. `postgres_url` must be a fixture: a superuser's URL.
"""

from types import ModuleType

from framework.testing.contract import Subject
from framework.testing.suite import (
    access,
    aggregates,
    allowed_actions,
    archives,
    batches,
    exports,
    reading,
    resources,
    steps,
    upserts,
    watches,
    writing_twice,
)
from framework.testing.suite.choosing import Subjects
from framework.testing.suite.running import bench, driver, pytest_generate_tests

_PARTS: tuple[ModuleType, ...] = (
    access,
    aggregates,
    allowed_actions,
    archives,
    batches,
    exports,
    reading,
    resources,
    steps,
    upserts,
    watches,
    writing_twice,
)
RULES = {name: rule for part in _PARTS for name, rule in vars(part).items() if name.startswith("test_")}
"""Every rule by its name."""
globals().update(RULES)

__all__ = ["Subject", "Subjects", "bench", "driver", "pytest_generate_tests", *RULES]  # noqa: PLE0604 - names they are
