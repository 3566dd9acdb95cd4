"""Every RPC that writes can be tried without being done, and sent twice while done once, or is listed with why not."""

import pytest
from subjects import EVERY, REGISTRIES

from framework.resource import MethodSpec

WRITING = [m for registry in REGISTRIES for m in registry.methods.values() if not m.reads]
_KEEPS_NOTHING = "it computes and keeps nothing: asked twice it answers twice"
_SIGNS_IN = "who calls is what it finds out: there is nobody yet whose request ids could be kept apart"
_ASKS = "it asks a model, which cannot be tried; asked twice it asks twice"
_STREAM = "its answer is a stream; "
_LEASED = "a client's name makes it one however often it is sent: "
_OPERATOR = "it is the operator's and acts on the platform's tables, where no tenant keeps request ids; "
NEITHER = {
    "AcceptInvitation": _SIGNS_IN + "; a token is accepted once",
    "AnalyzeVariableImportance": _KEEPS_NOTHING,
    "AnalyzeVariableSpace": _KEEPS_NOTHING,
    "Authenticate": _SIGNS_IN,
    "BreakGlass": _OPERATOR + "each time is told to the organization",
    "ChangePassword": _SIGNS_IN + "; a password is not kept to be compared",
    "CheckCompatibility": _KEEPS_NOTHING,
    "CheckConnector": _ASKS,
    "CompleteTrials": _LEASED + "the same values again change nothing, others are refused",
    "CreateOrganization": _OPERATOR + "its name is unique",
    "EndSession": _SIGNS_IN + "; ending twice is no error",
    "EstimateOptimizationRun": _ASKS + "; without a probe it keeps nothing",
    "EvaluateProgram": _STREAM + "an `evaluation_id` of the caller's choice makes it one however often it is asked for",
    "ExtendSpace": _LEASED + "what is in the space already is not added again",
    "ExtractVariableSpace": _KEEPS_NOTHING,
    "GenerateConfigurations": _KEEPS_NOTHING,
    "ImportTrials": "a trial's number makes it one however often it is sent; another end of it is refused",
    "ImportVariableSpace": _KEEPS_NOTHING,
    "InferDatasetFields": _KEEPS_NOTHING,
    "InferSchema": _KEEPS_NOTHING,
    "MergeSchemas": _KEEPS_NOTHING,
    "RefreshAccessToken": _SIGNS_IN + "; a token that is used twice is a stolen one",
    "RenewTrials": _LEASED + "a lease is so long from now",
    "ReportExamples": _LEASED + "an example that was reported is left as it was",
    "ReportMeasurements": _LEASED + "a step that was reported has the last values",
    "ResumeOrganization": _OPERATOR + "twice is no error",
    "ShareConnector": _OPERATOR + "sharing again changes the terms",
    "SignIn": _SIGNS_IN,
    "PushTrials": _STREAM + "a client that comes back has its trials already, and is sent them again",
    "SuggestTrials": _LEASED + "it has its trials already, and is given them again",
    "SuspendOrganization": _OPERATOR + "twice is no error",
    "TryConnector": _ASKS,
    "UnshareConnector": _OPERATOR + "twice is no error",
    "UploadExamples": "it is asked with a stream, whose bytes are not kept; its own `validate_only` judges a file, and "
    "with the dataset's etag, or by leaving duplicates out, it can be sent again",
    "VerifyAuditChain": _KEEPS_NOTHING,
    "WriteJsonSchema": _KEEPS_NOTHING,
}
"""RPCs that can neither be tried nor sent twice, and why."""
LOCKED = ("Archive", "Unarchive", "Purge")


def lacking(method: MethodSpec) -> set[str]:
    """Returns what a request that writes should have and has not."""
    return {"validate_only", "request_id"} - set(method.request_class.DESCRIPTOR.fields_by_name)


def test_every_write_can_be_tried_and_sent_twice_or_says_why_not() -> None:
    """Whoever adds an RPC gives it both fields, or a line above; who mends one takes its line away."""
    assert {m.name for m in WRITING if lacking(m)} == NEITHER.keys()
    assert [m.name for m in WRITING if m.name in NEITHER and len(lacking(m)) == 1] == ["UploadExamples"]


@pytest.mark.parametrize("method", [m for m in WRITING if m.name not in NEITHER], ids=lambda m: m.name)
def test_a_write_that_has_the_fields_means_them(method: MethodSpec) -> None:
    """The engine acts on them for every RPC that is no stream; nothing else decides."""
    assert method.rehearses and method.replays
    fields = method.request_class.DESCRIPTOR.fields_by_name
    assert (fields["validate_only"].type, fields["request_id"].type) == (
        fields["validate_only"].TYPE_BOOL,
        fields["request_id"].TYPE_STRING,
    )


def test_what_can_be_changed_or_put_away_can_be_locked_by_its_etag() -> None:
    """An update brings it in the resource, the others beside the id."""
    for method in [m for registry in REGISTRIES for m in registry.methods.values() if m.standard]:
        if method.verb == "Update":
            assert method.resource.has_etag, method.name
        if method.verb in LOCKED:
            assert method.resource.has_etag and "etag" in method.request_class.DESCRIPTOR.fields_by_name, method.name


def test_every_resource_is_read_one_by_one_and_says_what_may_be_done_to_it() -> None:
    """What can be listed can be read alone; `allowed_actions` tells also of what can only be read."""
    methods = {m.name for registry in REGISTRIES for m in registry.methods.values()}
    for _, spec in EVERY:
        assert {f"Get{spec.noun}", f"List{spec.plural}"} <= methods, spec.noun
        assert "allowed_actions" in spec.message.DESCRIPTOR.fields_by_name, spec.noun
