"""The second job as the tests use it: fewer images, the demo's program and space, and fronts by brute force."""

from collections.abc import Iterable
from typing import Any

import psutil
from ashgrove.spaces import Choice, Domain, Integer
from ashgrove.values import to_plain

from demo.digits.images import DIGITS, load
from demo.digits.space import SPACE
from tests.e2e.api import Api, Refused, Setting, unique
from tests.e2e.conftest import Stack

REFERENCE = {"exact_match": 0.0, "kilobytes": 256.0}
OBJECTIVES = [
    {"metric": "exact_match", "direction": "DIRECTION_MAXIMIZE", "reference": 0},
    {"metric": "kilobytes", "direction": "DIRECTION_MINIMIZE", "reference": 256},
]
# Thousands of deep trees: preparing one takes seconds, so that whatever happens, happens in the middle of a call.
SLOW: dict[str, Domain] = {
    "model": Choice(["forest"], default="forest"),
    "trees": Integer(8000, 9000, default=8000),
    "depth": Integer(14, 16, default=16),
}
_CHILD = "services.program.code.child"


class Digits(Setting):
    """A dataset of images, the digits program and a space of one caller."""

    def __init__(self, api: Api, validation: int, space: dict[str, Domain] = SPACE) -> None:
        self.api = api
        self.validation = validation
        inputs, outputs = [{"name": "image"}], [{"name": "digit", "choices": list(DIGITS)}]
        shape = {"name": unique("digits"), "input_fields": inputs, "output_fields": outputs}
        self.dataset = api.post("/v1/datasets", shape)["id"]
        splits = load()
        examples = [{"split": "SPLIT_TRAIN", **e} for e in splits.train]
        examples += [{"split": "SPLIT_VALIDATION", **e} for e in splits.validation[:validation]]
        api.post(f"/v1/datasets/{self.dataset}/examples:batchCreate", {"examples": examples})
        program = {"name": unique("reader"), "type": "TYPE_CUSTOM"}
        program["signature_config"] = {"inputs": inputs, "outputs": outputs}
        program["program_config"] = {"entry_point": "digits-classifier@1"}
        self.program = api.post("/v1/programs", program)["id"]
        variables = [to_plain(domain.variable(name)) for name, domain in space.items()]
        self.space = api.post("/v1/variableSpaces", {"name": unique("classifiers"), "variables": variables})["id"]

    def start(self, **changes: Any) -> Any:
        """Starts a run with two objectives."""
        # The first look at registered code imports it, which may take longer than an identity token holds here.
        self.api.get("/v1/metrics")
        return super().start(**{"objectives": OBJECTIVES, "max_trials": 6, "parallelism": 4} | changes)

    def trials(self, run: str) -> list[Any]:
        """Returns the run's trials by number."""
        found: list[Any] = self.api.get(f"/v1/optimizationRuns/{run}/trials?order_by=number&page_size=1000")["trials"]
        return found

    def front(self, run: str) -> Any:
        """Returns the run's front."""
        return self.api.get(f"/v1/optimizationRuns/{run}/paretoFront")

    def status(self, trial: Any) -> str:
        """Returns where a trial's evaluation stands; nothing while the program service has not heard of it."""
        try:
            return str(self.api.get(f"/v1/evaluations/{trial['evaluation_id']}")["status"])
        except Refused as refusal:
            if refusal.code != 404:
                raise
            return ""

    def results(self, trial: Any) -> list[Any]:
        """Returns the results of a trial's evaluation."""
        path = f"/v1/evaluations/{trial['evaluation_id']}/results?page_size=1000"
        found: list[Any] = self.api.get(path)["evaluation_results"]
        return found


def brute_front(trials: Iterable[Any]) -> dict[int, dict[str, float]]:
    """Returns what the complete trials that none beats have reached, by number."""
    reached = {t["number"]: t["objectives"] for t in trials if t["status"] == "STATUS_COMPLETED"}
    return {n: o for n, o in reached.items() if not any(_beats(other, o) for other in reached.values())}


def _beats(a: dict[str, float], b: dict[str, float]) -> bool:
    nowhere_worse = a["exact_match"] >= b["exact_match"] and a["kilobytes"] <= b["kilobytes"]
    return nowhere_worse and a != b


def area(front: Iterable[dict[str, float]]) -> float:
    """Returns the area between a front of two objectives and the reference, strip by strip."""
    total, so_far = 0.0, REFERENCE["exact_match"]
    for point in sorted(front, key=lambda o: (o["kilobytes"], -o["exact_match"])):
        width = max(0.0, REFERENCE["kilobytes"] - point["kilobytes"])
        total += width * max(0.0, point["exact_match"] - so_far)
        so_far = max(so_far, point["exact_match"])
    return total


def children(stack: Stack) -> set[int]:
    """Returns the processes in which the stack runs custom code."""
    workers = [psutil.Process(stack.pid(name)) for name in ("program-worker-1", "program-worker-2")]
    found = [child for worker in workers for child in worker.children(recursive=True)]
    return {child.pid for child in found if _CHILD in " ".join(_command(child))}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
