"""The strategies by name, and the version that a suggestion is replayed with."""

from importlib.metadata import version

from domain.strategies.bayesian import BayesianStrategy
from domain.strategies.random import RandomStrategy
from domain.strategies.strategy import Strategy

STRATEGIES: dict[str, Strategy] = {"random": RandomStrategy(), "bayesian": BayesianStrategy()}

SAMPLER_VERSION = f"ashgrove-1 optuna-{version('optuna')} numpy-{version('numpy')}"
"""What must be the same for a stored suggestion to be replayed: raise the first part when a draw changes."""
