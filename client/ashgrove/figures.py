"""What a program's executions and evaluations came to."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict

from ashgrove.aggregates import Aggregates
from ashgrove.collection import Unique
from ashgrove.program.v1 import program_pb2

FIGURES = [field.name for field in program_pb2.Program.DESCRIPTOR.fields if field.number in (*range(20, 33), 35, 37)]
"""The computed fields of a program."""
_ALIKE = ("primary_metric", "dataset_id", "split")
"""What evaluations must share for their scores to be compared."""


class Figured(Unique[program_pb2.Program]):
    """Programs, as far as they are counted and measured."""

    def figures(self, identifier: str) -> dict[str, Any]:
        """Returns what a program's executions and evaluations came to, as far as the caller may read them."""
        told = MessageToDict(self.get(identifier, fields=FIGURES), preserving_proto_field_name=True)
        return {name: told[name] for name in FIGURES if name in told}

    def best(self, identifier: str) -> list[dict[str, Any]]:
        """Returns the best score of a program's evaluations, by metric, dataset and split: others say nothing of it.

        `gain` is the score such that more is better, the negative of one to minimise.
        """
        where = f'program_id = "{identifier}" AND status = completed'
        found = self._measured("max(gain) as gain", by=("direction", *_ALIKE), where=where)
        return [{**one, "score": _score(one)} for one in found if one["gain"] is not None]

    def efficiency(self, identifier: str, days: int = 30) -> list[dict[str, Any]]:
        """Returns the mean score per credit of a program's evaluations of some days, by metric, dataset and split.

        It is None where all of them were free.
        """
        where = f'program_id = "{identifier}" AND status = completed AND completed_at > ago({days}d)'
        return self._measured("avg(score_per_credit) as score_per_credit", by=_ALIKE, where=where)

    def _measured(self, measure: str, *, by: tuple[str, ...], where: str) -> list[dict[str, Any]]:
        return Aggregates(self._connection).of("evaluations", measure, "count()", by=by, filter=where).groups


def _score(group: Mapping[str, Any]) -> float:
    return -group["gain"] if group["direction"] == "DIRECTION_MINIMIZE" else float(group["gain"])
