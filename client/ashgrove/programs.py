"""Programs and what they do."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

from ashgrove.areas import ProgramArea
from ashgrove.collection import mask_of
from ashgrove.figures import Figured
from ashgrove.program.v1 import connector_pb2, dataset_pb2, execution_pb2, metric_pb2, program_pb2, signature_pb2
from ashgrove.program.v1.batch_execution_requests_pb2 import BatchExecutionResult
from ashgrove.program.v1.program_requests_pb2 import CloneProgramRequest, DiffProgramsResponse
from ashgrove.under_way import Evaluated, Told
from ashgrove.values import numbered, to_struct

SPLITS = {
    "train": dataset_pb2.SPLIT_TRAIN,
    "validation": dataset_pb2.SPLIT_VALIDATION,
    "test": dataset_pb2.SPLIT_TEST,
}


def field(
    name: str = "",
    kind: str = "string",
    *,
    choices: Sequence[str] = (),
    description: str = "",
    variable: bool = False,
    optional: bool = False,
    nullable: bool = False,
    default: Any = None,
    items: Any = None,
    properties: Sequence[Any] = (),
    dimension: int = 0,
    shape: Sequence[int] = (),
    **constraints: Any,
) -> Any:
    """Returns a field of a signature, such as `field("score", "number", minimum=0, maximum=10)`.

    `kind` is string, integer, number, boolean, string_list, enum, array (of `items`), object (of `properties`),
    date_time, probability, confidence, embedding, token_list, reasoning_chain or tensor. The value of one that is
    `variable` may be tuned by configurations; one with a `default`, or that is `optional`, may be left out.
    """
    made = signature_pb2.SignatureField(
        name=name,
        type=numbered(signature_pb2.SignatureField.Type, kind),
        choices=choices,
        description=description,
        variable=variable,
        optional=optional,
        nullable=nullable,
        items=items,
        properties=properties,
        dimension=dimension,
        shape=shape,
    )
    if default is not None:
        made.default_value.CopyFrom(ParseDict(default, Value()))
    if constraints:
        made.constraints.CopyFrom(signature_pb2.FieldConstraints(**constraints))
    return made


class Programs(Figured):
    """The programs that the caller may see."""

    area, noun, plural = ProgramArea, "Program", "programs"

    def create(
        self,
        name: str,
        *,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        instructions: str = "",
        kind: str = "predict",
        entry_point: str = "",
        public: bool = False,
        tags: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
    ) -> program_pb2.Program:
        """Creates a program, its inputs and outputs made with `field`.

        `kind` is predict, chain_of_thought, template or pipeline; a custom program is what has an `entry_point`, one of
        those that `custom` yields, such as `digits-classifier@1`. `config` is its settings as JSON, such as
        `{"template": {"messages": […]}}`.
        """
        program = program_pb2.Program(
            name=name,
            type=numbered(program_pb2.Program.Type, "CUSTOM" if entry_point else kind),
            signature_config=signature_pb2.SignatureConfig(instructions=instructions, inputs=inputs, outputs=outputs),
            visibility=program_pb2.Program.VISIBILITY_PUBLIC if public else program_pb2.Program.VISIBILITY_PRIVATE,
        )
        program.tags.extend(tags)
        ParseDict(dict(config or {}), program.program_config)
        if entry_point:
            program.program_config.entry_point = entry_point
        made: program_pb2.Program = self._call("CreateProgram", program=program)
        return made

    def get(
        self, identifier: str, revision: int = 0, *, include: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> program_pb2.Program:
        """Returns a program, at an earlier content revision when one is named."""
        asked = {"include": include, "read_mask": mask_of(fields)}
        found: program_pb2.Program = self._call("GetProgram", id=identifier, revision=revision, **asked)
        return found

    def custom(self) -> Iterator[metric_pb2.CustomProgram]:
        """Yields the code that custom programs can run; what cannot be used says why in `error`."""
        return iter(self._call("ListCustomPrograms").custom_programs)

    def tools(self) -> Iterator[metric_pb2.InstalledTool]:
        """Yields the registered code that programs can use as tools."""
        return iter(self._call("ListTools").tools)

    def retrievers(self) -> Iterator[metric_pb2.Retriever]:
        """Yields what can look up examples in a pipeline: the built-in first."""
        return iter(self._call("ListRetrievers").retrievers)

    def update(self, program: program_pb2.Program, fields: Sequence[str]) -> program_pb2.Program:
        """Changes the named fields; raises Aborted when the program's etag is no longer the current one."""
        changed: program_pb2.Program = self._call("UpdateProgram", program=program, update_mask=FieldMask(paths=fields))
        return changed

    def clone(self, identifier: str, new_name: str, *, revision: int = 0, space: str = "share") -> program_pb2.Program:
        """Copies a program under another name; its variable space is one to share, pin, copy, or none."""
        choice = numbered(CloneProgramRequest.Space, space)
        asked = {"id": identifier, "new_name": new_name, "revision": revision, "space": choice}
        copy: program_pb2.Program = self._call("CloneProgram", **asked)
        return copy

    def diff(
        self, identifier: str, revision: int = 0, other_revision: int = 0, other: str = ""
    ) -> DiffProgramsResponse:
        """Returns what differs between two revisions of a program, or between two programs."""
        asked = {"id": identifier, "revision": revision, "other_id": other, "other_revision": other_revision}
        found: DiffProgramsResponse = self._call("DiffPrograms", **asked)
        return found

    def export(self, identifier: str, revision: int = 0) -> dict[str, Any]:
        """Returns a program as a file that is complete without Ashgrove holds it; see docs/programs.md."""
        told = self._call("ExportProgram", id=identifier, revision=revision)
        return dict(json.loads(told.content))

    def execute(
        self,
        identifier: str,
        inputs: Mapping[str, Any],
        configuration: Mapping[str, Any] | None = None,
        dataset_id: str = "",
        *,
        alias: str = "",
        revision: int = 0,
        timeout_ms: int | None = None,
        max_cost_micros: int | None = None,
        allow_cached: bool = False,
        detached: bool = False,
        streamed: bool = False,
        purpose: str = "unspecified",
    ) -> execution_pb2.Execution:
        """Runs a program once: as it is, at a revision, or by an alias that says which; detached, answers at once.

        `purpose` says what its model calls are in the books, where it is not the program's own: judge or proposer.
        """
        bounds = {"timeout_ms": timeout_ms, "max_cost_micros": max_cost_micros}
        done: execution_pb2.Execution = self._call(
            "ExecuteProgram",
            program_id=identifier,
            inputs=to_struct(inputs),
            configuration=to_struct(configuration or {}),
            dataset_id=dataset_id,
            alias=alias,
            revision=revision,
            allow_cached=allow_cached,
            detached=detached,
            streamed=streamed,
            purpose=numbered(connector_pb2.ModelCall.Purpose, purpose),
            **{name: bound for name, bound in bounds.items() if bound is not None},
        )
        return done

    def execute_many(
        self,
        identifier: str,
        inputs: Iterable[Mapping[str, Any]],
        configuration: Mapping[str, Any] | None = None,
        *,
        at_once: int = 100,
        **how: Any,
    ) -> Iterator[BatchExecutionResult]:
        """Runs a program on many inputs, up to 100 a call, and yields what became of each, in their order.

        Each is an execution, or the error of inputs that do not fit. `how` is as of `execute`, but for `streamed`.
        """
        rest, asked = iter(inputs), {"program_id": identifier, "configuration": to_struct(configuration or {}), **how}
        while batch := [to_struct(each) for each in islice(rest, at_once)]:
            yield from self._call("BatchExecuteProgram", inputs=batch, **asked).results

    def stream(self, identifier: str, inputs: Mapping[str, Any], **how: Any) -> Told:
        """Runs a program once, as `execute` does and with its options, and tells what models say as it comes."""
        return self.follow(self.execute(identifier, inputs, **how, detached=True, streamed=True))

    def follow(self, execution: execution_pb2.Execution, sequence: int = 0) -> Told:
        """Tells an execution as it goes, from the piece after a sequence."""

        def follow(position: int) -> Iterator[Any]:
            return self._stream("StreamExecution", id=execution.id, from_sequence=position)

        return Told(execution, follow, sequence)

    def evaluate(
        self,
        identifier: str,
        dataset_id: str,
        split: str = "validation",
        configuration: Mapping[str, Any] | None = None,
        metrics: Sequence[str] = (),
        *,
        metric_params: Mapping[str, Any] | None = None,
        error_budget: float = 1.0,
        max_consecutive_failures: int = 25,
        max_cost_micros: int | None = None,
    ) -> Evaluated:
        """Runs a program over a split; iterate over what it returns, or `wait`.

        `metric_params` tells metrics what they need, by their names; it is given up when more than the share
        `error_budget` of the examples fail, or so many in a row, and before its calls cost more than `max_cost_micros`.
        """
        frames = self._stream(
            "EvaluateProgram",
            program_id=identifier,
            dataset_id=dataset_id,
            split=numbered(dataset_pb2.Split, split),
            configuration=to_struct(configuration or {}),
            metrics=metrics,
            metric_params=to_struct(metric_params or {}),
            error_budget=error_budget,
            max_consecutive_failures=max_consecutive_failures,
            **({} if max_cost_micros is None else {"max_cost_micros": max_cost_micros}),
        )
        return Evaluated(frames)
