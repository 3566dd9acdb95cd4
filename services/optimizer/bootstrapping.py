"""Bootstrapping: before the first trial the program answers its training split, and good answers become demonstrations.

The sets that are drawn go into the space's pool of prompt values, so that trials refer to them as to any other and
whoever reads the run can read them; the run keeps their references. So what was found is found once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ashgrove.optimizer.v1.bootstrap_pb2 import BootstrapResult
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.dataset_pb2 import SPLIT_TRAIN, Example
from ashgrove.program.v1.dataset_requests_pb2 import ListExamplesRequest
from ashgrove.program.v1.execution_pb2 import EvaluationResult
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest
from ashgrove.variables.v1.prompt_value_pb2 import PromptValue as Kept
from ashgrove.variables.v1.prompt_value_requests_pb2 import AddPromptValueRequest

from domain.bootstrapping import MOST_SETS, Demonstration, demonstration_sets, teaching
from domain.objectives import Objective
from domain.prompt_values import PromptValue
from domain.space import DemoSetVariable, Space
from domain.strategies.bootstrap_random_search import BootstrapRandomSearch, base_of, searched
from domain.values import Json
from framework.errors import Failure, GrantLost
from framework.failpoints import Failpoint
from framework.plain import made
from framework.structs import struct_of, values_of
from services.optimizer.asides import Aside, Asides
from services.optimizer.evaluating import asking
from services.optimizer.objectives import objectives_of
from services.optimizer.paired import Row, scored
from services.optimizer.prompts import SLOT, parameters
from services.optimizer.spending import Usage
from services.optimizer.strategies import strategy_of

STRATEGY = "STRATEGY_BOOTSTRAP_RANDOM_SEARCH"
KEPT = Failpoint("run.bootstrapped", "sets of demonstrations are in the pool, and their run does not name them")
_TRIES = 4
"""How many sets are drawn for each that is wanted: the same may be drawn twice."""
_PAGE = 1000


class Fruitless(Exception):  # noqa: N818 - what happened
    """Why there is nothing that could be shown, in words fit for the caller."""

    def __init__(self, words: str, error_class: str = "ERROR_CLASS_UNSPECIFIED") -> None:
        super().__init__(words)
        self.words = words
        self.error_class = error_class


@dataclass(frozen=True)
class _Material:
    """What sets are drawn from: good answers in the order in which they came, and examples as they are."""

    traces: Sequence[Demonstration]
    labeled: Sequence[Demonstration]


class Bootstrapping:
    """The bootstrapping of one run; taken up again after a takeover, it pays for no answer twice."""

    def __init__(self, asides: Asides) -> None:
        self.asides = asides
        self.run = asides.run
        self.application = asides.application

    @property
    def is_wanted(self) -> bool:
        """Whether the run's strategy shows what it has bootstrapped."""
        return bool(self.run["strategy"] == STRATEGY)

    async def offered(self, space: Space) -> Space:
        """Returns the space with the sets that the run's trials choose from, before what else its pool has.

        Raises Fruitless where there is nothing to show, GrantLost as trials do.
        """
        pool = dict(space.prompts[0].pool or {})
        known: Sequence[str] = self.run["demonstration_sets"] or ()
        wanted = min(max(self.run["max_trials"] - 1, 1), MOST_SETS)
        drawn: dict[str, PromptValue] = {}
        # A run that was extended may want more of them: they follow from the same answers.
        if len(known) < wanted:
            try:
                drawn = await self._drawn(space, wanted)
            except Fruitless:
                if not known:
                    raise
        if not drawn:
            self._charged(made(BootstrapResult, self.run["bootstrap_result"]))
        pool |= drawn
        return space.offering({reference: pool[reference] for reference in list(drawn) or known} | pool)

    async def _drawn(self, space: Space, wanted: int) -> dict[str, PromptValue]:
        """Draws sets, and keeps them in the pool before the run names them."""
        if self.run["demonstration_sets"] is None:
            await self.asides.ledger.say(RunEvent.TYPE_BOOTSTRAP_STARTED)
        search = _search_of(self.run)
        labeled = await self._labeled(space)
        shown = teaching(labeled, self.run["seed"], search.max_demonstrations)
        ended = await self._answered(space, shown, search)
        material = _Material(_traces(ended.results, labeled, shown, self._accepts(search)), labeled)
        values = dict(islice(_sets(space, material, search, self.run), wanted))
        if not values:
            raise Fruitless("no set of demonstrations fits the variable's rule: raise its token_limit")
        for each in values.values():
            await self._keep(each)
        KEPT()
        if list(values) != self.run["demonstration_sets"]:
            result = self._result(ended, len(shown), len(material.traces), len(values))
            await self.asides.ledger.bootstrapped(result, list(values))
        return values

    async def _answered(self, space: Space, shown: Sequence[Demonstration], search: BootstrapRandomSearch) -> Aside:
        """Returns what the program answered to the training split, with some of it shown, until there is enough."""
        teacher = parameters(space, base_of(space, self.run["seed"]))
        wanted = self.asides.wanted("bootstrap", {**teacher, "demonstrations": [dict(each) for each in shown]})
        taught, accepts, good = {each["example_id"] for each in shown}, self._accepts(search), 0

        def enough(results: Sequence[EvaluationResult]) -> bool:
            nonlocal good
            good += results[-1].example_id not in taught and accepts(results[-1])
            return good >= search.traces

        async for ended in self.asides.evaluated([wanted], SPLIT_TRAIN, enough):
            if ended.outcome.error_class != "ERROR_CLASS_BUDGET":
                return ended
        raise Fruitless(self.asides.spent("demonstrations were bootstrapped"), "ERROR_CLASS_BUDGET")

    def _accepts(self, search: BootstrapRandomSearch) -> "_Accepts":
        return _Accepts(objectives_of(self.run)[0], search.accept)

    async def _labeled(self, space: Space) -> list[Demonstration]:
        """Returns the training examples as demonstrations, in their order; raises Fruitless where there are none."""
        asked = GetProgramRequest(id=str(self.run["program_id"]), revision=self.run["program_revision"])
        program = await asking(
            self.application,
            self.run,
            "program",
            lambda caller: self.application.program.GetProgram(asked, metadata=caller),
        )
        revision = _revision(space, self.run)
        examples = [_labeled(program, each) async for page in self._pages(revision) for each in page]
        if not examples:
            raise Fruitless(
                f"the dataset has no training examples at revision {revision}, which run and variable allow"
            )
        return examples

    async def _pages(self, revision: int) -> Any:
        request = ListExamplesRequest(
            dataset_id=str(self.run["dataset_id"]),
            filter=f"split = SPLIT_TRAIN AND revision <= {revision}",
            order_by="position",
            page_size=_PAGE,
        )
        request.read_mask.paths.extend(("id", "inputs", "outputs"))
        while True:
            page = await asking(
                self.application,
                self.run,
                "program",
                lambda caller: self.application.program.ListExamples(request, metadata=caller),
            )
            yield page.examples
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _keep(self, value: PromptValue) -> None:
        """Puts a value into the pool, where it may be already; raises Fruitless where that is refused."""
        kept = Kept(
            variable_space_id=str(self.run["variable_space_id"]),
            kind=Kept.KIND_DEMO_SET,
            content=struct_of(value.content),
            optimization_run_id=str(self.run["id"]),
            provenance=struct_of({"strategy": "bootstrap_random_search", "seed": str(self.run["seed"])}),
        )
        request = AddPromptValueRequest(prompt_value=kept)
        try:
            await asking(
                self.application,
                self.run,
                "variables",
                lambda caller: self.application.variables.AddPromptValue(request, metadata=caller),
            )
        except GrantLost:
            raise
        except Failure as refused:
            raise Fruitless(f"the pool of the space takes no demonstrations: {refused.message}") from refused

    def _result(self, ended: Aside, shown: int, accepted: int, sets: int) -> BootstrapResult:
        usage = self.asides.ledger.spending.of(ended.id)
        return BootstrapResult(
            evaluation_id=ended.id,
            example_count=len(ended.results),
            shown_count=shown,
            accepted_count=accepted,
            set_count=sets,
            tokens=usage.tokens,
            cost_micros=usage.cost_micros,
            error=ended.outcome.error,
        )

    def _charged(self, result: BootstrapResult) -> None:
        """Notes what was used before another worker took the run: it counts against the limits."""
        usage = Usage(result.example_count, result.tokens, result.cost_micros)
        self.asides.ledger.spending.note("bootstrap", usage)


