"""Every failpoint, and where tests have a process die at it: a new one must find its place here, which a test says."""

RUNS = {
    "optimizer-worker": (
        *("run.claimed", "trial.suggested", "trial.begun", "trial.attached", "trial.told", "trial.measured"),
        *("trial.finished", "trial.dropping", "run.looked", "run.bootstrapped", "run.repeated", "run.ended"),
    ),
    "program-worker": (
        *("work.claimed", "limit.drawn", "call.opened", "call.answered", "call.closed", "result.answered"),
        *("result.keeping", "result.kept", "evaluation.ending", "execution.answered", "limit.returned", "worker.swept"),
    ),
    "optimizer": ("run.granted", "turn.written", "turn.committed", "write.recorded", "feed.numbering", "feed.numbered"),
    "program": ("write.recorded", "write.committed", "feed.numbered", "feed.moved", "feed.handled", "feed.passed"),
    "audit": ("audit.linked", "feed.handled"),
}
"""Among runs of every strategy, by who dies: tests/crash/test_crashes_of_runs.py."""

TRAIL = {
    "variables": ("write.recorded", "write.committed", "feed.numbering", "feed.numbered"),
    "audit": (
        *("feed.pulled", "feed.moved", "audit.linked", "feed.handled", "feed.passed"),
        *("checkpoint.signing", "checkpoint.signed"),
    ),
}
"""Among writes, by who dies: tests/crash/test_crashes_of_the_trail.py."""

SUMMARIES = ("summary.told",)
RETENTION = ("retention.buried",)
"""In suites of their own."""

EVERY = {*SUMMARIES, *RETENTION, *(name for ways in (RUNS, TRAIL) for names in ways.values() for name in names)}
