"""What the gateway refuses: wrong keys, other organizations, bad bodies; clearly, and without a leak."""

import json
import re
import uuid
from urllib.error import URLError
from urllib.parse import quote

import grpc
import pytest
from ashgrove.areas import ProgramArea
from ashgrove.program.v1.program_requests_pb2 import ListProgramsRequest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.e2e.api import SIGNATURE, Api, Refused, Setting, unique
from tests.e2e.conftest import Stack
from tests.e2e.waiting import until

LEAK = re.compile(r"Traceback|psycopg|SELECT |INSERT |sqlalchemy|\.py\b|/site-packages/", re.IGNORECASE)
PROGRAM = {"type": "TYPE_PREDICT", "signature_config": SIGNATURE}


def refused(api: Api, method: str, path: str, body: object = None) -> Refused:
    """Returns the refusal of a call that must be refused."""
    with pytest.raises(Refused) as caught:
        api.call(method, path, body)
    assert not LEAK.search(caught.value.text), caught.value.text
    return caught.value


@pytest.fixture(scope="module")
def setting(admin: Api) -> Setting:
    """Something of ours."""
    return Setting(admin, validation=5)


@pytest.mark.parametrize("key", ["", "wrong", "ashgrove_" + "a" * 43 + "_aaaaaa"])
def test_without_a_valid_key_nothing_is_told(stack: Stack, key: str) -> None:
    """No key, no key at all and a well-formed unknown key answer alike, over REST and gRPC."""
    refusal = refused(Api(stack.port, key), "GET", "/v1/programs")
    assert (refusal.code, refusal.reason) == (401, "CREDENTIAL_REFUSED")
    caller = Api(stack.port, key)
    with caller.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        ProgramArea(channel).ListPrograms(ListProgramsRequest(), metadata=caller.metadata, timeout=60)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    status, info = rpc_status.from_call(caught.value), error_details_pb2.ErrorInfo()  # type: ignore[arg-type]
    assert status is not None and status.details[0].Unpack(info)
    assert info.reason == "CREDENTIAL_REFUSED"


def test_a_refusal_does_not_say_what_is_wrong_with_a_key(stack: Stack, admin: Api) -> None:
    """A typing error, a right key for another organization, a wrong key to trade: one answer; public keys are free."""
    elsewhere = Api(stack.port, admin.key, **{"x-ashgrove-organization": str(uuid.UUID(int=0))})
    told = [refused(caller, "GET", "/v1/users").text for caller in (Api(stack.port, admin.key[:-1]), elsewhere)]
    told.append(refused(Api(stack.port, ""), "POST", "/v1/auth:authenticate", {"api_key": f"{admin.key[:-1]}~"}).text)
    assert len({json.loads(text)["details"][0]["reason"] for text in told}) == 1
    assert told[0] == told[1]
    token = Api(stack.port, "").post("/v1/auth:authenticate", {"api_key": admin.key})["access_token"]
    assert Api(stack.port, token).get("/v1/users")["users"]
    assert Api(stack.port, "nonsense").get("/v1/auth/jwks")["keys"]


def test_a_forged_identity_is_stripped(stack: Stack) -> None:
    """Headers that claim an identity do not make one."""
    forged = Api(stack.port, "", **{"x-ashgrove-identity": "admin", "x-ashgrove-role": "admin"})
    assert refused(forged, "GET", "/v1/programs").code == 401


