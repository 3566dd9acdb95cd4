"""Two organizations: every public RPC, with the other's ids in every position, over gRPC and REST."""

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from framework.resource.registry import is_read
from tests.e2e.api import Api
from tests.e2e.belongings import Belongings
from tests.e2e.conftest import Stack
from tests.e2e.positions import FUZZED, noun_of, put, rpc_positions, sound
from tests.e2e.rpcs import Answer, Rpc, public, resource_nouns

MARK = f"canary{uuid.uuid4().hex[:10]}"
RPCS = public()
NOUNS = resource_nouns()
# What answers even a sound request of this caller with a refusal, and with which.
SOUND_AND_REFUSED = {
    "AnalyzeVariableImportance": "FAILED_PRECONDITION",  # two trials say nothing yet
    "Authenticate": "INVALID_ARGUMENT",  # it takes a secret
    "AcceptInvitation": "UNAUTHENTICATED",  # nobody was invited
    "SignIn": "UNAUTHENTICATED",  # nor is anybody known
    "ChangePassword": "UNAUTHENTICATED",
    "CreateOrganization": "PERMISSION_DENIED",  # it takes an operator
    "ShareConnector": "PERMISSION_DENIED",
    "UnshareConnector": "PERMISSION_DENIED",
    "GetConnectorShare": "NOT_FOUND",  # none was shared, and no call was made
    "GetModelCall": "NOT_FOUND",
    "ExplainConnectorShareAccess": "NOT_FOUND",
    "ExplainModelCallAccess": "NOT_FOUND",
    "SuspendOrganization": "PERMISSION_DENIED",
    "ResumeOrganization": "PERMISSION_DENIED",
    "BreakGlass": "PERMISSION_DENIED",
    "BatchCreateVariableConfigurations": "ALREADY_EXISTS",  # the same values are kept once
    "CreateVariableConfiguration": "ALREADY_EXISTS",
    "GetAuditCheckpoint": "NOT_FOUND",  # none is signed before five minutes
    "BatchCreateVariablePresets": "ALREADY_EXISTS",  # a preset is called like its variable
    "CreateVariablePreset": "ALREADY_EXISTS",
    "ExplainAuditCheckpointAccess": "NOT_FOUND",
    "ExplainBuiltInComponentAccess": "NOT_FOUND",  # those belong to nobody
    "GetBuiltInComponent": "NOT_FOUND",
    "RemoveConstraint": "INVALID_ARGUMENT",  # there is none
    "RefreshAccessToken": "INVALID_ARGUMENT",  # so does this
    "EndSession": "INVALID_ARGUMENT",
    "UploadExamples": "INVALID_ARGUMENT",  # an empty file holds no rows
    "RollbackProgramAlias": "FAILED_PRECONDITION",  # it has never been anything else
    "SuggestTrials": "FAILED_PRECONDITION",  # the run is the platform's to evaluate
    "PushTrials": "FAILED_PRECONDITION",
    "CompleteTrials": "FAILED_PRECONDITION",
    "RenewTrials": "FAILED_PRECONDITION",
    "ReportMeasurements": "FAILED_PRECONDITION",
    "ReportExamples": "FAILED_PRECONDITION",
    "ExtendSpace": "FAILED_PRECONDITION",
    "ImportTrials": "FAILED_PRECONDITION",
    "CompareOptimizationRuns": "INVALID_ARGUMENT",  # it takes two
    "ResumeOptimizationRun": "FAILED_PRECONDITION",  # the run has ended
    "RetryOptimizationRun": "FAILED_PRECONDITION",  # it has not failed
}
DENIED: set[str] = set()
"""Foreign ids that the caller named and was denied: its own trail tells it what it asked."""
every_rpc = pytest.mark.parametrize("rpc", RPCS, ids=[rpc.name for rpc in RPCS])


@pytest.fixture(scope="module")
def theirs(stranger: Api) -> Belongings:
    """What the other organization has, marked."""
    return Belongings(stranger, MARK)


