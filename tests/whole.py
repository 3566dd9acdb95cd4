"""What must hold of runs when they have ended, whoever died meanwhile: nothing lost, paid twice, or left held."""

import asyncio
from collections import Counter, defaultdict
from functools import partial
from typing import Any

from ashgrove.audit.v1.audit_entry_requests_pb2 import VerifyAuditChainRequest
from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest

from domain.prompt_values import PromptValue
from domain.space import Space
from framework.storage import Database
from framework.testing.waiting import until
from framework.testing.workbench import PASSWORD
from services.optimizer.spaces import space_of
from services.optimizer.suggesting import Suggesting, observed
from services.program.metering.keeping import sweep
from tests.runs import AT_ONCE, PATIENCE_SECONDS, Work, finished_in

FEEDS = ("auth", "program", "variables", "optimizer")


async def whole(work: Work) -> None:
    """Asserts all of it, once the worker of programs is stopped, so that nothing is held or open any more."""
    await nothing_is_left_open(work)
    await limits_are_given_back(work)
    await runs_are_whole(work)
    await nothing_finished_is_lost(work)
    await examples_are_paid_once(work)
    await suggestions_are_replayed(work)
    await stories_have_no_gap(work)
    await the_trail_tells_each_once(work)


async def nothing_is_left_open(work: Work) -> None:
    """Soon after its end no run has a grant that can be used, or an evaluation that anybody may go on with."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await until(partial(_all_closed, work))


async def _all_closed(work: Work) -> bool:
    return not await work.processes.fetch(_LEFT_OPEN)


_LEFT_OPEN = """
SELECT g.id FROM auth.grants g JOIN optimizer.optimization_runs r ON r.grant_id = g.id WHERE g.ended_at IS NULL
UNION ALL
SELECT id FROM program.evaluations
WHERE run_id IS NOT NULL AND status IN ('WORK_STATUS_PENDING', 'WORK_STATUS_RUNNING', 'WORK_STATUS_PAUSED')
"""


async def runs_are_whole(work: Work) -> None:
    """Each run was begun once and came to its end, no trial failed, and its counts are those of its trials."""
    runs = {str(row["id"]): row for row in await work.processes.rows("SELECT * FROM optimizer.optimization_runs")}
    assert set(runs) == set(work.runs), "a run was lost, or begun twice"
    trials = await _by(work, "optimizer.trials", "optimization_run_id")
    for identifier, run in runs.items():
        own = trials[identifier]
        assert (run["status"], run["error"]) == ("STATUS_COMPLETED", ""), run
        assert sorted(t["number"] for t in own) == list(range(1, len(own) + 1))
        ends = Counter(t["status"] for t in own)
        counted = run["completed_trials"], run["dropped_trials"], run["failed_trials"]
        assert counted == (ends["STATUS_COMPLETED"], ends["STATUS_DROPPED"], 0), (run, ends)
        assert sum(counted) == len(own), (run, ends)
        if identifier not in work.told:
            fresh = [len(each["evaluation_ids"]) for each in (run["repeats_result"] or {}).get("trials", ())]
            assert fresh == ([2, 2] if run["repeats"] else []), run
            assert bool(run["holdout_result"]) == (run["holdout"] == "HOLDOUT_ON"), run
            assert ends["STATUS_DROPPED"] == (2 if run["racing"] else 0), "the hot ones of four lose, and no other"
    for identifier, told in work.told.items():
        reached = {t["number"]: t["objectives"]["gain"] for t in trials[identifier]}
        assert reached == told and len(told) == runs[identifier]["completed_trials"]


async def nothing_finished_is_lost(work: Work) -> None:
    """What was finished when a process died is there as it was."""
    for table, known in work.kept.items():
        after = await finished_in(work.processes, table)
        assert {identifier: after.get(identifier) for identifier in known} == known


async def examples_are_paid_once(work: Work) -> None:
    """A result for each example, one call of the model for each result, but for those that a claim had under way."""
    results = await _by(work, "program.evaluation_results", "evaluation_id")
    calls = await _by(work, "program.model_calls", "work_id")
    evaluations = await work.processes.rows("SELECT * FROM program.evaluations")
    for evaluation in evaluations:
        own, paid = results[str(evaluation["id"])], calls[str(evaluation["id"])]
        assert len({r["example_id"] for r in own}) == len(own) == evaluation["finished_count"]
        assert sorted(r["sequence"] for r in own) == list(range(1, len(own) + 1))
        assert sum(r["input_tokens"] for r in own) == evaluation["input_tokens"]
        if evaluation["status"] == "WORK_STATUS_COMPLETED":
            assert len(own) == evaluation["example_count"]
        sent = sum(call["status"] == "STATUS_SETTLED" for call in paid)
        # Whoever takes work from another, or halts it, may cut off what is under way: it is paid, and done again. Of
        # each place that is the example that runs, and the one before it, which is being written down.
        torn = 2 * AT_ONCE * (evaluation["fencing_token"] - (evaluation["status"] == "WORK_STATUS_COMPLETED"))
        assert len(own) <= sent <= len(own) + torn, (len(own), sent, evaluation)
    # A copy shares the evaluation of the trial that it is a copy of, and costs nothing.
    sql = "SELECT * FROM optimizer.trials WHERE evaluation_id IS NOT NULL AND origin <> 'ORIGIN_COPIED'"
    trials = await work.processes.rows(sql)
    by_id = {e["id"]: e for e in evaluations}
    assert len({t["evaluation_id"] for t in trials}) == len(trials)
    for trial in (t for t in trials if t["status"] == "STATUS_COMPLETED"):
        its = by_id[trial["evaluation_id"]]
        told = trial["finished_count"], trial["tokens"], trial["cost_micros"]
        assert told == (its["finished_count"], its["input_tokens"] + its["output_tokens"], its["cost_micros"])
    executions = await work.processes.rows("SELECT id::text, status FROM program.executions")
    assert {e["id"] for e in executions} == set(work.executions)
    assert {e["status"] for e in executions} <= {"WORK_STATUS_COMPLETED"}


async def suggestions_are_replayed(work: Work) -> None:
    """Each is chosen again from what informed it, by a strategy that remembers nothing."""
    trials = await _by(work, "optimizer.trials", "optimization_run_id")
    for run in await work.processes.rows("SELECT * FROM optimizer.optimization_runs"):
        # By number, as strategies see them: rows come in whatever order they were written last.
        own = {t["number"]: t for t in sorted(trials[str(run["id"])], key=lambda each: each["number"])}
        space = await _space(work, run)
        suggesting = Suggesting(run)
        for number, trial in own.items():
            informed = range(1, trial["informed_count"] + 1)
            finished = [observed(each) for each in own.values() if each["finish_number"] in informed]
            pending = [own[n]["configuration"] for n in trial["pending_then"]]
            again = await suggesting.next(space, number, finished, pending)
            assert (again.values, again.content_hash) == (trial["configuration"], trial["content_hash"]), (run, trial)


async def _space(work: Work, run: dict[str, Any]) -> Space:
    """Returns a run's space, with the sets of demonstrations that it has bootstrapped."""
    request = GetVariableSpaceRequest(id=str(run["variable_space_id"]))
    space = space_of(await work.do("variables", "GetVariableSpace", request))
    kept = {
        row["reference"]: row["content"] for row in await work.processes.rows("SELECT * FROM variables.prompt_values")
    }
    return space.offering({each: PromptValue("demo_set", kept[each]) for each in run["demonstration_sets"] or ()})


