"""Demonstrations are bootstrapped from what a model answers well: one that answers by what it is shown."""

import re
from pathlib import Path
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import ExtendOptimizationRunRequest
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits
from ashgrove.optimizer.v1.run_report_pb2 import GetRunReportRequest
from ashgrove.program.v1 import dataset_pb2, execution_pb2, program_pb2
from ashgrove.program.v1 import dataset_requests_pb2 as dataset_rpc
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from ashgrove.variables.v1.prompt_value_requests_pb2 import ListPromptValuesRequest

from framework.call import Actor
from framework.identifiers import new_id
from framework.structs import values_of
from framework.testing.waiting import until
from services.optimizer import training
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_failing_models import asking, connect, kinds
from tests.integration.optimizer.test_pausing import act, has, trials
from tests.integration.optimizer.test_runs_over_prompts import space_of
from tests.models import ModelServer, Say, model_server

Run = run_pb.OptimizationRun
TRAIN, VALIDATION = 12, 3
HEAT = {"name": "temperature", "float": {"low": 0, "high": 1}, "default": 0.25}


def asked(request: dict[str, Any]) -> tuple[str, set[str], set[str]]:
    """Returns the text that a request asks about, the texts that it shows, and those that it shows with a reason."""
    *before, last = request["messages"]
    shown: set[str] = set()
    reasoned: set[str] = set()
    for turn in before:
        found = re.findall(r"(?:train|validation) \d+", str(turn["content"]))
        if turn["role"] == "user":
            shown.update(found)
        elif turn["role"] == "assistant":
            reasoned.update(found)
    (text,) = set(re.findall(r"(?:train|validation) \d+", str(last["content"])))
    return text, shown, reasoned


def answers(request: dict[str, Any]) -> Say:
    """Of training texts every second is right; others are, once a prompt shows the reason of a right one."""
    text, _, reasoned = asked(request)
    split, number = text.split()
    is_right = int(number) % 2 == 0 if split == "train" else bool(reasoned)
    said = f"[[ ## reasoning ## ]]\nBecause of {text}.\n\n[[ ## language ## ]]\n{'sv' if is_right else 'fi'}"
    return Say(f"{said}\n\n[[ ## completed ## ]]")


async def dataset_of(around: Neighbourhood, user: Any) -> dataset_pb2.Dataset:
    """Creates a dataset with training and validation examples."""
    made = dataset_pb2.Dataset(name=f"texts {new_id()}")
    made.input_fields.add(name="text")
    made.output_fields.add(name="language")
    created = await around.do(user, "CreateDataset", dataset_rpc.CreateDatasetRequest(dataset=made), "program")
    request = dataset_rpc.BatchCreateExamplesRequest(dataset_id=created.id)
    for name, split, count in (("train", "SPLIT_TRAIN", TRAIN), ("validation", "SPLIT_VALIDATION", VALIDATION)):
        for number in range(count):
            example = request.examples.add(split=dataset_pb2.Split.Value(split))
            example.inputs.update({"text": f"{name} {number}"})
            example.outputs.update({"language": "sv"})
    return (await around.do(user, "BatchCreateExamples", request, "program")).dataset  # type: ignore[no-any-return]


async def wanted(around: Neighbourhood, user: Any, **fields: Any) -> Run:
    """Returns a run over sets of demonstrations for a chain of thought that could start."""
    around.let_variables_ask()
    program = program_pb2.Program(name=f"languages {new_id()}", type=program_pb2.Program.TYPE_CHAIN_OF_THOUGHT)
    program.signature_config.inputs.add(name="text")
    program.signature_config.outputs.add(name="language")
    program.program_config.model = "only"
    made = await around.do(user, "CreateProgram", CreateProgramRequest(program=program), "program")
    dataset = await dataset_of(around, user)
    demos = {"slot": "main", "dataset_id": dataset.id, "dataset_revision": dataset.revision, "max_demonstrations": 3}
    space = await space_of(around, user, HEAT, {"name": "shown", "demo_set": demos})
    usual: dict[str, Any] = {
        "program_id": made.id,
        "dataset_id": dataset.id,
        "variable_space_id": space.id,
        "strategy": Run.STRATEGY_BOOTSTRAP_RANDOM_SEARCH,
        "strategy_configuration": {"bootstrap_random_search": {"max_bootstrapped": 2, "max_demonstrations": 4}},
        "objectives": [run_pb.Objective(metric="exact_match")],
        "max_trials": 4,
        "seed": 1,
        "ablation": Run.ABLATION_OFF,
    }
    return await around.wanted(user, **(usual | fields))


async def sets_of(around: Neighbourhood, user: Any, run: Run) -> dict[str, list[Any]]:
    """Returns the demonstrations that a run has found, by reference."""
    request = ListPromptValuesRequest(filter=f'optimization_run_id = "{run.id}"', order_by="id", page_size=100)
    kept = (await around.do(user, "ListPromptValues", request, "variables")).prompt_values
    return {each.reference: values_of(each.content)["demonstrations"] for each in kept}  # type: ignore[misc]