@dataclass(frozen=True)
class _Accepts:
    """Tells whether an example was answered well enough for its answer to be shown."""

    objective: Objective
    least: float

    def __call__(self, result: EvaluationResult) -> bool:
        """Tells it of one; a failure was not answered."""
        value = scored([result]).get(result.example_id, {}).get(self.objective.name)
        return value is not None and not self.objective.better(self.least, value)


def _search_of(run: Row) -> BootstrapRandomSearch:
    search = strategy_of(run)
    assert isinstance(search, BootstrapRandomSearch)
    return search


def shown_at(space: Space) -> list[DemoSetVariable]:
    """Returns the variables of the slot at which a run can show something."""
    return [each for each in searched(space) if each.slot == SLOT]


def _revision(space: Space, run: Row) -> int:
    """Returns up to which revision of the dataset examples may be shown."""
    return min(int(run["dataset_revision"]), max(each.dataset_revision for each in shown_at(space)))


def _labeled(program: Program, example: Example) -> Demonstration:
    """Returns an example as a demonstration of what the program takes and gives: what else it holds is not shown."""
    sides = {"inputs": program.signature_config.inputs, "outputs": program.signature_config.outputs}
    shown: dict[str, Json] = {"example_id": example.id}
    for side, fields in sides.items():
        values = values_of(getattr(example, side))
        shown[side] = {each.name: values[each.name] for each in fields if each.name in values}
    return shown


