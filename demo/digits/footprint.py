"""How large a fitted classifier is: the bytes of the arrays that it has learned and keeps."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.tree._tree import Tree


def learned_bytes(estimator: BaseEstimator) -> int:
    """Returns the bytes of every array reachable from a fitted estimator, each counted once.

    Coefficients, support vectors, stored neighbours, the nodes and leaf counts of trees, the means and components of
    preprocessing: an array is an array, whatever it is called. Python objects around them are not counted, because
    their size depends on the interpreter and not on what was learned.
    """
    found: dict[int, int] = {}
    visited: set[int] = set()
    waiting: list[Any] = [estimator]
    while waiting:
        each = waiting.pop()
        if isinstance(each, np.ndarray):
            found[each.__array_interface__["data"][0]] = each.nbytes
        elif id(each) not in visited:
            visited.add(id(each))
            waiting += _parts(each)
    return sum(found.values())


def _parts(each: Any) -> list[Any]:
    if isinstance(each, Tree):
        nodes: dict[str, Any] = each.__getstate__()  # the only way to reach the nodes as one array
        return list(nodes.values())
    if isinstance(each, BaseEstimator):
        return list(vars(each).values())
    if isinstance(each, dict):
        return list(each.values())
    return list(each) if isinstance(each, list | tuple) else []