def calls(models: ModelServer) -> dict[str, int]:
    """Returns how often a model was asked about texts of each split."""
    texts = [asked(each)[0].split()[0] for each in models.requests]
    return {split: texts.count(split) for split in ("train", "validation")}


async def completed(around: Neighbourhood, user: Actor, tmp_path: Path) -> tuple[Run, ModelServer]:
    """Returns a run that somebody started and that has come to its end, and the server of its models."""
    async with model_server(otherwise=answers) as models, asking(around, tmp_path):
        await connect(around, only=models)
        run = await around.start(user, await wanted(around, user))
        await has(around, user, run, Run.STATUS_COMPLETED)
    return await act(around, user, "Get", run), models


async def test_what_is_answered_well_is_shown_and_the_best_set_wins(around: Neighbourhood, tmp_path: Path) -> None:
    """By the reasons of good answers, never of what was shown meanwhile; trials refer to sets in the space's pool."""
    user = await around.person()
    run, models = await completed(around, user, tmp_path)
    found, tried = run.bootstrap_result, await trials(around, user, run)
    taught = {text for each in models.requests if asked(each)[0].startswith("train") for text in asked(each)[1]}
    good = {f"train {n}" for n in range(0, TRAIN, 2)} - taught
    assert (found.example_count, found.shown_count, found.accepted_count) == (TRAIN, len(taught), len(good))
    assert len(taught) == 4 and found.tokens == TRAIN * 18 and not found.error
    assert calls(models) == {"train": TRAIN, "validation": len(tried) * VALIDATION}
    sets = await sets_of(around, user, run)
    assert [t.configuration["shown"] for t in tried] == ["unchanged", *sets] and len(sets) == found.set_count == 3
    assert {t.configuration["temperature"] for t in tried} == {0.25}
    for shown in sets.values():
        own = {each["inputs"]["text"] for each in shown if "reasoning" in each["outputs"]}
        assert own <= good and len(own) <= 2 and len(shown) <= 3
    works = {reference for reference, shown in sets.items() if any("reasoning" in one["outputs"] for one in shown)}
    assert 0 < len(works) < len(sets), "one set has labeled examples alone"
    assert {t.configuration["shown"] for t in tried if t.objectives["exact_match"]} == works
    assert run.best_configuration["shown"] in works and run.best_objectives["exact_match"] == 1.0
    assert run.strategy_configuration.bootstrap_random_search.accept == 1.0
    told = await kinds(around, run)
    assert told.count(RunEvent.TYPE_BOOTSTRAPPED) == 1 < told.index(RunEvent.TYPE_TRIAL_STARTED)
    report = await around.do(user, "GetRunReport", GetRunReportRequest(id=run.id))
    assert {each.what: each.metric_calls for each in report.usage}["bootstrap"] == TRAIN
    assert any("Because of train" in str(each.after) for each in report.changes)


async def test_a_takeover_in_the_middle_pays_for_no_answer_twice(around: Neighbourhood, tmp_path: Path) -> None:
    """Answers that are kept are read; no more count than are enough, and another worker finds the sets."""
    user = await around.person()
    options = {"max_bootstrapped": 1, "max_demonstrations": 1, "traces": 3}
    async with model_server(otherwise=answers) as models:
        async with asking(around, tmp_path, at_once=1):
            await connect(around, only=models)
            models.otherwise = lambda request: Say(answers(request).text, latency=30 if len(models.requests) > 3 else 0)
            run = await around.start(
                user,
                await wanted(around, user, max_trials=3, strategy_configuration={"bootstrap_random_search": options}),
            )
            await until(lambda: _answered(models, 4))
        models.otherwise = answers
        async with asking(around, tmp_path, at_once=1):
            await until(lambda: _tried(around, user, run))
        async with asking(around, tmp_path, at_once=1):
            await has(around, user, run, Run.STATUS_COMPLETED)
    run = await act(around, user, "Get", run)
    assert run.bootstrap_result.accepted_count == 3 and run.completed_trials == 3
    assert (await kinds(around, run)).count(RunEvent.TYPE_BOOTSTRAPPED) == 1
    # What was under way when a worker was stopped is asked again.
    texts = [asked(each)[0] for each in models.requests]
    torn = sum(texts.count(text) - 1 for text in set(texts) if text.startswith("train"))
    assert torn <= 2 and run.bootstrap_result.example_count <= calls(models)["train"] - torn <= TRAIN


async def _answered(models: ModelServer, count: int) -> bool:
    return len(models.requests) >= count


async def _tried(around: Neighbourhood, user: Any, run: Run) -> bool:
    return bool(await trials(around, user, run))


