"""The declared resources, and the marks that run a test over those that it speaks of."""

import pytest
from factories import migrations

from framework.resource import Registry, ResourceSpec
from services.describe import registries

REGISTRIES = [r for r in registries() if migrations(r.service).is_dir()]
EVERY = [(registry, spec) for registry in REGISTRIES for spec in registry.specs.values()]
CREATABLE = [
    (m_registry, m.resource)
    for m_registry in REGISTRIES
    for m in m_registry.methods.values()
    if m.standard and m.verb == "Create"
]


def ids(pairs: list[tuple[Registry, ResourceSpec]]) -> list[str]:
    """Returns how pytest calls each."""
    return [f"{registry.service}.{spec.noun}" for registry, spec in pairs]


def having(pairs: list[tuple[Registry, ResourceSpec]], verb: str) -> list[tuple[Registry, ResourceSpec]]:
    """Returns those that have a standard or custom method of this name."""
    return [(r, spec) for r, spec in pairs if any(m.resource is spec and m.verb == verb for m in r.methods.values())]


creatable = pytest.mark.parametrize("pair", CREATABLE, ids=ids(CREATABLE))
updatable = pytest.mark.parametrize("pair", having(CREATABLE, "Update"), ids=ids(having(CREATABLE, "Update")))
archivable = pytest.mark.parametrize("pair", having(CREATABLE, "Archive"), ids=ids(having(CREATABLE, "Archive")))
walled = pytest.mark.parametrize("pair", [p for p in EVERY if p[1].tenant], ids=ids([p for p in EVERY if p[1].tenant]))