@pytest.fixture(scope="module")
def ours(admin: Api, theirs: Belongings) -> Belongings:
    """What the caller has."""
    return Belongings(admin, "plain")


@pytest.fixture(scope="module")
def channel(stack: Stack, admin: Api) -> Iterator[grpc.Channel]:
    """The gateway over gRPC."""
    with admin.channel() as opened:
        yield opened


def answers(rpc: Rpc, channel: grpc.Channel, api: Api, asked: Message) -> list[Answer]:
    """Returns the answer of each transport."""
    by_grpc, by_rest = rpc.grpc(channel, api, asked), rpc.rest(api, asked)
    return [by_grpc, *([by_rest] if by_rest else [])]


def scrubbed(text: str, identifier: str) -> str:
    """Returns an answer without what differs from call to call: the id that was asked for, request ids."""
    return re.sub(
        r"request_id[^,}]*|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f-]{17}", "ID", text.replace(identifier, "ID")
    )


def nothing_of(theirs: Belongings, answer: Answer, *sent: str) -> bool:
    """Says whether an answer holds not one byte of the other organization but what was sent."""
    return MARK not in answer.text and not [one for one in theirs.ids.difference(sent) if one in answer.text]


def named_by_us(rpc: Rpc) -> set[str]:
    """Returns the foreign ids that an RPC may tell because the caller named them: those in its own trail."""
    return DENIED if "AuditEntr" in rpc.name else set()


@every_rpc
def test_a_foreign_id_answers_as_one_that_nobody_has(
    rpc: Rpc, channel: grpc.Channel, ours: Belongings, theirs: Belongings
) -> None:
    """In every position: the same code, the same words, not one foreign byte."""
    FUZZED["RPCs"] += 1
    for path in rpc_positions(rpc):
        foreign, missing = theirs.id(noun_of(rpc, path, NOUNS)), str(uuid.uuid4())
        told = []
        for identifier in (foreign, missing):
            asked = sound(rpc, ours, NOUNS)
            put(asked, path, identifier)
            told.append(answers(rpc, channel, ours.api, asked))
        FUZZED.update({"positions": 1, "calls": sum(map(len, told))})
        for theirs_told, nobodys in zip(*told, strict=True):
            if theirs_told.code == "PERMISSION_DENIED":
                DENIED.add(foreign)
            assert nothing_of(theirs, theirs_told, foreign), (path, theirs_told)
            assert theirs_told.code == nobodys.code, (path, theirs_told, nobodys)
            if theirs_told.code not in ("OK", "200"):
                assert scrubbed(theirs_told.text, foreign) == scrubbed(nobodys.text, missing), path


# Those that would end something of the caller's are not tried on it.
HARMLESS = [rpc for rpc in RPCS if not rpc.ends_something]


@pytest.mark.parametrize("rpc", HARMLESS, ids=[rpc.name for rpc in HARMLESS])
def test_a_call_in_ones_own_name_tells_nothing_foreign(
    rpc: Rpc, channel: grpc.Channel, ours: Belongings, theirs: Belongings
) -> None:
    """Whatever the headers claim: the tenant comes from the credential. And the fuzzed requests reach the act."""
    header = theirs.id("Organization")
    sent = {header} | named_by_us(rpc)
    asked = sound(rpc, ours, NOUNS)
    spoofed = rpc.grpc(channel, ours.api, asked, **{"x-ashgrove-organization": header, "x-organization-id": header})
    told = answers(rpc, channel, ours.api, sound(rpc, ours, NOUNS))
    for answer in (spoofed, *told):
        assert nothing_of(theirs, answer, *sent), answer
    assert told[0].code == SOUND_AND_REFUSED.get(rpc.name, "OK"), told[0]


LISTS = [rpc for rpc in RPCS if "page_token" in rpc.request.DESCRIPTOR.fields_by_name]
every_list = pytest.mark.parametrize("rpc", LISTS, ids=[rpc.name for rpc in LISTS])


