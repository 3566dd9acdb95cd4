"""The second job's program is deterministic, its sizes are honest and its images are what they were."""

from collections import Counter
from importlib.metadata import entry_points

import numpy as np
import pytest
from ashgrove.custom import Metric, Prediction, Program
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from demo.digits.classifiers import MODELS, PREPROCESSING, Settings, fitted
from demo.digits.footprint import learned_bytes
from demo.digits.images import DIGITS, SIZES, load, pixels, written
from demo.digits.metrics import kilobytes
from demo.digits.program import digits_classifier

SPLITS = load()
IMAGES = np.array([pixels(e["inputs"]["image"]) for e in SPLITS.train])
ANSWERS = [e["outputs"]["digit"] for e in SPLITS.train]


def test_the_splits_are_disjoint_and_balanced() -> None:
    """Every split has its size, the digits in equal numbers; no image is in two, and loading twice gives the same."""
    splits = {name: getattr(SPLITS, name) for name in SIZES}
    for name, examples in splits.items():
        assert len(examples) == SIZES[name]
        assert set(Counter(e["outputs"]["digit"] for e in examples).values()) == {SIZES[name] // len(DIGITS)}
    images = [e["inputs"]["image"] for examples in splits.values() for e in examples]
    assert len(set(images)) == len(images)
    assert load() == SPLITS


def test_writing_an_image_loses_nothing() -> None:
    """Each of scikit-learn's images comes back from its text."""
    for image in load_digits().data[:200]:
        assert np.array_equal(pixels(written(image)) * 16, image)


@given(st.text(max_size=80))
def test_what_is_no_image_is_refused_in_words(text: str) -> None:
    """Anything but 64 shades is a ValueError that says what would be right."""
    with pytest.raises(ValueError, match="8 lines of 8 shades"):
        pixels(text + "x")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("preprocessing", PREPROCESSING)
def test_the_same_configuration_gives_the_same_answers_and_size(model: str, preprocessing: str) -> None:
    """Prepared twice, each choice answers alike, better than chance, and is of one size."""
    parameters = {"model": model, "preprocessing": preprocessing}
    asked = [e["inputs"] for e in SPLITS.validation[:50]]
    first, second = ([run(i, parameters) for i in asked] for run in _prepared_twice(parameters))
    assert first == second
    right = [p.outputs == e["outputs"] for p, e in zip(first, SPLITS.validation, strict=False)]
    assert sum(right) > 25
    assert {p.trace["bytes"] for p in first} == {first[0].trace["bytes"]}


def _prepared_twice(parameters: dict[str, object]) -> list[object]:
    return [digits_classifier.prepare(SPLITS.train, parameters) for _ in range(2)]


def test_logistic_regression_is_as_large_as_its_coefficients() -> None:
    """Ten digits, 64 pixels and an intercept each; the names of the classes and the count of steps beside them."""
    model = fitted(Settings(), IMAGES, ANSWERS)[-1]
    expected = sum(a.nbytes for a in (model.coef_, model.intercept_, model.classes_, model.n_iter_))
    assert learned_bytes(model) == expected > 10 * 65 * 8


def test_stored_neighbours_support_vectors_and_nodes_are_counted() -> None:
    """Whatever a family keeps in order to answer is in its size."""
    neighbours = fitted(Settings("neighbors", examples=100), IMAGES, ANSWERS)
    assert learned_bytes(neighbours) >= 100 * 64 * 8
    vectors = fitted(Settings("svc"), IMAGES, ANSWERS)
    assert learned_bytes(vectors) >= vectors[-1].support_vectors_.nbytes + vectors[-1].dual_coef_.nbytes
    forest = fitted(Settings("forest", trees=4), IMAGES, ANSWERS)
    nodes = sum(tree.tree_.node_count for tree in forest[-1].estimators_)
    assert learned_bytes(forest) >= nodes * (64 + 10 * 8)


def test_more_of_something_is_larger() -> None:
    """Trees, units, components and neighbours each cost kilobytes."""
    for small, large in [
        (Settings("forest", trees=2), Settings("forest", trees=4)),
        (Settings("mlp", units=8), Settings("mlp", units=16)),
        (Settings("logistic", "pca", components=8), Settings("logistic", "pca", components=16)),
        (Settings("neighbors", examples=100), Settings("neighbors", examples=200)),
    ]:
        assert learned_bytes(fitted(small, IMAGES, ANSWERS)) < learned_bytes(fitted(large, IMAGES, ANSWERS))


@pytest.mark.parametrize(
    ("parameters", "words"), [({"models": "svc"}, "no such parameter: models"), ({"model": "cnn"}, "not 'cnn'")]
)
def test_a_configuration_that_means_nothing_is_refused_in_words(parameters: dict[str, str], words: str) -> None:
    """A misspelt variable would otherwise be tuned in vain."""
    with pytest.raises(ValueError, match=words):
        digits_classifier.prepare(SPLITS.train, parameters)


def test_kilobytes_read_the_trace() -> None:
    """A kilobyte is 1,024 bytes; a program that leaves no size in its trace is told so."""
    assert kilobytes.score({}, {}, {"bytes": 2560}, {}) == 2.5
    for trace in (None, {}):
        with pytest.raises(ValueError, match="from the trace"):
            kilobytes.score({}, {}, trace, {})


def test_both_are_registered() -> None:
    """What `make setup` installs names the program and the metric, under the names that the demo uses."""
    (program,) = entry_points(group="ashgrove.programs", name="digits-classifier@1")
    (metric,) = entry_points(group="ashgrove.metrics", name="kilobytes")
    assert isinstance(program.load(), Program)
    assert isinstance(metric.load(), Metric)
    assert isinstance(program.load().prepare(SPLITS.train[:60], {})(SPLITS.test[0]["inputs"], {}), Prediction)
