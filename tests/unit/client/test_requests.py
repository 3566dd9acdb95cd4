"""What each method of the client asks for: names of RPCs are looked up at run time, so every one is asked once."""

from typing import Any

import pytest
from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import api_key_pb2, invitation_pb2, organization_pb2, user_pb2
from ashgrove.client import Client
from ashgrove.collection import Archived, Kind, Listed
from ashgrove.objectives import Objective
from ashgrove.optimizer.v1 import optimization_run_pb2, pareto_front_pb2
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetParetoFrontRequest
from ashgrove.program.v1 import (
    dataset_pb2,
    dataset_requests_pb2,
    execution_pb2,
    execution_requests_pb2,
    metric_pb2,
    program_pb2,
)
from ashgrove.program.v1.evaluation_requests_pb2 import ListEvaluationResultsResponse, ListEvaluationsResponse
from ashgrove.programs import field
from ashgrove.spaces import Boolean, Choice, Float, Integer

from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]
_Objective = optimization_run_pb2.Objective


def _kinds(client: Client) -> list[Kind[Any]]:
    return [kind for kind in vars(client).values() if isinstance(kind, Kind)]


def test_every_kind_names_rpcs_that_its_service_has(served: Served) -> None:
    """What the generic part composes exists: reads, lists and archives of every kind, request messages included."""
    _, client = served
    for kind in _kinds(client):
        composed = []
        if hasattr(kind, "get"):
            composed.append(f"Get{kind.noun}")
        if isinstance(kind, Listed | Archived):
            composed.append("List" + "".join(w.capitalize() for w in kind.plural.split("_")))
        if isinstance(kind, Archived):
            composed.append(f"Archive{kind.noun}")
        for rpc in composed:
            assert hasattr(kind._stub, rpc), (kind, rpc)
            assert kind._request(rpc) is not None


def _asked(served: Served, answer: Any, call: Any) -> Any:
    """Returns the one request that a call of the client sends when it is answered so."""
    scripted, client = served
    scripted.answer = lambda request, context: answer
    call(client)
    (request,) = scripted.asked
    return request


def test_an_objective_carries_what_was_said_and_no_more(served: Served) -> None:
    """A plain name leaves the direction to the metric; threshold and reference of 0 are not absent ones."""
    wanted = ["exact_match", Objective("kilobytes", "minimize", threshold=0.0, reference=256)]
    wanted.append(Objective("latency_ms", aggregation="p95"))
    run = optimization_run_pb2.OptimizationRun(id="r")
    asked = _asked(served, run, lambda c: c.runs.create("p", "s", "d", strategy="sobol", objectives=wanted))
    first, second, third = asked.optimization_run.objectives
    assert first == _Objective(metric="exact_match")
    assert not first.HasField("threshold") and not first.HasField("reference")
    assert second.direction == _Objective.DIRECTION_MINIMIZE
    assert second.HasField("threshold") and second.reference == 256
    assert third.aggregation == _Objective.AGGREGATION_P95
    assert asked.optimization_run.strategy == optimization_run_pb2.OptimizationRun.STRATEGY_SOBOL


def test_a_custom_program_is_what_has_an_entry_point(served: Served) -> None:
    """The entry point decides the type; without one it is the kind that was asked for."""
    fields = [field("image")], [field("digit", choices=["0", "1"])]
    _, client = served
    asked = _asked(
        served,
        program_pb2.Program(),
        lambda c: c.programs.create("d", inputs=fields[0], outputs=fields[1], entry_point="digits-classifier@1"),
    )
    assert asked.program.type == program_pb2.Program.TYPE_CUSTOM
    assert asked.program.program_config.entry_point == "digits-classifier@1"
    client.programs.create("d", inputs=fields[0], outputs=fields[1], kind="chain_of_thought")
    assert served[0].asked[1].program.type == program_pb2.Program.TYPE_CHAIN_OF_THOUGHT
    assert not served[0].asked[1].program.HasField("program_config")


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_runs_are_moved_by_their_id(served: Served, verb: str) -> None:
    """Each verb is an RPC of its own."""
    run = optimization_run_pb2.OptimizationRun(id="r")
    request = _asked(served, run, lambda c: getattr(c.runs, verb)("r"))
    assert type(request).__name__ == f"{verb.capitalize()}OptimizationRunRequest"
    assert request.id == "r"


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_evaluations_are_moved_by_their_id(served: Served, verb: str) -> None:
    """Each verb is an RPC of its own."""
    request = _asked(served, execution_pb2.Evaluation(id="e"), lambda c: getattr(c.evaluations, verb)("e"))
    assert type(request).__name__ == f"{verb.capitalize()}EvaluationRequest"
    assert request.id == "e"


