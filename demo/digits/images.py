"""The demo's images: scikit-learn's bundled handwritten digits, written as text that a person can read too."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGITS = tuple("0123456789")
SIZES = {"train": 600, "validation": 120, "test": 150}
SIDE = 8
# A pixel is one of seventeen shades, from 0 (paper) to g (ink).
_SHADES = "0123456789abcdefg"

Example = dict[str, Any]
Pixels = NDArray[np.float64]


@dataclass(frozen=True)
class Splits:
    """The three splits, each a list of `{"inputs": {"image"}, "outputs": {"digit"}}`."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def load() -> Splits:
    """Returns the splits: digits take turns in each, and a hash, nobody's choice, says which image is where."""
    from sklearn.datasets import load_digits  # not needed where images are only read

    images, digits = load_digits(return_X_y=True)
    order = sorted(range(len(digits)), key=lambda i: sha256(str(i).encode()).hexdigest())
    pools = [_pool(images[[i for i in order if digits[i] == int(digit)]], digit) for digit in DIGITS]
    return Splits(**{name: [next(pools[i % len(pools)]) for i in range(size)] for name, size in SIZES.items()})


def _pool(images: Pixels, digit: str) -> Iterator[Example]:
    for image in images:
        yield {"inputs": {"image": written(image)}, "outputs": {"digit": digit}}


def written(image: Pixels) -> str:
    """Returns an image as eight lines of eight shades."""
    shades = [_SHADES[int(shade)] for shade in image.ravel()]
    return "\n".join("".join(shades[row : row + SIDE]) for row in range(0, SIDE * SIDE, SIDE))


def pixels(text: str) -> Pixels:
    """Returns a written image as 64 numbers from 0 to 1; raises ValueError when it is none."""
    shades = [_SHADES.find(shade) for shade in text.replace("\n", "")]
    if len(shades) != SIDE * SIDE or min(shades) < 0:
        raise ValueError(f"an image is {SIDE} lines of {SIDE} shades, each one of {_SHADES}")
    return np.array(shades, dtype=np.float64) / (len(_SHADES) - 1)
