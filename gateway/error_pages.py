"""Writes a page for every reason an error can have: `python -m gateway.error_pages`; what it says is in the proto."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
from ashgrove.error.v1 import reason_pb2
from ashgrove.error.v1.reason_pb2 import Reason
from google.protobuf import descriptor_pb2
from google.protobuf.json_format import MessageToJson

from framework.errors import kinds, page_of
from gateway.envoy.local_replies import REPLIES
from gateway.envoy.render import descriptors
from gateway.error_examples import EXAMPLES, Example

FOLDER = Path(__file__).parents[1] / "docs"
_PREFIX = "REASON_"
_TO_DO = "To do: "
# How the gateway writes canonical codes over REST.
HTTP = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "OUT_OF_RANGE": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}


_HEAD = """\
# Errors

Every error carries a canonical code, a sentence that says what would be right, and a `google.rpc.ErrorInfo` whose
`reason` is one of these and whose metadata's `docs` names the page. Wrong fields are in `google.rpc.BadRequest`, each
with its path; `google.rpc.RetryInfo` says when to come back. gRPC, gRPC-Web and REST tell the same: over REST the body
is the status as JSON.

The Python client raises a class of `ashgrove.errors` for each code, such as `NotFound`, `ResourceExhausted` and
`DeadlineExceeded`, all of them `AshgroveError`, with `reason`, `metadata`, `violations` and, in seconds, `retry_after`.
"""


class Entry(NamedTuple):
    """A reason as the proto tells it."""

    name: str
    meaning: str
    to_do: str


def entries() -> list[Entry]:
    """Returns every reason that is sent, in the proto's order."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors().read_bytes())
    file = next(f for f in files.file if f.name == reason_pb2.DESCRIPTOR.name)
    said = {tuple(each.path): each.leading_comments for each in file.source_code_info.location}
    values = list(enumerate(file.enum_type[0].value))[1:]
    # A value's place in its file: enum_type (5), the first, value (2), its number in the list.
    return [_entry(value.name.removeprefix(_PREFIX), said[5, 0, 2, at]) for at, value in values]


def _entry(name: str, comment: str) -> Entry:
    meaning, _, to_do = " ".join(comment.split()).partition(_TO_DO)
    return Entry(name, meaning.strip(), to_do[:1].upper() + to_do[1:])


def pages() -> dict[str, str]:
    """Returns the text of every page, by its path below docs/."""
    every = entries()
    return {"errors/README.md": "\n".join(_index(every))} | {
        page_of(entry.name): "\n".join(_page(entry, EXAMPLES[entry.name])) for entry in every
    }


def http_status(name: str, code: grpc.StatusCode) -> int:
    """Returns the HTTP status that REST callers see for a reason."""
    ours = {Reason.Name(kind.reason).removeprefix(_PREFIX) for kind in kinds()}
    of_envoy = {told.reason: status for status, told in sorted(REPLIES.items(), reverse=True)}
    return HTTP[code.name] if name in ours else of_envoy.get(name, HTTP[code.name])


def _index(every: list[Entry]) -> Iterator[str]:
    yield _HEAD
    yield "| reason | code | HTTP | |"
    yield "|---|---|---|---|"
    for entry in every:
        code = EXAMPLES[entry.name].code
        first = entry.meaning.split(". ")[0].rstrip(".")
        link = f"[{entry.name}]({Path(page_of(entry.name)).name})"
        yield f"| {link} | {code.name} | {http_status(entry.name, code)} | {first} |"
    yield "\nWritten from `protos/ashgrove/error/v1/reason.proto` by `python -m gateway.error_pages`.\n"


def _page(entry: Entry, example: Example) -> Iterator[str]:
    code = example.code
    yield f"# {entry.name}\n"
    yield f"{entry.meaning}\n"
    yield f"gRPC: {code.name} ({code.value[0]}). REST: {http_status(entry.name, code)}.\n"
    yield f"**What to do.** {entry.to_do}\n"
    yield f"## Example\n\n{example.asked}\n"
    yield f"```json\n{MessageToJson(example.status, preserving_proto_field_name=True, sort_keys=True)}\n```\n"


def main() -> None:
    """Writes the pages, and removes those of reasons that are gone."""
    written = pages()
    for old in (FOLDER / "errors").glob("*.md"):
        if str(old.relative_to(FOLDER)) not in written:
            old.unlink()
    for path, text in written.items():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_text(text)
    sys.stdout.write(f"{len(written)} pages below {FOLDER.name}/errors\n")


if __name__ == "__main__":
    main()
