"""What programs did: executions, and evaluations with their results."""

from collections.abc import Iterator, Sequence

from ashgrove.areas import ProgramArea
from ashgrove.collection import M, Readable, mask_of
from ashgrove.program.v1 import evaluation_requests_pb2, execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import ListEvaluationResultsRequest
from ashgrove.program.v1.execution_requests_pb2 import ExecutionStep


class OfPrograms(Readable[M]):
    """A kind of which each is of a program, and listed with those of the same one, or of all."""

    def list(
        self,
        program_id: str = "",
        filter: str = "",
        order_by: str = "",
        *,
        include: Sequence[str] = (),
        fields: Sequence[str] = (),
    ) -> Iterator[M]:
        """Yields those of a program, of every program when none is named, newest first unless ordered otherwise."""
        asked = {"include": include, "read_mask": mask_of(fields)}
        return self._pages(program_id=program_id, filter=filter, order_by=order_by, **asked)


class Executions(OfPrograms[execution_pb2.Execution]):
    """The executions of programs that the caller may see."""

    area, noun, plural = ProgramArea, "Execution", "executions"

    def steps(self, identifier: str) -> Sequence[ExecutionStep]:
        """Returns what an ended execution did on its way: calls of models, and steps of a pipeline."""
        return tuple(self._call("GetExecutionSteps", id=identifier).steps)

    def cancel(self, identifier: str) -> execution_pb2.Execution:
        """Stops an execution, in the middle of a model call too."""
        stopped: execution_pb2.Execution = self._call("CancelExecution", id=identifier)
        return stopped


class Evaluations(OfPrograms[execution_pb2.Evaluation]):
    """The evaluations of programs that the caller may see; `programs.evaluate` starts them."""

    area, noun, plural = ProgramArea, "Evaluation", "evaluations"

    def results(self, identifier: str) -> Iterator[execution_pb2.EvaluationResult]:
        """Yields what became of each example, in the order in which they finished."""
        request = ListEvaluationResultsRequest(evaluation_id=identifier, order_by="sequence")
        return self._connection.pages(self._stub.ListEvaluationResults, request, "evaluation_results")

    def compare(
        self, base: str, other: str, metric: str = "", *, seed: int = 0, items: int = 20
    ) -> evaluation_requests_pb2.CompareEvaluationsResponse:
        """Compares an evaluation with a baseline item by item: counts, mean difference, interval and p-value."""
        asked = {
            "base_evaluation_id": base,
            "evaluation_id": other,
            "metric": metric,
            "seed": seed,
            "item_count": items,
        }
        found: evaluation_requests_pb2.CompareEvaluationsResponse = self._call("CompareEvaluations", **asked)
        return found

    def matrix(self, identifiers: Sequence[str], metric: str = "") -> Iterator[evaluation_requests_pb2.MatrixRow]:
        """Yields the examples of a dataset, each with a cell for each evaluation."""
        position = 0
        while True:
            asked = {"evaluation_ids": identifiers, "metric": metric, "from_position": position, "page_size": 500}
            page = self._call("GetEvaluationMatrix", **asked)
            yield from page.rows
            position = page.next_position
            if not position:
                return

    def cancel(self, identifier: str) -> execution_pb2.Evaluation:
        """Stops an evaluation for good; what was finished is kept."""
        stopped: execution_pb2.Evaluation = self._call("CancelEvaluation", id=identifier)
        return stopped

    def pause(self, identifier: str) -> execution_pb2.Evaluation:
        """Halts an evaluation; what was finished is kept, and evaluating with its id again goes on."""
        halted: execution_pb2.Evaluation = self._call("PauseEvaluation", id=identifier)
        return halted