def test_the_front_is_asked_by_run(served: Served) -> None:
    """The answer is the front as the server told it."""
    front = pareto_front_pb2.ParetoFront(run_id="r", version=3)
    assert _asked(served, front, lambda c: c.runs.front("r")) == GetParetoFrontRequest(id="r")
    assert served[1].runs.front("r") == front


def test_metrics_and_custom_programs_come_as_they_are(served: Served) -> None:
    """Those that cannot be used are among them, with their error."""
    scripted, client = served
    metric = metric_pb2.Metric(name="broken", error="it raises at import")
    scripted.answer = lambda request, context: metric_pb2.ListMetricsResponse(metrics=[metric])
    assert list(client.metrics.list()) == [metric]
    program = metric_pb2.CustomProgram(entry_point="a@1")
    scripted.answer = lambda request, context: metric_pb2.ListCustomProgramsResponse(custom_programs=[program])
    assert list(client.programs.custom()) == [program]


def test_executions_and_evaluations_are_listed_within_their_program(served: Served) -> None:
    """The program is in the request, filter and order beside it."""
    scripted, client = served
    scripted.answer = lambda request, context: execution_requests_pb2.ListExecutionsResponse()
    assert list(client.executions.list("p", filter="a = 1")) == []
    scripted.answer = lambda request, context: ListEvaluationsResponse()
    assert list(client.evaluations.list("p", order_by="created_at")) == []
    assert [(r.program_id, r.filter, r.order_by) for r in scripted.asked] == [
        ("p", "a = 1", ""),
        ("p", "", "created_at"),
    ]


def test_results_and_examples_come_in_their_order(served: Served) -> None:
    """Results by sequence, examples by position: what a stream and an upload promise."""
    scripted, client = served
    scripted.answer = lambda request, context: ListEvaluationResultsResponse()
    assert list(client.evaluations.results("e")) == []
    scripted.answer = lambda request, context: dataset_requests_pb2.ListExamplesResponse()
    assert list(client.datasets.examples("d")) == []
    assert [r.order_by for r in scripted.asked] == ["sequence", "position"]


def test_what_was_put_away_is_listed_on_request(served: Served) -> None:
    """Archiving sends the etag that was given; lists show archived ones only when asked."""
    scripted, client = served
    scripted.answer = lambda request, context: dataset_pb2.Dataset(id=request.id)
    client.datasets.archive("d", etag="7")
    scripted.answer = lambda request, context: dataset_requests_pb2.ListDatasetsResponse()
    assert [list(client.datasets.list()), list(client.datasets.list(archived=True))] == [[], []]
    assert scripted.asked[0] == dataset_requests_pb2.ArchiveDatasetRequest(id="d", etag="7")
    assert [r.show_archived for r in scripted.asked[1:]] == [False, True]


def test_people_keys_and_organizations(served: Served) -> None:
    """Each is created from its message; a key is revoked by its id."""
    _, client = served
    asked: list[tuple[str, Any]] = []
    for kind in (client.users, client.keys, client.organizations, client.invitations):
        kind._call = lambda rpc, **fields: asked.append((rpc, fields))  # type: ignore[method-assign]
    client.users.create(user_pb2.User(email="a@b.test"))
    client.keys.create(api_key_pb2.ApiKey(name="k"))
    client.keys.revoke("k")
    client.organizations.create(organization_pb2.Organization(name="o"), "a@b.test")
    client.organizations.suspend("o", "unpaid")
    client.organizations.resume("o")
    client.organizations.break_glass("o", "support ticket", role="admin", seconds=60)
    client.users.update("u", role=user_pb2.User.ROLE_VIEWER)
    client.users.end_membership("u")
    client.users.create_service_account("nightly", role="viewer")
    client.users.set_preferences(user_pb2.UserPreferences(locale="sv"))
    client.invitations.create(invitation_pb2.Invitation(email="a@b.test"))
    client.invitations.revoke("i")
    for rpc, fields in asked:
        assert hasattr(AuthArea(client._connection.channel), rpc)
        client.users._request(rpc, **fields)
    assert len(asked) == 13


def test_domains_become_variables() -> None:
    """Range, scale, choices and default are what was written."""
    assert Float(0.01, 10, default=1.0, log=True).variable("c").float.log
    assert Float(0, 1, step=0.1).variable("c").float.step == 0.1
    assert Integer(1, 9).variable("n").integer.high == 9
    assert Choice(["a", 2], default=2).variable("x").default.number_value == 2
    assert Boolean().variable("b").WhichOneof("domain") == "boolean"
