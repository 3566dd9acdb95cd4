"""What the client sends, and what it makes of answers and refusals."""

import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from ashgrove import errors
from ashgrove.client import Client
from ashgrove.collection import Unique
from ashgrove.program.v1 import dataset_pb2, dataset_requests_pb2, program_pb2
from ashgrove.program.v1.program_requests_pb2 import ListProgramsResponse, UpsertProgramResponse
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2

from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]
_KINDS = [
    (grpc.StatusCode.NOT_FOUND, errors.NotFound),
    (grpc.StatusCode.ALREADY_EXISTS, errors.AlreadyExists),
    (grpc.StatusCode.FAILED_PRECONDITION, errors.FailedPrecondition),
    (grpc.StatusCode.ABORTED, errors.Aborted),
    (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDenied),
    (grpc.StatusCode.UNAUTHENTICATED, errors.Unauthenticated),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.ResourceExhausted),
    (grpc.StatusCode.DEADLINE_EXCEEDED, errors.DeadlineExceeded),
    (grpc.StatusCode.UNAVAILABLE, errors.Unavailable),
    (grpc.StatusCode.INTERNAL, errors.AshgroveError),
]


def _refusing(code: grpc.StatusCode, told: str, *details: Any) -> Any:
    """Returns what answers each call with a status and its details."""

    def refuse(request: Any, context: Any) -> None:
        context.set_trailing_metadata([("grpc-status-details-bin", _packed(*details))])
        context.abort(code, told)

    return refuse


def _packed(*details: Any) -> bytes:
    status = status_pb2.Status(code=3, message="wrong")
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    return bytes(status.SerializeToString())


def test_every_call_carries_the_key(served: Served) -> None:
    """The key goes as a bearer token."""
    scripted, client = served
    scripted.answer = lambda request, context: program_pb2.Program(id=request.id)
    assert client.programs.get("a").id == "a"
    assert scripted.metadata[0]["authorization"] == "Bearer key-of-the-test"


@pytest.mark.parametrize(("code", "kind"), _KINDS)
def test_each_code_is_a_class_of_its_own(served: Served, code: grpc.StatusCode, kind: type[Exception]) -> None:
    """The server's words survive; codes without a class are plain AshgroveErrors."""
    scripted, client = served
    scripted.answer = lambda request, context: context.abort(code, "said why")
    with pytest.raises(errors.AshgroveError, match="said why") as caught:
        client.programs.get("a")
    assert type(caught.value) is kind
    assert caught.value.retry_after is None


def test_an_invalid_argument_names_every_wrong_field(served: Served) -> None:
    """Violations, reason and metadata come from the status details in the trailers."""
    scripted, client = served
    wrong = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field="name", description="say one"),
            error_details_pb2.BadRequest.FieldViolation(field="type", description="choose one"),
        ]
    )
    info = error_details_pb2.ErrorInfo(reason="INVALID_FIELDS", metadata={"resource": "program"})

    scripted.answer = _refusing(grpc.StatusCode.INVALID_ARGUMENT, "2 fields are wrong", info, wrong)
    with pytest.raises(errors.InvalidArgument, match="2 fields are wrong") as caught:
        client.programs.get("a")
    assert [(v.path, v.message) for v in caught.value.violations] == [("name", "say one"), ("type", "choose one")]
    assert (caught.value.reason, caught.value.metadata) == ("INVALID_FIELDS", {"resource": "program"})


def test_a_limit_says_when_to_come_back(served: Served) -> None:
    """In seconds, whichever of the details come before and after."""
    scripted, client = served
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(2500)
    info = error_details_pb2.ErrorInfo(reason="LIMIT_REACHED", metadata={"limit": "calls of a key"})

    scripted.answer = _refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls", retry, info)
    with pytest.raises(errors.ResourceExhausted, match="too many calls") as caught:
        client.programs.get("a")
    assert (caught.value.retry_after, caught.value.reason) == (2.5, "LIMIT_REACHED")


def test_a_list_goes_through_all_pages(served: Served) -> None:
    """Every page is asked for with the token of the one before, and with the same filter."""
    scripted, client = served
    pages = {"": ("a", "one"), "one": ("b", "two"), "two": ("c", "")}

    def page(request: Any, context: Any) -> ListProgramsResponse:
        name, following = pages[request.page_token]
        return ListProgramsResponse(programs=[program_pb2.Program(name=name)], next_page_token=following)

    scripted.answer = page
    assert [p.name for p in client.programs.list(filter='name != "z"')] == ["a", "b", "c"]
    assert {r.filter for r in scripted.asked} == {'name != "z"'}


def test_examples_go_in_batches_of_500(served: Served) -> None:
    """Batches keep the order, and progress adds up to all of them."""
    scripted, client = served
    scripted.answer = lambda request, context: dataset_requests_pb2.BatchCreateExamplesResponse()
    heard: list[int] = []
    examples = [{"inputs": {"n": i}, "outputs": {"n": i}} for i in range(1001)]
    client.datasets.add_examples("d", "train", examples, heard.append)
    assert heard == [500, 500, 1]
    sent = [e.inputs["n"] for r in scripted.asked for e in r.examples]
    assert sent == list(range(1001))


def test_an_update_names_the_fields_that_change(served: Served) -> None:
    """The mask is what the caller named, so that nothing else is touched."""
    scripted, client = served
    scripted.answer = lambda request, context: request.program
    client.programs.update(program_pb2.Program(id="a", name="b", etag="4"), ["name"])
    assert list(scripted.asked[0].update_mask.paths) == ["name"]
    assert scripted.asked[0].program.etag == "4"


def test_an_upsert_tells_what_it_made_and_whether_it_is_new(served: Served) -> None:
    """By the names that each kind's service gives it."""
    scripted, client = served
    scripted.answer = lambda request, context: UpsertProgramResponse(program=request.program, created=True)
    assert client.programs.upsert(program_pb2.Program(name="a")) == (program_pb2.Program(name="a"), True)
    scripted.answer = lambda request, context: dataset_requests_pb2.UpsertDatasetResponse(dataset=request.dataset)
    assert client.datasets.upsert(dataset_pb2.Dataset(name="b")) == (dataset_pb2.Dataset(name="b"), False)
    assert isinstance(client.spaces, Unique) and scripted.asked[0].program.name == "a"


def test_a_gateway_that_is_not_there_is_named_with_the_remedy() -> None:
    """No socket's words reach a person."""
    with socket.socket() as held:  # bound and never listening: nobody else can answer there
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with Client(address, api_key="k") as client, pytest.raises(errors.Unavailable, match="make up") as caught:
            client.programs.get("a")
    assert address in caught.value.message


def test_the_figures_of_a_program_are_its_computed_fields() -> None:
    """Each of them, and nothing that is stored."""
    from ashgrove.figures import FIGURES

    from services.program.resources import Program

    assert sorted(FIGURES) == sorted(Program.computed)


def test_a_file_that_cannot_be_read_is_named(served: Served, tmp_path: Path) -> None:
    """What went wrong while the requests were made is said as it is, and the service adds nothing."""
    service, client = served
    service.answer = lambda requests, _: list(requests)
    with pytest.raises(FileNotFoundError, match=r"absent\.jsonl"):
        client.datasets.upload("d", tmp_path / "absent.jsonl")
