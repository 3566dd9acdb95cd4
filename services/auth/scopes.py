"""Scopes of API keys: which there are, and which of them are within others."""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from importlib import resources

from ashgrove.resource.v1 import options_pb2
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from framework.errors import FieldViolation
from framework.resource.registry import is_read


@cache
def known() -> tuple[frozenset[str], frozenset[str]]:
    """Returns the names of every public RPC and of every collection, of all services, from the descriptor set."""
    described = resources.files("ashgrove").joinpath("descriptors.binpb").read_bytes()
    files = FileDescriptorSet.FromString(described).file
    methods = [m for file in files for service in file.service for m in service.method]
    collections = {m.options.Extensions[options_pb2.resource].collection for file in files for m in file.message_type}
    public = frozenset(m.name for m in methods if m.options.HasExtension(annotations_pb2.http))
    return public, frozenset(collections - {""})


def unknown(scopes: Sequence[str], path: str) -> Iterator[FieldViolation]:
    """Yields a violation for every scope that names no RPC and no collection."""
    rpcs, collections = known()
    for i, scope in enumerate(scopes):
        named, colon, _ = scope.partition(":")
        if colon and named not in collections | {"*"}:
            yield FieldViolation(
                f"{path}[{i}]", f"there is no collection {named}; there are {', '.join(sorted(collections))}"
            )
        elif not colon and named not in rpcs:
            yield FieldViolation(f"{path}[{i}]", f"there is no RPC {named}")


def within(scopes: Collection[str], bound: Collection[str] | None) -> bool:
    """Says whether scopes allow nothing that a bound does not; no scopes at all allow everything."""
    return bound is None or (bool(scopes) and all(_covered(scope, bound) for scope in scopes))


def _covered(scope: str, bound: Collection[str]) -> bool:
    if scope in bound or "*:*" in bound:
        return True
    collection, colon, act = scope.partition(":")
    if not colon:  # which collection an RPC acts on is its service's to say
        return f"*:{'read' if is_read(scope) else 'write'}" in bound
    return bool({f"{collection}:*", f"*:{act}"}.intersection(bound))