async def test_bootstrapping_keeps_within_the_limits_and_goes_on_when_they_are_raised(
    around: Neighbourhood, tmp_path: Path
) -> None:
    """A run without anything to show has failed, and says by what; extended it begins again."""
    user = await around.person()
    async with model_server(otherwise=answers) as models, asking(around, tmp_path):
        await connect(around, only=models)
        asked_for = await wanted(around, user, max_trials=2, limits=RunLimits(metric_calls=5))
        run = await around.start(user, asked_for)
        await has(around, user, run, Run.STATUS_FAILED)
        failed = await act(around, user, "Get", run)
        assert "limit of metric calls was reached before demonstrations were bootstrapped" in failed.error
        assert failed.error_class == execution_pb2.ERROR_CLASS_BUDGET and len(models.requests) <= 5 + 4
        request = ExtendOptimizationRunRequest(id=run.id, limits=RunLimits(metric_calls=100))
        await around.do(user, "ExtendOptimizationRun", request)
        await has(around, user, run, Run.STATUS_COMPLETED)
    run = await act(around, user, "Get", run)
    assert run.bootstrap_result.example_count == TRAIN and run.completed_trials == 2


async def test_what_stalls_is_left_as_soon_as_there_is_enough(around: Neighbourhood, tmp_path: Path) -> None:
    """The model answers one text well that it was not shown, and takes longer for all others than the test has."""
    user = await around.person()
    good: set[str] = set()

    def stalls(request: dict[str, Any]) -> Say:
        text, shown, _ = asked(request)
        is_late = text.startswith("train") and bool(good - shown)
        good.update({text} if int(text.split()[1]) % 2 == 0 else ())
        return Say(answers(request).text, latency=300 if is_late else 0)

    options = {"max_bootstrapped": 1, "max_demonstrations": 1, "traces": 1}
    async with model_server(otherwise=stalls) as models, asking(around, tmp_path, at_once=2):
        await connect(around, only=models)
        wish = await wanted(around, user, max_trials=2, strategy_configuration={"bootstrap_random_search": options})
        run = await around.start(user, wish)
        await has(around, user, run, Run.STATUS_COMPLETED)
    run = await act(around, user, "Get", run)
    assert run.bootstrap_result.accepted_count == 1 and run.completed_trials == 2


async def test_of_a_long_training_split_the_beginning_is_shown_as_it_is(
    around: Neighbourhood, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is answered well is read wherever it stands: the split may be longer than what a worker can hold."""
    monkeypatch.setattr(training, "MOST_LABELED", 4)
    user = await around.person()
    run, _ = await completed(around, user, tmp_path)
    assert (run.bootstrap_result.example_count, run.bootstrap_result.shown_count) == (TRAIN, 2)
    shown = [each for one in (await sets_of(around, user, run)).values() for each in one]
    plain = {each["inputs"]["text"] for each in shown if "reasoning" not in each["outputs"]}
    own = {each["inputs"]["text"] for each in shown if "reasoning" in each["outputs"]}
    assert plain <= {f"train {n}" for n in range(4)} and own - {f"train {n}" for n in range(4)}


async def test_what_is_read_to_be_shown_is_bounded(around: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    """In examples and in bytes, by the page; rows may be long, and only those up to the revision are there."""
    user = await around.person()
    asked_for = await wanted(around, user)
    run = await around.start(user, asked_for)
    request = dataset_rpc.BatchCreateExamplesRequest(dataset_id=asked_for.dataset_id)
    for number in range(3):
        example = request.examples.add(split=dataset_pb2.SPLIT_TRAIN)
        example.inputs.update({"text": f"{number} {'long ' * 200_000}"})
        example.outputs.update({"language": "sv"})
    grown = [(await around.do(user, "BatchCreateExamples", request, "program")) for _ in range(2)]
    row = {"program_id": run.program_id, "program_revision": run.program_revision, "dataset_id": run.dataset_id}
    row["grant_id"] = (await around.grants())[-1]["id"]

    def training_to(revision: int) -> training.Training:
        return training.Training(around.peers, row, revision)

    every = await training_to(grown[-1].dataset.revision).first()
    assert [each["example_id"] for each in every[TRAIN:]] == [each.id for one in grown for each in one.examples]
    assert len(every) == TRAIN + 6 and every[0]["outputs"] == {"language": "sv"}
    before = training_to(asked_for.dataset_revision or run.dataset_revision)
    assert await before.first() == every[:TRAIN]
    assert await before.named([every[-1]["example_id"], *(each["example_id"] for each in every[2:0:-1])]) == every[1:3]
    assert await before.named([]) == []
    monkeypatch.setattr(training, "_PAGE", 2)
    monkeypatch.setattr(training, "MOST_LABELED", 5)
    assert await before.first() == every[:5]
    monkeypatch.setattr(training, "MOST_BYTES", 1)
    assert await before.first() == every[:2]
