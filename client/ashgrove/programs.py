"""Programs and what they do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from ashgrove.connection import Connection
from ashgrove.program.v1 import dataset_pb2, execution_pb2, program_pb2
from ashgrove.program.v1 import program_service_pb2 as pb
from ashgrove.program.v1.program_service_pb2_grpc import ProgramServiceStub
from ashgrove.values import to_struct

SPLITS = {
    "train": dataset_pb2.SPLIT_TRAIN,
    "validation": dataset_pb2.SPLIT_VALIDATION,
    "test": dataset_pb2.SPLIT_TEST,
}


def field(name: str, kind: str = "string", *, choices: Sequence[str] = (), description: str = "") -> Any:
    """Returns a field of a signature; `kind` is string, integer, number, boolean or string_list."""
    number = program_pb2.SignatureField.Type.Value(f"TYPE_{kind.upper()}")
    return program_pb2.SignatureField(name=name, type=number, choices=choices, description=description)


class Evaluated:
    """An evaluation under way: iterate over it for the results; `evaluation` is its latest state."""

    def __init__(self, frames: Iterator[pb.EvaluateProgramResponse]) -> None:
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


class Programs:
    """The programs that the caller may see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub: Any = ProgramServiceStub(connection.channel)

    def create(
        self, name: str, *, instructions: str, inputs: Sequence[Any], outputs: Sequence[Any], public: bool = False
    ) -> program_pb2.Program:
        """Creates a predict program; inputs and outputs are made with `field`."""
        program = program_pb2.Program(
            name=name,
            type=program_pb2.Program.TYPE_PREDICT,
            signature_config=program_pb2.SignatureConfig(instructions=instructions, inputs=inputs, outputs=outputs),
            visibility=program_pb2.Program.VISIBILITY_PUBLIC if public else program_pb2.Program.VISIBILITY_PRIVATE,
        )
        made: program_pb2.Program = self._connection.call(
            self._stub.CreateProgram, pb.CreateProgramRequest(program=program)
        )
        return made

    def get(self, identifier: str, revision: int = 0) -> program_pb2.Program:
        """Returns a program, at an earlier content revision when one is named."""
        request = pb.GetProgramRequest(id=identifier, revision=revision)
        found: program_pb2.Program = self._connection.call(self._stub.GetProgram, request)
        return found

    def list(self, filter: str = "", order_by: str = "") -> Iterator[program_pb2.Program]:
        """Yields programs, page after page."""
        request = pb.ListProgramsRequest(filter=filter, order_by=order_by)
        return self._connection.pages(self._stub.ListPrograms, request, "programs")

    def update(self, program: program_pb2.Program, fields: Sequence[str]) -> program_pb2.Program:
        """Changes the named fields; raises Aborted when the program's etag is no longer the current one."""
        request = pb.UpdateProgramRequest(program=program, update_mask=FieldMask(paths=fields))
        changed: program_pb2.Program = self._connection.call(self._stub.UpdateProgram, request)
        return changed

    def clone(self, identifier: str, new_name: str) -> program_pb2.Program:
        """Copies a program under another name."""
        request = pb.CloneProgramRequest(id=identifier, new_name=new_name)
        copy: program_pb2.Program = self._connection.call(self._stub.CloneProgram, request)
        return copy

    def archive(self, identifier: str) -> program_pb2.Program:
        """Puts a program away."""
        request = pb.ArchiveProgramRequest(id=identifier)
        put: program_pb2.Program = self._connection.call(self._stub.ArchiveProgram, request)
        return put

    def execute(
        self,
        identifier: str,
        inputs: Mapping[str, Any],
        configuration: Mapping[str, Any] | None = None,
        dataset_id: str = "",
    ) -> execution_pb2.Execution:
        """Runs a program once."""
        request = pb.ExecuteProgramRequest(
            program_id=identifier,
            inputs=to_struct(inputs),
            configuration=to_struct(configuration or {}),
            dataset_id=dataset_id,
        )
        done: execution_pb2.Execution = self._connection.call(self._stub.ExecuteProgram, request)
        return done

    def evaluate(
        self,
        identifier: str,
        dataset_id: str,
        split: str = "validation",
        configuration: Mapping[str, Any] | None = None,
        metrics: Sequence[str] = (),
    ) -> Evaluated:
        """Runs a program over a split; iterate over what it returns, or `wait`."""
        request = pb.EvaluateProgramRequest(
            program_id=identifier,
            dataset_id=dataset_id,
            split=SPLITS[split],
            configuration=to_struct(configuration or {}),
            metrics=metrics,
        )
        return Evaluated(self._connection.stream(self._stub.EvaluateProgram, request))
