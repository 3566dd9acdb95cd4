"""What publishes its changes can be watched, and what cannot be watched says why."""

from subjects import EVERY, having

UNWATCHED = {
    "Organization": "a table of the platform, whose one row a tenant may see does not move",
    "Example": "they come by the thousand and never change; their dataset's revision tells of them: WatchDatasets",
    "DatasetRevision": "one comes with each change of its dataset: WatchDatasets",
    "EvaluationResult": "EvaluateProgram streams them as they come, from any sequence",
    "BuiltInComponent": "they come with the platform's code and change with its release",
    "ModelCall": "they come by the thousand from work that is itself watched: WatchExecutions, WatchEvaluations",
    "Trial": "WatchOptimizationRun tells a run's story, its trials among it, without a gap",
    "AuditEntry": "they are made of events: whoever wants them live watches what they are about",
    "AuditCheckpoint": "one comes every few minutes, and its use is that it is looked up later",
}
"""The collections without a Watch, and why; none of them publishes events of its own that anybody could miss."""


def test_every_collection_can_be_watched_or_says_why_not() -> None:
    watched = {spec.noun for _, spec in having(EVERY, "Watch")}
    assert {spec.noun for _, spec in EVERY} - watched == UNWATCHED.keys()


def test_what_publishes_can_be_watched() -> None:
    """But for organizations."""
    watched = having(EVERY, "Watch")
    publishing = {spec.noun for _, spec in EVERY if spec.publishes}
    assert publishing - {spec.noun for _, spec in watched} == {"Organization"}
    assert all(spec.publishes for _, spec in watched)