def test_another_organization_sees_nothing_of_ours(setting: Setting, stranger: Api) -> None:
    """Every call with an id of ours answers as if there were nothing."""
    run = setting.start(max_trials=1)["id"]
    setting.watch(run)
    trial = setting.api.get(f"/v1/optimizationRuns/{run}/trials")["trials"][0]
    evaluation = trial["evaluation_id"]
    paths = [
        ("GET", f"/v1/programs/{setting.program}", None),
        ("PATCH", f"/v1/programs/{setting.program}", {"description": "x"}),
        ("POST", f"/v1/programs/{setting.program}:archive", {}),
        ("POST", f"/v1/programs/{setting.program}:clone", {"new_name": "x"}),
        ("POST", f"/v1/programs/{setting.program}:execute", {"inputs": {"text": "x"}}),
        ("GET", f"/v1/datasets/{setting.dataset}", None),
        ("POST", f"/v1/datasets/{setting.dataset}:archive", {}),
        ("GET", f"/v1/variableSpaces/{setting.space}", None),
        ("POST", f"/v1/variableSpaces/{setting.space}:validateConfiguration", {"values": {}}),
        ("POST", f"/v1/variableSpaces/{setting.space}:generateConfigurations", {"count": 1}),
        ("GET", f"/v1/optimizationRuns/{run}", None),
        ("POST", f"/v1/optimizationRuns/{run}:cancel", {}),
        ("GET", f"/v1/optimizationRuns/{run}/bestConfiguration", None),
        ("GET", f"/v1/trials/{trial['id']}", None),
        ("GET", f"/v1/evaluations/{evaluation}", None),
        ("POST", f"/v1/evaluations/{evaluation}:cancel", {}),
    ]
    for method, path, body in paths:
        refusal = refused(stranger, method, path, body)
        assert (refusal.code, refusal.reason) == (404, "RESOURCE_NOT_FOUND"), (path, refusal.text)
    ours = {"programs": setting.program, "datasets": setting.dataset, "variableSpaces": setting.space}
    for collection, identifier in (ours | {"optimizationRuns": run}).items():
        assert identifier in json.dumps(setting.api.get(f"/v1/{collection}?page_size=1000"))
        assert identifier not in json.dumps(stranger.get(f"/v1/{collection}?page_size=1000"))
    start = {"program_id": setting.program, "variable_space_id": setting.space, "dataset_id": setting.dataset}
    start |= {"strategy": "STRATEGY_RANDOM", "objectives": [{"metric": "exact_match"}], "max_trials": 1}
    assert refused(stranger, "POST", "/v1/optimizationRuns", start).code == 404


def test_an_unknown_id_and_a_foreign_one_answer_alike(setting: Setting, stranger: Api) -> None:
    """Nothing tells whether an id exists elsewhere."""
    unknown = str(uuid.uuid4())
    foreign = refused(stranger, "GET", f"/v1/programs/{setting.program}").text.replace(setting.program, "ID")
    assert foreign == refused(stranger, "GET", f"/v1/programs/{unknown}").text.replace(unknown, "ID")


def test_every_violation_is_named_with_its_path(admin: Api) -> None:
    """All at once: the name, the type, the signature's parts."""
    body = {"name": "", "signature_config": {"inputs": [{"name": "Bad Name"}], "outputs": []}}
    refusal = refused(admin, "POST", "/v1/programs", body)
    assert (refusal.code, refusal.reason) == (400, "INVALID_FIELD")
    assert {
        "program.name",
        "program.type",
        "program.signature_config.inputs[0].name",
        "program.signature_config.outputs",
    } <= refusal.fields


def test_an_example_that_misses_the_shape_is_named(setting: Setting) -> None:
    """Which example, which field; and none of the batch is kept."""
    examples = [
        {"split": "SPLIT_TRAIN", "inputs": {"text": "fine"}, "outputs": {"language": "sv"}},
        {"split": "SPLIT_TRAIN", "inputs": {"txt": "typo"}, "outputs": {"language": "klingon"}},
    ]
    before = setting.api.get(f"/v1/datasets/{setting.dataset}")
    refusal = refused(
        setting.api, "POST", f"/v1/datasets/{setting.dataset}/examples:batchCreate", {"examples": examples}
    )
    assert {"examples[1].inputs.text", "examples[1].outputs.language"} <= refusal.fields
    assert setting.api.get(f"/v1/datasets/{setting.dataset}")["revision"] == before["revision"]


def test_a_configuration_outside_its_space_is_judged_in_full(setting: Setting) -> None:
    """Every violation with its path, and no error: judging is the purpose."""
    values = {"temperature": 9, "colour": "red"}
    verdict = setting.api.post(f"/v1/variableSpaces/{setting.space}:validateConfiguration", {"values": values})
    assert not verdict["valid"]
    assert {v["path"] for v in verdict["violations"]} == {"values.temperature", "values.colour"}


