"""The gateway as the tests use it: REST by the standard library, gRPC by the stubs; both over the wire."""

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc

from demo.territories import LANGUAGES, load


class Refused(Exception):  # noqa: N818 - it is what the caller sees
    """An HTTP error and its JSON body."""

    def __init__(self, code: int, body: str) -> None:
        super().__init__(f"{code}: {body}")
        self.code = code
        self.text = body
        self.body = json.loads(body) if body.startswith("{") else {}

    @property
    def reason(self) -> str:
        """The reason of the ErrorInfo."""
        return next((d["reason"] for d in self.body.get("details", []) if "reason" in d), "")

    @property
    def fields(self) -> set[str]:
        """The paths of every violation."""
        return {
            v["field"]
            for d in self.body.get("details", [])
            for v in d.get("field_violations", d.get("fieldViolations", []))
        }


class Api:
    """One caller of the gateway."""

    def __init__(self, port: int, key: str, **headers: str) -> None:
        self.port = port
        self.key = key
        self.headers = headers

    def request(self, method: str, path: str, body: Any = None) -> Request:
        """Returns a request with the caller's key."""
        headers = {"content-type": "application/json", **self.headers}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return Request(f"http://127.0.0.1:{self.port}{path}", data=data, method=method, headers=headers)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Returns the JSON answer; raises Refused."""
        try:
            with urlopen(self.request(method, path, body), timeout=60) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode()) from None

    def get(self, path: str) -> Any:
        """Reads."""
        return self.call("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """Writes."""
        return self.call("POST", path, body)

    def stream(self, method: str, path: str, body: Any = None) -> Iterator[Any]:
        """Yields the frames of a stream, one JSON object a line."""
        with urlopen(self.request(method, path, body), timeout=120) as answer:
            for line in answer:
                if line.strip():
                    yield json.loads(line)

    def channel(self) -> grpc.Channel:
        """Returns a gRPC channel to the gateway."""
        return grpc.insecure_channel(f"127.0.0.1:{self.port}")

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """The caller's key as gRPC metadata."""
        return [("authorization", f"Bearer {self.key}")]


def founded(operator: Api, name: str) -> Api:
    """Makes an organization and returns its administrator."""
    unique = f"{name}-{uuid.uuid4().hex[:8]}"
    body = {"organization": {"name": unique}, "admin_email": f"admin@{unique}.test"}
    return Api(operator.port, operator.post("/v1/organizations", body)["secret"])


def unique(name: str) -> str:
    """Returns a name that nobody has."""
    return f"{name} {uuid.uuid4().hex[:8]}"


SIGNATURE = {
    "instructions": "Name the language.",
    "inputs": [{"name": "text"}],
    "outputs": [{"name": "language", "choices": list(LANGUAGES)}],
}
VARIABLES = [
    {"name": "demonstration_count", "integer": {"low": 0, "high": 48}, "default": 0},
    {"name": "demonstration_selection", "choice": {"choices": ["first", "balanced", "nearest"]}, "default": "first"},
    {"name": "rule_count", "integer": {"low": 0, "high": 60}, "default": 0},
    {"name": "temperature", "float": {"low": 0, "high": 1}, "default": 0},
]


class Setting:
    """A program, a space and a dataset of one caller, ready for runs."""

    def __init__(self, api: Api, validation: int = 60) -> None:
        self.api = api
        shape = {"input_fields": SIGNATURE["inputs"], "output_fields": SIGNATURE["outputs"]}
        self.dataset = api.post("/v1/datasets", {"name": unique("territories"), **shape})["id"]
        splits = load()
        examples = [{"split": "SPLIT_TRAIN", **e} for e in splits.train]
        examples += [{"split": "SPLIT_VALIDATION", **e} for e in splits.validation[:validation]]
        api.post(f"/v1/datasets/{self.dataset}/examples:batchCreate", {"examples": examples})
        program = {"name": unique("language"), "type": "TYPE_PREDICT", "signature_config": SIGNATURE}
        self.program = api.post("/v1/programs", program)["id"]
        self.space = api.post("/v1/variableSpaces", {"name": unique("prompt"), "variables": VARIABLES})["id"]
        self.validation = validation

    def start(self, **changes: Any) -> Any:
        """Starts a run."""
        body = {
            "program_id": self.program,
            "variable_space_id": self.space,
            "dataset_id": self.dataset,
            "strategy": "STRATEGY_BAYESIAN",
            "objectives": [{"metric": "exact_match"}],
            "max_trials": 6,
            "parallelism": 2,
        }
        return self.api.post("/v1/optimizationRuns", body | changes)

    def watch(self, run: str, after: int = 0) -> list[Any]:
        """Follows a run to its end and returns its events."""
        frames = list(self.api.stream("GET", f"/v1/optimizationRuns/{run}:watch?from_sequence={after}"))
        assert "end" in frames[-1]
        return [f["item"] for f in frames if "item" in f]
