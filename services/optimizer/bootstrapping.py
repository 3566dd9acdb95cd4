"""Bootstrapping: before the first trial the program answers its training split, and good answers become demonstrations.

The sets that are drawn go into the space's pool of prompt values, so that trials refer to them as to any other and
whoever reads the run can read them; the run keeps their references. So what was found is found once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ashgrove.optimizer.v1.bootstrap_pb2 import BootstrapResult
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.dataset_pb2 import SPLIT_TRAIN
from ashgrove.program.v1.execution_pb2 import EvaluationResult
from ashgrove.variables.v1.prompt_value_pb2 import PromptValue as Kept
from ashgrove.variables.v1.prompt_value_requests_pb2 import AddPromptValueRequest

from domain.bootstrapping import MOST_SETS, Demonstration, demonstration_sets, fitting_values, teaching
from domain.objectives import Objective
from domain.prompt_values import PromptValue
from domain.space import DemoSetVariable, Space
from domain.strategies.bootstrap_random_search import BootstrapRandomSearch, base_of, searched
from framework.errors import Failure, GrantLost
from framework.failpoints import Failpoint
from framework.plain import made
from framework.structs import struct_of, values_of
from services.optimizer.asides import Aside, Asides
from services.optimizer.asking import asking
from services.optimizer.objectives import objectives_of
from services.optimizer.paired import Row, scored
from services.optimizer.prompts import SLOT, parameters
from services.optimizer.spending import Usage
from services.optimizer.strategies import strategy_of
from services.optimizer.training import Training

STRATEGY = "STRATEGY_BOOTSTRAP_RANDOM_SEARCH"
KEPT = Failpoint("run.bootstrapped", "sets of demonstrations are in the pool, and their run does not name them")
_TRIES = 4
"""How many sets are drawn for each that is wanted: the same may be drawn twice."""


class Fruitless(Exception):  # noqa: N818 - what happened
    """Why there is nothing that could be shown, in words fit for the caller."""

    def __init__(self, words: str, error_class: str = "ERROR_CLASS_UNSPECIFIED") -> None:
        super().__init__(words)
        self.words = words
        self.error_class = error_class


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
        revision = _revision(space, self.run)
        training = Training(self.application, self.run, revision)
        labeled = await training.first()
        if not labeled:
            told = f"the dataset has no training examples at revision {revision}, which run and variable allow"
            raise Fruitless(told)
        shown = teaching(labeled, self.run["seed"], search.max_demonstrations)
        ended = await self._answered(space, shown, search)
        traces = await self._traces(training, labeled, shown, ended.results)
        values = {each.reference: each for each in islice(self._sets(space, traces, labeled, search), wanted)}
        if not values:
            raise Fruitless("no set of demonstrations fits the variable's rule: raise its token_limit")
        for each in values.values():
            await self._keep(each)
        KEPT()
        if list(values) != self.run["demonstration_sets"]:
            result = self._result(ended, len(shown), len(traces), len(values))
            await self.asides.ledger.bootstrapped(result, list(values))
        return values

    def _sets(
        self,
        space: Space,
        traces: Sequence[Demonstration],
        labeled: Sequence[Demonstration],
        search: BootstrapRandomSearch,
    ) -> Iterator[PromptValue]:
        """Yields different sets, as many as are found."""
        variables = shown_at(space)
        most = min(search.max_demonstrations, max(each.max_demonstrations for each in variables))
        drawn = demonstration_sets(traces, labeled, self.run["seed"], most, search.max_bootstrapped)
        dataset = {"dataset_id": str(self.run["dataset_id"]), "dataset_revision": _revision(space, self.run)}
        return fitting_values(variables, islice(drawn, MOST_SETS * _TRIES), {**dataset, "split": "train"})

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

    async def _traces(
        self,
        training: Training,
        labeled: Sequence[Demonstration],
        shown: Sequence[Demonstration],
        results: Sequence[EvaluationResult],
    ) -> list[Demonstration]:
        """Returns what was answered well, with its reasons; not what was shown meanwhile: no example teaches itself."""
        accepts, taught = self._accepts(_search_of(self.run)), {each["example_id"] for each in shown}
        good = {each.example_id: each for each in results if each.example_id not in taught and accepts(each)}
        asked = {each["example_id"]: each["inputs"] for each in labeled}
        beyond = await training.named([each for each in good if each not in asked])
        asked |= {each["example_id"]: each["inputs"] for each in beyond}
        return [
            {"example_id": each, "inputs": asked[each], "outputs": values_of(result.outputs)}
            for each, result in good.items()
            if each in asked
        ]

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
