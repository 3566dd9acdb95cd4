"""Models that misbehave, asked through the gateway: each execution ends by itself, says why, and is in the books."""

import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.api import Api, unique

SHAPE = {"inputs": [{"name": "question"}], "outputs": [{"name": "answer"}]}


@dataclass(frozen=True)
class Way:
    """How a model misbehaves, what an execution then fails by, and how many calls are paid."""

    model: str
    error_class: str
    words: str
    calls: int


WAYS = {
    "a tool loop without end": Way("loops", "TOOL", "within 3 uses of tools: weather, weather, weather", 3),
    "output that never parses": Way("mumbles", "PARSE", "does not have the shape of the signature", 2),
    "a model that hangs": Way("hangs", "TIMEOUT", "did not end within 5000 ms", 1),
}


def program(model: str, url: str) -> dict[str, Any]:
    """Returns a program that asks a model, with a tool where it would use one without end."""
    asks = {"name": unique(model), "signature_config": SHAPE, "type": "TYPE_PREDICT"}
    if model != "loops":
        return asks
    city = {"name": "city", "description": "Which city."}
    tool = {"name": "weather", "description": "Tells the weather.", "arguments": [city], "http": {"url": f"{url}/now"}}
    config = {"model": model, "react": {"tools": [tool], "max_iterations": 3}}
    return asks | {"type": "TYPE_REACT", "program_config": config}


@pytest.mark.parametrize("name", WAYS)
def test_an_execution_of_a_model_that_misbehaves_ends_and_is_paid(name: str, admin: Api, models: str) -> None:
    """By its bounds, with a class and words of its own; every call is a row, and what nobody told is estimated."""
    way = WAYS[name]
    connector = {"name": way.model, "provider": "openai", "base_url": models, "model": way.model}
    connector |= {"prices": [{"input_micros": "1000000", "output_micros": "4000000"}]}
    identifier = admin.post("/v1/connectors", connector)["id"]
    made = admin.post("/v1/programs", program(way.model, models))["id"]
    body: dict[str, Any] = {"inputs": {"question": "Is it warm?"}}
    if way.model != "loops":  # whose program says what it asks
        body["configuration"] = {"model": way.model, "parse_attempts": 2}
    if way.model == "hangs":  # nothing else ends it; longer than any machine takes to begin with it
        body["timeout_ms"] = 5000
    done = admin.post(f"/v1/programs/{made}:execute", body)
    assert (done["status"], done["error_class"]) == ("WORK_STATUS_FAILED", f"ERROR_CLASS_{way.error_class}"), done
    assert way.words in done["error"] and int(done["cost_micros"]) > 0
    calls = booked(admin, identifier)
    assert [each["status"] for each in calls] == ["STATUS_SETTLED"] * way.calls
    assert {each["estimated"] for each in calls} == {way.model == "hangs"}


def booked(api: Api, connector: str) -> Any:
    """Returns a connector's calls, once none of them is under way."""
    deadline = time.monotonic() + 60
    while True:
        calls = api.get(f"/v1/modelCalls?filter=connector_id%3D%22{connector}%22")["model_calls"]
        if all(each["status"] != "STATUS_RESERVED" for each in calls):
            return calls
        assert time.monotonic() < deadline, calls
        time.sleep(0.05)
