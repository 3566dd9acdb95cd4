"""Pools of prompt values: only added to, referred to by hash, seen by whoever may."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from ashgrove.variables.v1 import prompt_value_pb2 as pb
from ashgrove.variables.v1 import variable_configuration_pb2 as kept_pb
from ashgrove.variables.v1 import variable_configuration_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_space_pb2 as space_pb
from ashgrove.variables.v1.prompt_value_requests_pb2 import (
    AddPromptValueRequest,
    GetPromptValueRequest,
    ListPromptValuesRequest,
)
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from google.protobuf.json_format import ParseDict

from framework.errors import InvalidFields, NotFound, NotPermitted
from framework.testing.workbench import Workbench

DATASET = str(uuid4())
VARIABLES = [
    {"name": "prompt", "instruction": {"slot": "main", "token_limit": 20, "placeholders": ["text"]}},
    {"name": "shown", "demo_set": {"slot": "main", "dataset_id": DATASET, "dataset_revision": 2}},
    {"name": "critic", "instruction": {"slot": "critic"}},
    {"name": "cite", "boolean": {}, "default": False},
]


async def pool_of(bench: Workbench, visibility: str = "VISIBILITY_PUBLIC") -> space_pb.VariableSpace:
    """A space of prompts, with nothing in its pool."""
    space = ParseDict(
        {"name": f"space {uuid4()}", "variables": VARIABLES, "visibility": visibility}, space_pb.VariableSpace()
    )
    created: space_pb.VariableSpace = await bench.do(
        "CreateVariableSpace", CreateVariableSpaceRequest(variable_space=space)
    )
    return created


async def add(
    bench: Workbench, space: space_pb.VariableSpace, content: str | Mapping[str, Any], actor: Any = None, **fields: Any
) -> pb.PromptValue:
    """Adds a text, or a demo set."""
    made = pb.PromptValue(variable_space_id=space.id, kind=pb.PromptValue.KIND_INSTRUCTION, **fields)
    if not isinstance(content, str):
        made.kind = pb.PromptValue.KIND_DEMO_SET
    made.content.update({"text": content} if isinstance(content, str) else dict(content))
    added: pb.PromptValue = await bench.do("AddPromptValue", AddPromptValueRequest(prompt_value=made), actor)
    return added


def demonstrations(**fields: Any) -> dict[str, Any]:
    """A demo set."""
    shown = [{"inputs": {"text": "a"}, "outputs": {"language": "sv"}}]
    return {"dataset_id": DATASET, "dataset_revision": 1, "split": "train", "demonstrations": shown} | fields


async def judged(
    bench: Workbench, space: space_pb.VariableSpace, actor: Any = None, slots: Any = (), **values: Any
) -> Any:
    """Judges values."""
    ask = rpc.ValidateConfigurationRequest(variable_space_id=space.id, slots=slots)
    ask.values.SetInParent()
    ask.values.update(values)
    return await bench.do("ValidateConfiguration", ask, actor)


async def test_a_value_is_known_by_its_hash_and_kept_once(bench: Workbench) -> None:
    """Whoever adds it again gets the first one."""
    space = await pool_of(bench)
    run = str(uuid4())
    first = await add(bench, space, "Name {text}.", optimization_run_id=run)
    assert first.reference.startswith("sha256:") and first.token_count == 3 and first.optimization_run_id == run
    assert await add(bench, space, "Name {text}.") == first
    shown = await add(bench, space, demonstrations())
    assert shown.content["dataset_revision"] == 1
    listed = await bench.do("ListPromptValues", ListPromptValuesRequest(filter="kind = KIND_INSTRUCTION"))
    assert [each.id for each in listed.prompt_values] == [first.id]
    assert (await add(bench, await pool_of(bench), "Name {text}.")).id != first.id


async def test_two_who_add_the_same_at_once_get_the_same(bench: Workbench) -> None:
    """One row, whoever was first."""
    space = await pool_of(bench)
    added = await asyncio.gather(*(add(bench, space, "At once {text}.") for _ in range(5)))
    assert len({each.id for each in added}) == 1


async def test_a_value_has_the_form_of_its_kind(bench: Workbench) -> None:
    """With every path of the request."""
    space = await pool_of(bench)
    for content, path in (
        ("", "text"),
        (demonstrations(split="validation"), "split"),
        (demonstrations(demonstrations=[3]), "demonstrations[0]"),
    ):
        with pytest.raises(InvalidFields) as refused:
            await add(bench, space, content)
        assert [v.path for v in refused.value.violations] == [f"prompt_value.content.{path}"]
    with pytest.raises(InvalidFields, match=r"prompt_value\.provenance: must be at most"):
        await add(bench, space, "Say {text}.", provenance={"proposer": "x" * 20_000})
    with pytest.raises(InvalidFields, match="prompt_value"):
        await bench.do("AddPromptValue", AddPromptValueRequest(prompt_value=pb.PromptValue(variable_space_id=space.id)))


async def test_values_are_seen_by_their_owner_unless_they_are_public(bench: Workbench) -> None:
    """Demonstrations may be of a dataset that others do not see; viewers add none, and hidden spaces have no pool."""
    space = await pool_of(bench)
    mine = await add(bench, space, "Mine {text}.")
    public = await add(bench, space, "Ours {text}.", visibility=pb.PromptValue.VISIBILITY_PUBLIC)
    with pytest.raises(NotFound):
        await bench.do("GetPromptValue", GetPromptValueRequest(id=mine.id), bench.colleague)
    assert await bench.do("GetPromptValue", GetPromptValueRequest(id=public.id), bench.colleague) == public
    assert (await judged(bench, space, bench.colleague, prompt=public.reference)).valid
    (violation,) = (await judged(bench, space, bench.colleague, prompt=mine.reference)).violations
    assert (violation.path, violation.code) == ("values.prompt", "UNKNOWN_REFERENCE")
    own = await add(bench, space, "Mine {text}.", bench.colleague)
    assert own.id != mine.id and own.reference == mine.reference
    with pytest.raises(NotPermitted):
        await add(bench, space, "Viewed {text}.", bench.viewer)
    with pytest.raises(NotFound):
        await add(bench, await pool_of(bench, "VISIBILITY_PRIVATE"), "x", bench.colleague)


async def test_a_value_is_never_changed_and_never_deleted(bench: Workbench) -> None:
    """By no role of the service."""
    space = await pool_of(bench)
    await add(bench, space, "Stays {text}.")
    for statement in ("UPDATE prompt_values SET reference = 'x'", "DELETE FROM prompt_values"):
        with pytest.raises(psycopg.Error):
            async with bench.database.system() as tx:
                await tx.execute(statement, {})


async def test_configurations_refer_to_what_is_there_and_keeps_the_rule(bench: Workbench) -> None:
    """Judged when they are validated, and when they are kept; unchanged is the default."""
    space = await pool_of(bench)
    good = await add(bench, space, "Name {text}.")
    long, bare = await add(bench, space, "{text}" + "x" * 80), await add(bench, space, "Name it.")
    answer = await judged(bench, space, prompt=good.reference)
    assert dict(answer.normalized_values) == {
        "prompt": good.reference,
        "shown": "unchanged",
        "critic": "unchanged",
        "cite": False,
    }
    found = [(await judged(bench, space, prompt=each.reference)).violations[0].code for each in (long, bare)]
    assert found == ["TOO_LARGE", "PLACEHOLDER"]
    saved = kept_pb.VariableConfiguration(name="best", variable_space_id=space.id)
    saved.values.update({"prompt": long.reference, "shown": "sha256:" + "0" * 64})
    with pytest.raises(InvalidFields) as refused:
        await bench.do(
            "CreateVariableConfiguration", rpc.CreateVariableConfigurationRequest(variable_configuration=saved)
        )
    assert {v.path for v in refused.value.violations} == {
        f"variable_configuration.values.{n}" for n in ("prompt", "shown")
    }


async def test_slots_that_a_program_lacks_are_inactive(bench: Workbench) -> None:
    """Where the slots are told."""
    space = await pool_of(bench)
    assert "critic" not in (await judged(bench, space, slots=["main"])).normalized_values
    (violation,) = (await judged(bench, space, slots=["main"], critic="unchanged")).violations
    ask = rpc.GenerateConfigurationsRequest(variable_space_id=space.id, count=3, slots=["main"])
    drawn = (await bench.do("GenerateConfigurations", ask)).configurations
    assert all(set(dict(each)) == {"prompt", "shown", "cite"} for each in drawn)
    assert violation.code == "INACTIVE" and "without the slot critic" in violation.message


async def test_draws_are_from_the_pool_as_it_was(bench: Workbench) -> None:
    """The pool's size pins it: what was added since is not drawn."""
    space = await pool_of(bench)
    ask = rpc.GenerateConfigurationsRequest(variable_space_id=space.id, count=40, seed=1)
    alone = await bench.do("GenerateConfigurations", ask)
    assert alone.pool_size == 0 and {each["prompt"] for each in alone.configurations} == {"unchanged"}
    values = [await add(bench, space, f"{number} {{text}}.") for number in range(3)]
    first = await bench.do("GenerateConfigurations", ask)
    assert first.pool_size == 3
    assert {each["prompt"] for each in first.configurations} == {"unchanged", *(each.reference for each in values)}
    await add(bench, space, "later {text}.")
    ask.pool_size = 3
    assert await bench.do("GenerateConfigurations", ask) == first
    assert space.size.open_dimensions == 3 and space.size.is_infinite