def _traces(
    results: Sequence[EvaluationResult],
    labeled: Sequence[Demonstration],
    shown: Sequence[Demonstration],
    accepts: _Accepts,
) -> list[Demonstration]:
    """Returns what was answered well, with how it was reasoned; not what was shown meanwhile: none teaches itself."""
    asked = {each["example_id"]: each["inputs"] for each in labeled}
    taught = {each["example_id"] for each in shown}
    return [
        {"example_id": each.example_id, "inputs": asked[each.example_id], "outputs": values_of(each.outputs)}
        for each in results
        if each.example_id in asked and each.example_id not in taught and accepts(each)
    ]


def _sets(
    space: Space, material: _Material, search: BootstrapRandomSearch, run: Mapping[str, Any]
) -> Iterator[tuple[str, PromptValue]]:
    """Yields different sets by reference, as many as are found, each such that a variable of the space takes it."""
    variables = shown_at(space)
    seen = set[str]()
    most = min(search.max_demonstrations, max(each.max_demonstrations for each in variables))
    drawn = demonstration_sets(material.traces, material.labeled, run["seed"], most, search.max_bootstrapped)
    for shown in islice(drawn, MOST_SETS * _TRIES):
        value = _fitting(variables, shown, run, _revision(space, run))
        if value is not None and value.reference not in seen:
            seen.add(value.reference)
            yield value.reference, value


def _fitting(
    variables: Sequence[DemoSetVariable], shown: Sequence[Demonstration], run: Mapping[str, Any], revision: int
) -> PromptValue | None:
    """Returns what is shown as a value, without as many of its last ones as keep a rule from being broken."""
    content = {"dataset_id": str(run["dataset_id"]), "dataset_revision": revision, "split": "train"}
    for size in range(len(shown), 0, -1):
        value = PromptValue.of("demo_set", {**content, "demonstrations": [dict(each) for each in shown[:size]]})
        if any(not each.breaks(value) for each in variables):
            return value
    return None
