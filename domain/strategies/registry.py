"""The strategies by name, and the version that a suggestion is replayed with."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from domain.objectives import Objective
from domain.space import Space
from domain.strategies import bootstrap_random_search, cma_es, gaussian_process
from domain.strategies.bayesian import STARTUP, estimated
from domain.strategies.bootstrap_random_search import BootstrapRandomSearch
from domain.strategies.cma_es import CmaEsStrategy
from domain.strategies.designs import LatinHypercubeStrategy, SobolStrategy
from domain.strategies.evolutionary import EvolutionaryStrategy
from domain.strategies.gaussian_process import promising
from domain.strategies.grid_search import LEVELS, GridStrategy
from domain.strategies.modelling import ModelStrategy
from domain.strategies.random import RandomStrategy
from domain.strategies.registered import RegisteredStrategy
from domain.strategies.strategy import Strategy


def _bayesian(startup_trials: int = STARTUP) -> Strategy:
    return ModelStrategy(estimated, startup_trials)


def _gaussian_process(startup_trials: int = gaussian_process.STARTUP) -> Strategy:
    return ModelStrategy(promising, startup_trials)


def _grid_search(levels: int = LEVELS, levels_of: Mapping[str, int] | None = None) -> Strategy:
    return GridStrategy(levels, levels_of or {})


_MAKERS: dict[str, Callable[..., Strategy]] = {
    "random": RandomStrategy,
    "bayesian": _bayesian,
    "bootstrap_random_search": BootstrapRandomSearch,
    "cma_es": CmaEsStrategy,
    "evolutionary": EvolutionaryStrategy,
    "gaussian_process": _gaussian_process,
    "grid_search": _grid_search,
    "latin_hypercube": LatinHypercubeStrategy,
    "sobol": SobolStrategy,
}

STRATEGIES: dict[str, Strategy] = {name: make() for name, make in _MAKERS.items()}
"""Each strategy as it is where a run says nothing more."""

REGISTERED = "registered"
_REFUSALS: dict[str, Callable[[Space, Sequence[Objective]], str]] = {
    "bootstrap_random_search": bootstrap_random_search.refusal,
    "cma_es": cma_es.refusal,
}


def strategy(name: str, options: Mapping[str, Any]) -> Strategy:
    """Return a strategy with some of its options; what is 0 or absent stays as it is.

    `registered` is whichever strategy of others its option `name` says, with `options` of its own.
    """
    if name == REGISTERED:
        return RegisteredStrategy(options["name"], options.get("options") or {})
    return _MAKERS[name](**{option: value for option, value in options.items() if value})


def refusal(name: str, space: Space, objectives: Sequence[Objective]) -> str:
    """Return why a strategy cannot search a space for these objectives; nothing when it can."""
    return _REFUSALS[name](space, objectives) if name in _REFUSALS else ""


_LIBRARIES = ("optuna", "numpy", "scipy", "cmaes")
SAMPLER_VERSION = " ".join(["ashgrove-6", *(f"{each}-{version(each)}" for each in _LIBRARIES)])
"""What must be the same for a stored suggestion to be replayed: raise the first part when a draw changes."""
