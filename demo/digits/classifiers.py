"""The classifiers that the second job chooses among: preprocessing, family and hyper-parameters, all plain values."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from demo.digits.images import Pixels

_SEED = 0


@dataclass(frozen=True)
class Settings:
    """What a configuration may choose, and what holds where it chooses nothing."""

    model: str = "logistic"
    preprocessing: str = "none"
    components: int = 16
    """How many principal components are kept, with `pca`."""
    examples: int = 600
    """How many of the training images it learns from."""
    c: float = 1.0
    """The inverse of the penalty, of `logistic` and `svc`."""
    gamma: float = 0.05
    """How quickly two images stop being neighbours, with `svc`."""
    depth: int = 8
    """How deep trees grow, of `tree` and `forest`."""
    trees: int = 8
    """How many there are, in `forest`."""
    neighbors: int = 3
    """How many vote, with `neighbors`."""
    units: int = 16
    """How many hidden units `mlp` has."""

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Settings":
        """Returns the settings of a configuration; raises ValueError for a name that means nothing here."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(parameters) - set(known)):
            raise ValueError(f"no such parameter: {', '.join(unknown)}; there are {', '.join(known)}")
        return cls(**parameters)


_PREPROCESSING: dict[str, Callable[[Settings], list[Any]]] = {
    "none": lambda _: [],
    "standard": lambda _: [StandardScaler()],
    "pca": lambda s: [PCA(s.components, random_state=_SEED)],
}
_MODELS: dict[str, Callable[[Settings], Any]] = {
    "logistic": lambda s: LogisticRegression(C=s.c, max_iter=100),
    "tree": lambda s: DecisionTreeClassifier(max_depth=s.depth, random_state=_SEED),
    "forest": lambda s: RandomForestClassifier(s.trees, max_depth=s.depth, random_state=_SEED),
    "neighbors": lambda s: KNeighborsClassifier(s.neighbors, algorithm="brute"),
    "svc": lambda s: SVC(C=s.c, gamma=s.gamma),
    "mlp": lambda s: MLPClassifier((s.units,), solver="lbfgs", max_iter=50, random_state=_SEED),
}
PREPROCESSING = tuple(_PREPROCESSING)
MODELS = tuple(_MODELS)


def fitted(settings: Settings, images: Pixels, digits: list[str]) -> Pipeline:
    """Returns a classifier that has learned from the first `examples` images; the same images give the same one."""
    steps = _chosen(_PREPROCESSING, "preprocessing", settings.preprocessing)(settings)
    model = _chosen(_MODELS, "model", settings.model)(settings)
    with warnings.catch_warnings():
        # Stopping early is part of the choice: the scores say whether it was a good one.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(*steps, model).fit(images[: settings.examples], digits[: settings.examples])


def _chosen(choices: Mapping[str, Any], name: str, value: str) -> Any:
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(choices)}, not {value!r}")
    return choices[value]
