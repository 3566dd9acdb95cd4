"""Importance: which variables matter for what trials reached, how sure that is, and where good values lie."""

from domain.importance.analysis import (
    INTERVAL,
    CurvePoint,
    Effect,
    Estimate,
    Importance,
    Interaction,
    Method,
    TooFew,
    importance,
    least_trials,
)

__all__ = [
    "INTERVAL",
    "CurvePoint",
    "Effect",
    "Estimate",
    "Importance",
    "Interaction",
    "Method",
    "TooFew",
    "importance",
    "least_trials",
]