async def stories_have_no_gap(work: Work) -> None:
    """Of no run and of no service; every trial began and ended once in its run's."""
    events = await _by(work, "optimizer.run_events", "run_id")
    trials = await _by(work, "optimizer.trials", "optimization_run_id")
    for run in work.runs:
        story = sorted(events[run], key=lambda e: e["sequence"])
        assert [e["sequence"] for e in story] == list(range(1, len(story) + 1))
        kinds = Counter(e["event"]["type"] for e in story)
        assert kinds["TYPE_RUN_CREATED"] == kinds["TYPE_RUN_ENDED"] == 1
        assert story[-1]["event"]["type"] == "TYPE_RUN_ENDED"
        assert kinds["TYPE_BOOTSTRAPPED"] in (0, 1), "a run has told twice what it found"
        assert kinds["TYPE_TRIAL_REPEATED"] in (0, 2), "a run has told twice what it found afresh"
        ends = kinds["TYPE_TRIAL_COMPLETED"] + kinds["TYPE_TRIAL_DROPPED"]
        assert kinds["TYPE_TRIAL_STARTED"] == ends == len(trials[run])
    for service in FEEDS:
        sql = f"SELECT count(*), min(sequence), max(sequence) FROM {service}.feed"
        ((count, first, last),) = await work.processes.fetch(sql)
        assert (first, last) == (1, count), service


async def the_trail_tells_each_once(work: Work) -> None:
    """Of each event that the feeds told one by one there is one entry, and the chain holds."""
    for service in FEEDS:
        told = await work.processes.fetch(
            f"SELECT event->>'id' FROM {service}.feed WHERE event->>'audit' IS DISTINCT FROM 'AUDIT_SUMMARY'"
        )
        # Afterwards: something may still be told between two looks.
        await work.processes.caught_up("audit", service)
        entries = await work.processes.fetch("SELECT id::text FROM audit.audit_entries WHERE source = %s", service)
        assert len(entries) == len(set(entries)) and not set(told) - set(entries), service
    verdict = await work.do("audit", "VerifyAuditChain", VerifyAuditChainRequest())
    assert verdict.valid, verdict


async def limits_are_given_back(work: Work) -> None:
    """When no worker lives, nothing is reserved or held, and what is drawn of money is what was spent."""
    await work.processes.stop("program-worker")
    await work.processes.rows("UPDATE program.model_workers SET lease_until = now() - interval '1 s' RETURNING worker")
    database = Database(work.processes.url, PASSWORD, "program", size=2)
    await database.open()
    await sweep(database)  # as every worker does for those that died
    await database.close()
    assert not await work.processes.rows("SELECT * FROM program.model_workers")
    assert not await work.processes.rows("SELECT * FROM program.model_calls WHERE status = 'STATUS_RESERVED'")
    assert not await work.processes.rows("SELECT * FROM program.model_allotments")
    drawn = await work.processes.fetch("SELECT unit, sum(drawn)::bigint FROM program.model_allowances GROUP BY unit")
    ((settled, cost),) = await work.processes.fetch(
        "SELECT count(*), sum(cost_nanos)::bigint FROM program.model_calls WHERE status = 'STATUS_SETTLED'"
    )
    assert dict(drawn) == {"slots": 0, "money": cost}
    usage = await work.processes.fetch(
        "SELECT sum(requests)::bigint, sum(cost_nanos)::bigint FROM program.connector_usage"
    )
    assert usage == [(settled, cost)]
    kills = sum(victim == "program-worker" for victim, _ in work.kills)
    assert settled >= len(work.models.requests) - kills * 2 * AT_ONCE, "a call was made that is not in the books"


async def _by(work: Work, table: str, column: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in await work.processes.rows(f"SELECT * FROM {table}"):
        found[str(row[column])].append(row)
    return found
