"""Prompt values in the client: what is sent is what the service takes, and configurations are used by their ids."""

from typing import Any

import pytest
from ashgrove.configurations import Configurations
from ashgrove.pools import Pools
from ashgrove.variables.v1 import configuration_use_requests_pb2 as uses

from domain.prompt_values import PromptValue
from framework.structs import values_of

DATASET = "0198c5f0-0000-7000-8000-000000000001"


def asked(monkeypatch: pytest.MonkeyPatch, kind: Any, act: Any) -> Any:
    """Returns the request that an act of the client makes."""
    made: Any = object.__new__(kind)
    requests: list[Any] = []
    monkeypatch.setattr(kind, "_call", lambda self, rpc, **fields: requests.append(self._request(rpc, **fields)))
    act(made)
    return requests[0]


def test_what_goes_into_a_pool_is_what_the_service_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text, and demonstrations of training examples."""
    text = asked(monkeypatch, Pools, lambda pools: pools.add_instruction("s", "Answer {text}.")).prompt_value
    assert PromptValue.of("instruction", values_of(text.content)).token_count > 0
    shown = [{"inputs": {"text": "och"}, "outputs": {"language": "sv"}}]
    found = asked(monkeypatch, Pools, lambda pools: pools.add_demonstrations("s", DATASET, 3, shown)).prompt_value
    content = values_of(found.content) | {"dataset_revision": 3}
    assert len(PromptValue.of("demo_set", content).demonstrations) == 1
    assert (found.kind, found.variable_space_id) == (found.KIND_DEMO_SET, "s")


def test_undoing_names_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the revisions before and after."""
    applied = uses.ApplyConfigurationResponse(program_id="p", previous_program_revision=3, program_revision=4)
    request = asked(monkeypatch, Configurations, lambda kept: kept.undo("c", applied))
    assert (request.program_id, request.previous_program_revision, request.program_revision) == ("p", 3, 4)
