"""One suite over every declared resource: a new one is tested the moment it is declared."""

from factories import SUBJECTS  # noqa: F401 - the suite's rules look here

from framework.testing.suite import *  # noqa: F403 - every rule
