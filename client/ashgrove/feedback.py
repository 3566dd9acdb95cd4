"""Feedback: what people, keys and rubrics say about executions."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from ashgrove.areas import ProgramArea
from ashgrove.collection import Archived
from ashgrove.program.v1 import feedback_pb2
from ashgrove.values import to_struct

_Feedback = feedback_pb2.Feedback


class FeedbackGiven(Archived[_Feedback]):
    """The feedback on executions that the caller may see; taking it back is `archive`."""

    area, noun, plural = ProgramArea, "Feedback", "feedback"

    def give(
        self,
        execution_id: str,
        score: float | None = None,
        label: str = "",
        comment: str = "",
        *,
        corrected_outputs: Mapping[str, Any] | None = None,
        rubric: str = "",
    ) -> _Feedback:
        """Says something about an execution: a score, a label, a comment, or what should have come out.

        `rubric` names the rule by which a judge or a program scored; a person or an application leaves it empty.
        """
        said = _Feedback(execution_id=execution_id, score=score, label=label, comment=comment, rubric=rubric)
        if corrected_outputs is not None:
            said.corrected_outputs.CopyFrom(to_struct(corrected_outputs))
        given: _Feedback = self._call("CreateFeedback", feedback=said)
        return given

    def update(self, feedback: _Feedback, fields: Sequence[str]) -> _Feedback:
        """Changes the named fields; raises Aborted when the feedback's etag is no longer the current one."""
        changed: _Feedback = self._call("UpdateFeedback", feedback=feedback, update_mask=FieldMask(paths=fields))
        return changed
