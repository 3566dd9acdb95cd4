"""Chains of thought as the service runs them: reasoning is kept with the outputs, and neither wanted nor scored."""

from ashgrove.program.v1 import dataset_pb2, execution_pb2, program_pb2, signature_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest

from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import add, create_dataset, evaluated, evaluation, example, program, working


async def create_chain(bench: Workbench) -> program_pb2.Program:
    """Creates a chain of thought as the user."""
    wanted = program()
    wanted.type = program_pb2.Program.TYPE_CHAIN_OF_THOUGHT
    made: program_pb2.Program = await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    return made


async def test_an_execution_keeps_the_reasoning(bench: Workbench, workshop: Workshop) -> None:
    """The model's reasoning stands beside the declared output, and its tokens are paid for."""
    made, dataset = await create_chain(bench), await create_dataset(bench)
    request = ExecuteProgramRequest(program_id=made.id, dataset_id=dataset.id)
    request.inputs.update({"text": "2 och 2"})
    request.configuration.update({"demonstration_count": 8})
    async with working(workshop):
        done = await bench.do("ExecuteProgram", request)
    assert done.status == execution_pb2.WORK_STATUS_COMPLETED, done.error
    assert done.outputs["language"] == "sv"
    assert " och " in str(done.outputs["reasoning"]).partition("closest: ")[2].partition(" | ")[0]
    assert done.output_tokens > 0


async def test_an_evaluation_scores_the_answer_and_not_the_reasoning(bench: Workbench, workshop: Workshop) -> None:
    """A dataset may hold reasoning, which serves as demonstrations; what the model reasons is compared with nothing."""
    made = await create_chain(bench)
    field = signature_pb2.SignatureField(name="reasoning")
    dataset = await create_dataset(bench, train=0, validation=0, output_fields=[field])
    examples = [
        example(i, split) for split in (dataset_pb2.SPLIT_TRAIN, dataset_pb2.SPLIT_VALIDATION) for i in range(8)
    ]
    for one in examples:
        one.outputs.update({"reasoning": "somebody's own words"})
    dataset = (await add(bench, dataset.id, examples)).dataset
    request = evaluation(made, dataset, configuration={"demonstration_count": 8})
    async with working(workshop):
        results, ended = await evaluated(bench, request)
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED, ended.error
    assert all(str(result.outputs["reasoning"]).startswith("closest: ") for result in results)
    assert ended.scores["exact_match"] == 1.0
