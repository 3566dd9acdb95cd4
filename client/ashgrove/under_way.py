"""Executions and evaluations under way, as they are told."""

from collections.abc import Callable, Iterator
from typing import Any

from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramResponse
from ashgrove.program.v1.execution_requests_pb2 import ExecutionPiece


class Evaluated:
    """An evaluation under way: iterate over it for the results; `evaluation` is its latest state."""

    def __init__(self, frames: Iterator[EvaluateProgramResponse]) -> None:
        self._frames = frames
        self.evaluation = execution_pb2.Evaluation()

    def __iter__(self) -> Iterator[execution_pb2.EvaluationResult]:
        for frame in self._frames:
            if frame.HasField("evaluation"):
                self.evaluation = frame.evaluation
            if frame.WhichOneof("frame") == "item":
                yield frame.item

    def wait(self) -> execution_pb2.Evaluation:
        """Returns the evaluation when it has ended."""
        for _ in self:
            pass
        return self.evaluation


class Told:
    """An execution under way: iterate over it for what models say and the steps that end.

    `execution` is its latest state, `sequence` the last piece that was told: where `follow` goes on.
    """

    def __init__(
        self, execution: execution_pb2.Execution, follow: Callable[[int], Iterator[Any]], sequence: int
    ) -> None:
        self.execution = execution
        self.sequence = sequence
        self._follow = follow

    def __iter__(self) -> Iterator[ExecutionPiece]:
        for frame in self._follow(self.sequence):
            if frame.HasField("execution"):
                self.execution = frame.execution
            if frame.WhichOneof("frame") == "item":
                self.sequence = frame.item.sequence
                yield frame.item

    def words(self) -> Iterator[str]:
        """Yields what models say, as it comes."""
        return (piece.text.text for piece in self if piece.WhichOneof("piece") == "text")

    def wait(self) -> execution_pb2.Execution:
        """Returns the execution when it has ended."""
        for _ in self:
            pass
        return self.execution
