"""What the second job may choose; each default is the program's own."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ashgrove.spaces import Choice, Domain, Float, Integer

from demo.digits.classifiers import MODELS, PREPROCESSING, Settings

_DEFAULTS = asdict(Settings())


def _of(kind: type[Any], name: str, *range_or_choices: Any, **scale: bool) -> Domain:
    domain: Domain = kind(*range_or_choices, default=_DEFAULTS[name], **scale)
    return domain


SPACE: dict[str, Domain] = {
    "model": _of(Choice, "model", MODELS),
    "preprocessing": _of(Choice, "preprocessing", PREPROCESSING),
    "components": _of(Integer, "components", 4, 32, log=True),
    "examples": _of(Integer, "examples", 150, 600, log=True),
    "c": _of(Float, "c", 0.3, 30.0, log=True),
    "gamma": _of(Float, "gamma", 0.01, 0.2, log=True),
    "depth": _of(Integer, "depth", 4, 12),
    "trees": _of(Integer, "trees", 2, 32, log=True),
    "neighbors": _of(Integer, "neighbors", 1, 7),
    "units": _of(Integer, "units", 4, 64, log=True),
}
_MATTERS = {
    "logistic": ["c"],
    "tree": ["depth"],
    "forest": ["trees", "depth"],
    "neighbors": ["neighbors"],
    "svc": ["c", "gamma"],
    "mlp": ["units"],
}


def described(configuration: Mapping[str, Any]) -> str:
    """Returns a configuration in a few words: the choices that matter for its model, and no others."""
    chosen = _DEFAULTS | dict(configuration)
    before = {"none": "", "standard": "standardised, ", "pca": f"pca {chosen['components']}, "}[chosen["preprocessing"]]
    tuned = ", ".join(f"{name} {chosen[name]:.3g}" for name in _MATTERS[chosen["model"]])
    return f"{before}{chosen['model']} ({tuned}), {chosen['examples']} images"
