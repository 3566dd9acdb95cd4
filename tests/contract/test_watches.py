"""What publishes its changes can be watched."""

from subjects import EVERY, having


def test_what_publishes_can_be_watched_or_says_why_not() -> None:
    """Organizations are a table of the platform, whose one row a tenant may see does not move."""
    watched = having(EVERY, "Watch")
    publishing = {spec.noun for _, spec in EVERY if spec.publishes}
    assert publishing - {spec.noun for _, spec in watched} == {"Organization"}
    assert all(spec.publishes for _, spec in watched)
