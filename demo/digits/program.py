"""The program of the second job: it learns once per configuration, then reads one image per call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ashgrove.custom import Prediction, Program

from demo.digits.classifiers import Settings, fitted
from demo.digits.footprint import learned_bytes
from demo.digits.images import pixels

Answer = Callable[[Mapping[str, Any], Mapping[str, Any]], Prediction]


def _prepare(examples: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> Answer:
    """Fits the classifier that a configuration describes on the training images."""
    images = np.array([pixels(each["inputs"]["image"]) for each in examples])
    digits = [each["outputs"]["digit"] for each in examples]
    classifier = fitted(Settings.of(parameters), images, digits)
    trace = {"bytes": learned_bytes(classifier)}

    def answer(inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> Prediction:
        (digit,) = classifier.predict(pixels(inputs["image"])[np.newaxis])
        return Prediction({"digit": str(digit)}, trace)

    return answer


digits_classifier = Program(
    prepare=_prepare, description="Reads a handwritten digit; learns from the training images how."
)
