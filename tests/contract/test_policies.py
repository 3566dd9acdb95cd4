"""Every declared resource's policies mean something: somebody can do everything, and every check decides somewhere.

A check that is said though it never decides is reviewed here, with why it is said.
"""

import pytest
from subjects import EVERY, REGISTRIES, ids

from framework.policy import report, report_on_fields
from framework.policy.report import who_can
from framework.resource import Registry, ResourceSpec

# Whoever archives what is theirs; only administrators, whom the bypass lets pass, delete it for good.
_PURGE = "has_role(admin) never decides in `Purge: needs has_role(admin)`: it could as well be false"
# The policy that names a verb shows that its author thought of it; another one is stricter already.
REVIEWED = {
    "User": {
        "has_role(admin) never decides in `everything: bypass has_role(admin)`: it could as well be false",
        "has_role(admin) never decides in `Create, Update, CreateServiceAccount: needs has_role(admin)`: "
        "it could as well be false",
    },
    "AuditEntry": {
        "has_role(admin) never decides in `VerifyAuditChain: needs has_role(admin)`: it could as well be false"
    },
    "Program": {"signed_in never decides in `Create: needs (signed_in and owns)`: it could as well be true", _PURGE},
    "Dataset": {"signed_in never decides in `Create: needs (signed_in and owns)`: it could as well be true", _PURGE},
    "ProgramAlias": {_PURGE},
    "Feedback": {_PURGE},
    "VariableSpace": {_PURGE},
    "VariableConfiguration": {_PURGE},
    "Component": {_PURGE},
    "Execution": {
        "signed_in never decides in `ExecuteProgram, BatchExecuteProgram: needs signed_in`: it could as well be true"
    },
    "Evaluation": {
        "signed_in never decides in `EvaluateProgram: needs signed_in`: it could as well be true",
        "signed_in never decides in `Create, CancelEvaluation, PauseEvaluation: needs (signed_in and owns)`: "
        "it could as well be true",
    },
    "VariablePreset": {
        _PURGE,
        "has_role(admin) never decides in `AddDefaultPresets: needs has_role(admin)`: it could as well be false",
    },
    "OptimizationRun": {
        "signed_in never decides in `Create, CreateOptimizationRun, EstimateOptimizationRun: needs signed_in`:"
        " it could as well be true"
    },
}

ONES_OWN = {
    *("AcceptInvitation", "Authenticate", "ChangePassword", "EndMembership", "EndSession", "RefreshAccessToken"),
    *("CreateApiKey", "RevokeApiKey", "RotateApiKey", "SetPreferences", "SignIn"),
}
"""What everybody does for themselves."""
OPERATORS = {
    *("BreakGlass", "CreateOrganization", "ResumeOrganization", "SuspendOrganization", "ShareConnector"),
    *("ArchiveConnector", "CheckConnector", "CreateConnector", "TryConnector", "UnarchiveConnector"),
    *("UnshareConnector", "UpdateConnector"),
}
"""What operators do, whose role in an organization is no matter."""
COMPUTED = {
    *("AnalyzeVariableSpace", "ExtractVariableSpace", "GenerateConfigurations", "ImportVariableSpace"),
    "StreamConfigurations",
}
"""What computes and keeps nothing."""


@pytest.mark.parametrize("pair", EVERY, ids=ids(EVERY))
def test_policies_say_nothing_that_they_cannot_mean(pair: tuple[Registry, ResourceSpec]) -> None:
    """Simplify the policy, or review it above."""
    registry, spec = pair
    verbs = list(dict.fromkeys(registry.actions(spec).values()))
    found = report(spec.policies, verbs)
    assert not [str(finding) for finding in found if finding.nobody]
    assert {str(finding) for finding in found} <= REVIEWED.get(spec.noun, set())


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.service)
def test_whoever_may_only_look_changes_nothing(registry: Registry) -> None:
    """Viewers, people without a role and nobody known reach no write, whatever the row says, but those above."""
    lookers = {"viewers", "people without a role", "anybody"}
    writes = [m for m in registry.methods.values() if not m.reads]
    reached = {m.name for m in writes if who_can(m.resource.policies, m.ruled_by) & lookers}
    assert reached == {m.name for m in writes if m.name in ONES_OWN | OPERATORS | COMPUTED}


@pytest.mark.parametrize("pair", EVERY, ids=ids(EVERY))
def test_field_policies_say_nothing_that_they_cannot_mean(pair: tuple[Registry, ResourceSpec]) -> None:
    """Somebody can read every field, and every check decides for somebody; those that nobody writes are not asked."""
    _, spec = pair
    written = {name for name, field in spec.fields.items() if not field.output_only}
    assert [str(finding) for finding in report_on_fields(spec.field_policies, written)] == []


@pytest.mark.parametrize("pair", EVERY, ids=ids(EVERY))
def test_every_resource_can_be_asked_for_its_permissions(pair: tuple[Registry, ResourceSpec]) -> None:
    """By both RPCs; the suite holds what they answer."""
    registry, spec = pair
    asked = {f"Test{spec.noun}Permissions", f"Explain{spec.noun}Access"}
    assert asked <= {method.name for method in registry.methods.values()}
