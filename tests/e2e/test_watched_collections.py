"""Collections watched through the whole stack: from the gateway to the feed and back, and what their ends say."""

from typing import Any

from tests.e2e.api import SIGNATURE, Api, Setting, unique
from tests.e2e.test_every_stream import events
from tests.e2e.waiting import until


def program(api: Api, **fields: Any) -> Any:
    """Makes a program."""
    body = {"name": unique("watched"), "type": "TYPE_PREDICT", "signature_config": SIGNATURE, **fields}
    return api.post("/v1/programs", body)


def test_a_programs_life_is_told_as_server_sent_events(admin: Api) -> None:
    """Created, changed and put away; and again from a position, in one item."""
    stream = events(admin, "GET", "/v1/programs:watch?show_archived=true&read_mask=id,name,description")
    begun = next(stream)["heartbeat"]["sequence"]
    made = program(admin)
    created = _about(stream, made["id"])
    assert created["type"] == "TYPE_CREATED" and created["resource"]["name"] == made["name"]
    admin.call("PATCH", f"/v1/programs/{made['id']}?update_mask=description", {"description": "seen"})
    changed = _about(stream, made["id"])
    assert changed["changed_paths"] == ["description"] and changed["resource"]["description"] == "seen"
    admin.post(f"/v1/programs/{made['id']}:archive", {})
    assert _about(stream, made["id"])["type"] == "TYPE_ARCHIVED"
    stream.close()
    again = events(admin, "GET", f"/v1/programs:watch?from_sequence={begun}")
    assert _about(again, made["id"])["type"] == "TYPE_REMOVED"
    again.close()


def _about(stream: Any, identifier: str) -> Any:
    """Returns the next item about one resource."""
    return next(f["item"] for f in stream if f.get("item", {}).get("resource_id") == identifier)


def test_a_stream_ends_when_its_key_is_revoked(admin: Api) -> None:
    """In its last frame, soon, and whatever service it is of."""
    for path in ("/v1/programs:watch", "/v1/variableSpaces:watch", "/v1/optimizationRuns:watch", "/v1/users:watch"):
        key = admin.post("/v1/apiKeys", {"api_key": {"name": unique("key")}})
        stream = Api(admin.port, key["secret"]).stream("GET", path)
        assert "heartbeat" in next(stream)
        admin.post(f"/v1/apiKeys/{key['api_key']['id']}:revoke", {})
        (end,) = [frame["end"] for frame in stream if "end" in frame]
        assert (end["status"]["code"], end["status"]["details"][0]["reason"]) == (16, "CREDENTIAL_REFUSED"), path


def test_another_organization_hears_nothing(admin: Api, stranger: Api) -> None:
    """Not even of what is public, which is public inside its organization."""
    theirs = stranger.stream("GET", "/v1/programs:watch")
    assert "heartbeat" in next(theirs)
    program(admin, visibility="VISIBILITY_PUBLIC")
    own = program(stranger)
    assert next(frame["item"] for frame in theirs if "item" in frame)["resource_id"] == own["id"]


def test_runs_are_counted_on_their_program_and_their_space(admin: Api) -> None:
    """Within moments, without a new etag."""
    setting = Setting(admin, validation=4)
    program_path, space_path = f"/v1/programs/{setting.program}", f"/v1/variableSpaces/{setting.space}"
    for _ in range(2):
        setting.watch(setting.start(max_trials=1)["id"])
    for path in (program_path, space_path):
        until(lambda path=path: admin.get(path).get("optimization_run_count") == "2")
    assert admin.get(space_path)["etag"] == "1"