@every_list
def test_a_foreign_page_token_is_no_token(
    rpc: Rpc, channel: grpc.Channel, ours: Belongings, theirs: Belongings
) -> None:
    """It answers as a forged one does."""
    asked: Any = sound(rpc, theirs, NOUNS)
    asked.page_size = 1
    token = json.loads(rpc.grpc(channel, theirs.api, asked).text).get("next_page_token")
    asked = sound(rpc, ours, NOUNS)
    asked.page_token = token or "forged"
    answer = rpc.grpc(channel, ours.api, asked)
    assert answer.code == "INVALID_ARGUMENT" and "INVALID_PAGE_TOKEN" in answer.text


@every_list
def test_no_filter_finds_or_counts_a_foreign_row(
    rpc: Rpc, channel: grpc.Channel, ours: Belongings, theirs: Belongings
) -> None:
    """By any field that holds an id, archived rows included."""
    asked: Any = sound(rpc, ours, NOUNS)
    (rows,) = [f for f in rpc.descriptor.output_type.fields if f.message_type is not None]
    foreign = {theirs.id(noun) for noun in theirs.found} - named_by_us(rpc)
    any_of_them = " OR ".join(f'"{identifier}"' for identifier in sorted(foreign))
    for name in {"show_total_size", "show_archived"}.intersection(asked.DESCRIPTOR.fields_by_name):
        setattr(asked, name, True)
    for field in [f.name for f in rows.message_type.fields if f.name == "id" or f.name.endswith("_id")]:
        asked.filter = f"{field} = ({any_of_them})"
        answer = rpc.grpc(channel, ours.api, asked)
        if answer.code != "OK":  # a field that takes no part in filters
            assert answer.code == "INVALID_ARGUMENT" and field in answer.text, answer
            continue
        told = json.loads(answer.text)
        assert not told.get(rows.name) and not int(told.get("total_size", 0)), (field, told)


def test_a_foreign_request_id_is_free(ours: Belongings, theirs: Belongings) -> None:
    """Two organizations may choose the same one: each gets its own answer."""
    chosen = uuid.uuid4().hex
    name = f"same {chosen}"
    body = {"name": name, "variables": [{"name": "heat", "float": {"low": 0, "high": 1}}]}
    made = [one.api.post(f"/v1/variableSpaces?request_id={chosen}", body)["id"] for one in (theirs, ours)]
    assert made[0] != made[1]
    assert [one.api.get(f"/v1/variableSpaces/{i}")["name"] for one, i in zip((theirs, ours), made, strict=True)]


# What computes and keeps nothing, whatever its name says.
COMPUTING = {
    *("AnalyzeVariableImportance", "AnalyzeVariableSpace", "GenerateConfigurations", "StreamConfigurations"),
    *("ExtractVariableSpace", "ImportVariableSpace", "VerifyAuditChain"),
    *(
        "EstimateOptimizationRun",
        "CheckCompatibility",
        "InferDatasetFields",
        "InferSchema",
        "MergeSchemas",
        "WriteJsonSchema",
    ),
}
# What is so already is not written again, and not told.
DONE_BEFORE = {
    *("AddPromptValue", "CancelEvaluation", "CancelExecution", "CancelOptimizationRun", "PauseEvaluation"),
    "ResumeOptimizationRun",  # it runs, once it was extended
}
# What it writes is declared to be a summary: one entry for all of a time, which names no request.
IN_SUMMARY = {"BatchExecuteProgram", "ExecuteProgram"}
CUT = "cut"
"""Instead of a code, for a stream that was ended before it said anything: whether it began is not known."""
LATER = ("Archive", "Unarchive", "Cancel", "Pause", "Revoke", "End", "Purge")


