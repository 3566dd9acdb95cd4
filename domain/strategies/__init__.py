"""Strategies: how the next configuration is chosen from what was tried."""

from domain.strategies.registry import SAMPLER_VERSION, STRATEGIES, refusal, strategy
from domain.strategies.strategy import Exhausted, Observation, Question, Strategy

__all__ = ["SAMPLER_VERSION", "STRATEGIES", "Exhausted", "Observation", "Question", "Strategy", "refusal", "strategy"]
