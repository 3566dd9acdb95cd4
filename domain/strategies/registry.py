"""The strategies by name, and the version that a suggestion is replayed with."""

from importlib.metadata import version

from domain.strategies.bayesian import STARTUP, estimated
from domain.strategies.cma_es import CmaEsStrategy
from domain.strategies.designs import LatinHypercubeStrategy, SobolStrategy
from domain.strategies.evolutionary import EvolutionaryStrategy
from domain.strategies.gaussian_process import STARTUP as FEW
from domain.strategies.gaussian_process import promising
from domain.strategies.grid_search import GridStrategy
from domain.strategies.modelling import ModelStrategy
from domain.strategies.random import RandomStrategy
from domain.strategies.strategy import Strategy

STRATEGIES: dict[str, Strategy] = {
    "random": RandomStrategy(),
    "bayesian": ModelStrategy(estimated, STARTUP),
    "cma_es": CmaEsStrategy(),
    "evolutionary": EvolutionaryStrategy(),
    "gaussian_process": ModelStrategy(promising, FEW),
    "grid_search": GridStrategy(),
    "sobol": SobolStrategy(),
    "latin_hypercube": LatinHypercubeStrategy(),
}

_LIBRARIES = ("optuna", "numpy", "scipy", "cmaes")
SAMPLER_VERSION = " ".join(["ashgrove-3", *(f"{each}-{version(each)}" for each in _LIBRARIES)])
"""What must be the same for a stored suggestion to be replayed: raise the first part when a draw changes."""