def in_earnest(rpc: Rpc, ours: Belongings) -> Message:
    """Returns a sound request that is no rehearsal, and whose update changes something."""
    asked: Any = sound(rpc, ours, NOUNS)
    if "validate_only" in asked.DESCRIPTOR.fields_by_name:
        asked.validate_only = False
    named = asked.DESCRIPTOR.fields_by_name
    if rpc.name.startswith("Upsert") or (rpc.name.startswith("Update") and "update_mask" in named):
        body = getattr(asked, asked.DESCRIPTOR.fields[0].name)
        names = body.DESCRIPTOR.fields_by_name
        changed = next(name for name in ("description", "variable", "name") if name in names)
        told = body.variable if changed == "variable" else body
        setattr(told, "name" if changed == "name" else "description", f"changed {uuid.uuid4().hex}")
        if "update_mask" in named:
            asked.update_mask.paths.append(changed)
    return asked


def rank(rpc: Rpc) -> int:
    """Returns when an RPC has its turn: what ends something comes late, and what undoes that after it."""
    return next((place for place, verb in enumerate(LATER, 1) if rpc.name.startswith(verb)), 0)


def wanted(rpc: Rpc, code: str) -> str:
    """Returns which kind of entries a call leaves that was answered with this code."""
    if code == "PERMISSION_DENIED":
        return "denied"
    if code != "OK":
        return ""
    if is_read(rpc.name) or rpc.name in COMPUTING | DONE_BEFORE | IN_SUMMARY:
        return "exported" if rpc.request.DESCRIPTOR.name == "ExportRequest" else ""
    return "written"


def kind_of(entry: dict[str, Any]) -> str:
    """Returns which kind an entry is."""
    ending = entry["type"].rpartition(".")[2]
    return ending if ending in ("denied", "exported") else "written"


def faults(rpc: Rpc, code: str, entries: list[dict[str, Any]]) -> Iterator[str]:
    """Yields what is wrong with the entries that a call left."""
    if code == CUT:
        return
    kinds = Counter((kind_of(entry), entry["type"], entry.get("resource_id")) for entry in entries)
    if {kind for kind, *_ in kinds} != {wanted(rpc, code)} - {""}:
        yield f"{wanted(rpc, code) or 'nothing'} is to be told, and what was is {dict(kinds)}"
    if set(kinds.values()) - {1}:
        yield f"more than once: {kinds}"


@pytest.mark.timeout(300)
def test_every_call_that_writes_leaves_one_entry_for_what_it_wrote(channel: grpc.Channel, ours: Belongings) -> None:
    """Exports and refusals one, reads none: of every RPC, done in earnest, those last that end something."""

    def done(rpc: Rpc) -> tuple[str, tuple[Rpc, str]]:
        name = f"once-{uuid.uuid4()}"
        answer = rpc.grpc(channel, ours.api, in_earnest(rpc, ours), **{"x-request-id": name})
        heard = answer.text or not rpc.descriptor.server_streaming
        return name, (rpc, answer.code if heard else CUT)

    streams = [rpc for rpc in RPCS if rpc.descriptor.server_streaming]
    with ThreadPoolExecutor(8) as pool:  # each is listened to for a while, and none of them ends anything
        asked = dict(pool.map(done, streams))
    asked |= dict(map(done, sorted([rpc for rpc in RPCS if rpc not in streams], key=rank)))
    missing = {name for name, (rpc, code) in asked.items() if wanted(rpc, code)}
    found: dict[str, list[dict[str, Any]]] = {}
    summed: set[str] = set()
    deadline = time.monotonic() + 120  # what is missing then is named below
    while (missing or not summed >= IN_SUMMARY) and time.monotonic() < deadline:
        entries = ours.api.get("/v1/auditEntries?page_size=1000")["audit_entries"]
        found = {name: [e for e in entries if e["request_id"] == name] for name in asked}
        missing = {name for name in missing if not found[name]}
        summed = {entry["action"] for entry in entries if int((entry.get("data") or {}).get("count", 0))}
    assert summed >= IN_SUMMARY
    wrong = [
        f"{rpc.name}: {code}: {told}" for name, (rpc, code) in asked.items() for told in faults(rpc, code, found[name])
    ]
    assert not wrong, "\n".join(wrong)
