"""What every kind of resource has in common: it is read one by one, page by page, and some can be put away."""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from ashgrove.areas import Area
from ashgrove.connection import Connection
from ashgrove.relationships import edge
from ashgrove.values import unpacked
from ashgrove.watches import Change, Watches

M = TypeVar("M", bound=Message)


def mask_of(fields: Sequence[str]) -> FieldMask | None:
    """Returns the mask that names fields, None for all that are stored."""
    return FieldMask(paths=fields) if fields else None


class Kind(Generic[M]):
    """One kind of resource, by the names that its area gives it: `Program`, `Programs`, `programs`."""

    area: type[Area]
    noun: str
    plural: str
    """What a page calls its items."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = self.area(connection.channel)

    def _request(self, rpc: str, **fields: Any) -> Any:
        """Returns the message that an RPC is asked with."""
        # Not every kind has relationships to include, or can be read in parts.
        left_out = {name for name in ("include", "read_mask") if not fields.get(name)}
        return self.area.request(rpc)(**{n: v for n, v in fields.items() if n not in left_out})

    def _call(self, rpc: str, **fields: Any) -> Any:
        """Returns the answer of one RPC; raises an AshgroveError."""
        return self._connection.call(getattr(self._stub, rpc), self._request(rpc, **fields))

    def _stream(self, rpc: str, **fields: Any) -> Iterator[Any]:
        return self._connection.stream(getattr(self._stub, rpc), self._request(rpc, **fields))

    def _pages(self, **fields: Any) -> Iterator[M]:
        """Yields every item of every page of the kind's list."""
        rpc = "List" + "".join(word.capitalize() for word in self.plural.split("_"))
        return self._connection.pages(getattr(self._stub, rpc), self._request(rpc, **fields), self.plural)


class Readable(Kind[M]):
    """A kind of which one can be read."""

    def get(self, identifier: str, *, include: Sequence[str] = (), fields: Sequence[str] = ()) -> M:
        """Returns the one with that id; raises NotFound when there is none that the caller may see.

        `include` names relationships, each perhaps made with `relationships.edge`, for `relationships.included`;
        `fields` names what to return, computed fields too, instead of all that is stored.
        """
        found: M = self._call(f"Get{self.noun}", id=identifier, include=include, read_mask=mask_of(fields))
        return found

    def related(self, identifier: str, relationship: str, filter: str = "", order_by: str = "") -> Iterator[Any]:
        """Yields all that a relationship leads to and the caller may see, page after page."""
        token = ""
        while True:
            asked = edge(relationship, filter=filter, order_by=order_by, page_size=100, page_token=token)
            only_id = FieldMask(paths=["id"])
            (page,) = self._call(f"Get{self.noun}", id=identifier, include=[asked], read_mask=only_id).included
            yield from map(unpacked, page.resources)
            token = page.next_page_token
            if not token:
                return


class Listed(Readable[M]):
    """A kind that can be listed as a whole."""

    def list(
        self, filter: str = "", order_by: str = "", *, include: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Iterator[M]:
        """Yields those that the caller may see, page after page, newest first unless ordered otherwise."""
        return self._pages(filter=filter, order_by=order_by, include=include, read_mask=mask_of(fields))


class Archived(Readable[M]):
    """A kind of which each can be put away; what is put away is listed only on request."""

    def list(
        self,
        filter: str = "",
        order_by: str = "",
        *,
        archived: bool = False,
        include: Sequence[str] = (),
        fields: Sequence[str] = (),
    ) -> Iterator[M]:
        """Yields those that the caller may see, page after page, those put away too when asked."""
        asked = {"include": include, "read_mask": mask_of(fields)}
        return self._pages(filter=filter, order_by=order_by, show_archived=archived, **asked)

    def watch(
        self, filter: str = "", *, after: int | None = None, archived: bool = False, fields: Sequence[str] = ()
    ) -> Iterator[Change]:
        """Yields the changes of what a list with these arguments shows, for ever; see `Watches.changes`."""
        watches = Watches(self._connection)
        return watches.changes(self.plural, filter=filter, after=after, archived=archived, fields=fields)

    def archive(self, identifier: str, etag: str = "") -> M:
        """Puts one away, only that very state when its etag is given; putting it away twice is no error."""
        put: M = self._call(f"Archive{self.noun}", id=identifier, etag=etag)
        return put

    def unarchive(self, identifier: str, etag: str = "") -> M:
        """Takes one that was put away into use again; raises AlreadyExists when its name has been taken meanwhile."""
        taken: M = self._call(f"Unarchive{self.noun}", id=identifier, etag=etag)
        return taken

    def purge(self, identifier: str, etag: str = "") -> None:
        """Deletes one that was put away for good, as an administrator and unless something still refers to it."""
        self._call(f"Purge{self.noun}", id=identifier, etag=etag)


class Unique(Archived[M]):
    """A kind of which each has a name of its own, by which one can be put whether it is there or not."""

    def upsert(self, message: M) -> tuple[M, bool]:
        """Creates one, or changes the one in use that has its name; returns it, and whether it is new.

        What is there keeps whatever the message does not fill; with an etag in the message it is changed in that very
        state only, or Aborted is raised.
        """
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in self.noun).removeprefix("_")
        answer = self._call(f"Upsert{self.noun}", **{name: message})
        return getattr(answer, name), answer.created
