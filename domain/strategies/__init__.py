"""Strategies: how the next configuration is chosen from what was tried."""

from domain.strategies.registry import SAMPLER_VERSION, STRATEGIES
from domain.strategies.strategy import Observation, Strategy

__all__ = ["SAMPLER_VERSION", "STRATEGIES", "Observation", "Strategy"]
