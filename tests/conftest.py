"""Real servers for the tests that need them: one of each per test session."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from deploy.local import postgres as postgres_server
from deploy.local.valkey import valkey

pytest_plugins = ["tests.models.fixtures"]

# Rules of the suite fail with what was compared, as other tests do.
pytest.register_assert_rewrite("framework.testing.suite", "framework.testing.asserting")
# Speed is never asserted: an example that a busy machine holds up is not a fault.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("usual", _PATIENT)
settings.register_profile("thorough", _PATIENT, max_examples=1000)
settings.load_profile("usual")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The superuser's URL of an empty PostgreSQL database."""
    home = tmp_path_factory.mktemp("postgres")
    with postgres_server.postgres(home, durable=False) as server:
        yield server.admin_url
    postgres_server.remove(home)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty Valkey."""
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url
