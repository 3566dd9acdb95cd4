"""Messages that are made from bounds keep them, whatever the resource."""

from typing import Any

import pytest

from framework.engine.messages import violations_of
from framework.resource import Resource
from framework.testing.factories import sound
from framework.testing.specimen import Specimen
from services.describe import registries
from services.variables.resources import VariableSpace

DECLARED: list[type[Resource[Any]]] = [Specimen, *(r for registry in registries() for r in registry.specs)]


@pytest.mark.parametrize("resource", DECLARED, ids=[r.__name__ for r in DECLARED])
def test_every_declared_resource_has_sound_messages(resource: type[Resource[Any]]) -> None:
    """Within its bounds, with what it requires."""
    for number in range(3):
        made = sound(resource, number)
        assert not violations_of(made) and made is not sound(resource, number)


def test_what_is_named_is_taken() -> None:
    """In place of what would be made, or beside it."""
    made = sound(Specimen, 2, name="mine", small=7)
    assert (made.name, made.small, made.big) == ("mine", 7, 0)


def test_what_breaks_a_bound_is_named() -> None:
    """With the field, so that its author can give a value."""
    with pytest.raises(AssertionError, match=r"give VariableSpace a value of your own for .*name"):
        sound(VariableSpace, name="x" * 10_000)