def test_a_stale_etag_is_aborted_and_an_archived_program_is_not_written(admin: Api) -> None:
    """Optimistic locking, and states that name what is legal."""
    made = admin.post("/v1/programs", {"name": unique("locked"), **PROGRAM})
    path = f"/v1/programs/{made['id']}"
    changed = admin.call("PATCH", f"{path}?update_mask=description", {"description": "new", "etag": made["etag"]})
    assert changed["description"] == "new" and changed["name"] == made["name"]
    stale = refused(admin, "PATCH", f"{path}?update_mask=description", {"description": "x", "etag": made["etag"]})
    assert (stale.code, stale.reason) == (409, "STALE_ETAG")
    admin.post(f"{path}:archive", {})
    refusal = refused(admin, "POST", f"{path}:execute", {"inputs": {"text": "x"}})
    assert (refusal.code, refusal.reason) == (400, "ILLEGAL_STATE")
    assert "legal" in refusal.text


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"name": 3}', b"\xff\xfe", b'{"name": "a\\u0000b", "type": "TYPE_PREDICT"}', b"null", b'"x"'],
)
def test_bad_bodies_are_the_callers_fault(admin: Api, body: bytes) -> None:
    """A body that cannot be read or does not fit is a 400, never a 500."""
    assert refused(admin, "POST", "/v1/programs", body).code == 400


@pytest.mark.parametrize(
    "query", ["filter=name", "filter=nothing%20%3D%201", "order_by=nothing", "page_token=abc", "page_size=-1", "x=1"]
)
def test_bad_questions_are_the_callers_fault(admin: Api, query: str) -> None:
    """Filters, orders, tokens and sizes that make no sense are a 400 that says why."""
    assert refused(admin, "GET", f"/v1/programs?{query}").code == 400


def test_the_longest_filter_arrives_however_it_is_escaped(admin: Api) -> None:
    """4,096 characters are 12 KiB of an address; one more is told by its field, and what no header holds is refused."""
    longest = 'name = "' + "é" * 4087 + '"'
    assert admin.get(f"/v1/programs?read_mask=id&filter={quote(longest)}")["programs"] == []
    refusal = refused(admin, "GET", f"/v1/programs?filter={quote(longest)}%20")
    assert (refusal.code, refusal.reason) == (400, "INVALID_FIELD")
    assert refused(admin, "GET", f"/v1/programs?filter={'a' * 70_000}").code == 431


def test_too_large_a_body_is_refused(admin: Api) -> None:
    """Beyond four megabytes nothing reaches a service."""
    body = b'{"name": "' + b"a" * (5 * 1024 * 1024) + b'"}'
    with pytest.raises((Refused, URLError)) as caught:
        admin.call("POST", "/v1/programs", body)
    # The gateway may close the connection while the body is still being sent, before the answer can be read.
    if isinstance(caught.value, Refused):
        assert caught.value.code == 413
    assert "programs" in admin.get("/v1/programs?page_size=1")


def test_internal_services_are_unreachable(admin: Api) -> None:
    """Feeds and token exchange do not exist behind the gateway."""
    with admin.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        call = channel.unary_unary("/ashgrove.auth.v1.AuthInternalService/IssueServiceToken")
        call(b"", metadata=admin.metadata, timeout=60)
    assert caught.value.code() in {
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.NOT_FOUND,
    }


def test_a_viewer_reads_what_is_public_and_writes_nothing(admin: Api) -> None:
    """Roles hold at the gateway too."""
    public = {"name": unique("public"), "visibility": "VISIBILITY_PUBLIC", **PROGRAM}
    made = admin.post("/v1/programs", public)
    private = admin.post("/v1/programs", {"name": unique("private"), **PROGRAM})
    user = admin.post("/v1/users", {"email": f"{uuid.uuid4().hex}@viewer.test", "role": "ROLE_VIEWER"})
    secret = admin.post("/v1/apiKeys", {"api_key": {"name": "k", "user_id": user["id"]}})["secret"]
    viewer = Api(admin.port, secret)
    assert viewer.get(f"/v1/programs/{made['id']}")["name"] == made["name"]
    assert refused(viewer, "GET", f"/v1/programs/{private['id']}").code == 404
    assert refused(viewer, "POST", "/v1/programs", {"name": unique("no"), **PROGRAM}).code == 403
    assert refused(viewer, "POST", f"/v1/programs/{made['id']}:execute", {"inputs": {"text": "x"}}).code == 403


def test_a_revoked_key_ends(admin: Api) -> None:
    """Soon nothing is answered any more."""
    made = admin.post("/v1/apiKeys", {"api_key": {"name": "short-lived"}})
    caller = Api(admin.port, made["secret"])
    assert "programs" in caller.get("/v1/programs")
    admin.post(f"/v1/apiKeys/{made['api_key']['id']}:revoke", {})

    def answered() -> int:
        try:
            caller.get("/v1/programs")
        except Refused as refusal:
            return refusal.code
        return 0

    assert until(answered) == 401
