"""Random specimens and filters with their meaning: each filter is its text and what it must answer about a message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.json_format import ParseDict
from hypothesis import strategies as st

from framework.testing.specimen import message

Specimen = message("Specimen")
IDS = [str(UUID(int=n)) for n in range(1, 4)]
TEXTS = ["", "a", "B", "ab", "é", 'q"\\', "null", "*", "%(x)s", "AND"]
NUMBERS = [-2, 0, 1, 2.5, 3]
WHOLE = [-2, 0, 1, 3, 2**31 - 1]
BIG = [-(2**63), -1, 0, 7, 2**63 - 1]
COLORS = ["COLOR_UNSPECIFIED", "COLOR_RED", "COLOR_GREEN"]
TIMES = ["2000-01-01T00:00:00Z", "2020-02-03T04:05:06.700Z", "2020-02-03T04:05:06.700001Z", "2999-01-01T00:00:00Z"]
KEYS = ["a", "b.c", "0", "é"]

free_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "b.c", "é"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


scalars: dict[str, st.SearchStrategy[Any]] = {
    "text": st.sampled_from(TEXTS),
    "count": st.sampled_from(WHOLE),
    "big": st.sampled_from(BIG),
    "ratio": st.sampled_from(NUMBERS),
    "flag": st.booleans(),
    "at": st.sampled_from(TIMES),
    "color": st.sampled_from(COLORS),
    "note": st.sampled_from(TEXTS),
    "limit": st.sampled_from(NUMBERS),
}
details = _some(**scalars, inner=_some(**scalars))
specimens = _some(
    name=st.sampled_from(TEXTS),
    color=st.sampled_from(COLORS),
    small=st.sampled_from(WHOLE),
    big=st.sampled_from(BIG),
    ratio=st.sampled_from(NUMBERS),
    flag=st.booleans(),
    owner_id=st.sampled_from(IDS),
    ended_at=st.sampled_from(TIMES),
    hint=st.sampled_from(TEXTS),
    weight=st.sampled_from(NUMBERS),
    detail=details,
    tags=st.lists(st.sampled_from(TEXTS), max_size=2),
    details=st.lists(details, max_size=2),
    numbers=st.lists(st.sampled_from(BIG), max_size=2),
    free=st.dictionaries(st.sampled_from(["a", "b.c", "é"]), free_values, max_size=2),
    anything=free_values.filter(lambda v: v is not None),
    visibility=st.sampled_from(["VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"]),
    scores=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(NUMBERS), max_size=2),
).map(lambda data: ParseDict(data, Specimen(created_at={"seconds": 0})))


@dataclass(frozen=True)
class Filter:
    """The text of a filter and its meaning."""

    text: str
    holds: Callable[[Any], bool]


def quoted(text: str) -> str:
    """Returns text as a string of the filter language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
SIZES = [*_ORDER, "!="]
Get = Callable[[Any], Any]


def _compared(path: str, get: Get, operator: str, written: str, value: Any) -> Filter:
    """A value that is absent equals nothing and is neither smaller nor greater."""

    def holds(one: Any) -> bool:
        found = get(one)
        if operator == "!=":
            return found is None or found != value
        return found is not None and _ORDER[operator](found, value)

    return Filter(f"{path} {operator} {written}", holds)


def _absence(path: str, get: Get, operator: str) -> Filter:
    return Filter(f"{path}{operator}null", lambda one: (get(one) is None) is (operator == "="))


def folded(text: str) -> str:
    """Returns text with A-Z as a-z."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def _times() -> st.SearchStrategy[tuple[str, Any]]:
    now = datetime.now(UTC)
    told = st.sampled_from([*TIMES, "2020-02-03T05:05:06.7+01:00"])
    near = st.sampled_from(["now()", "ago(1.5d)", "ago( 7w )", "from_now(15m)"])
    return st.one_of(told.map(lambda t: (quoted(t), datetime.fromisoformat(t))), near.map(lambda t: (t, now)))


def _values(kind: str) -> st.SearchStrategy[tuple[str, Any]]:
    """Returns literals of a kind: as written, and as meant."""
    if kind in ("count", "big"):
        return st.sampled_from(WHOLE if kind == "count" else BIG).map(lambda v: (str(v), v))
    if kind == "number":
        return st.sampled_from([*NUMBERS, 1e-7, 1e300]).map(lambda v: (str(v), v))
    if kind == "flag":
        return st.booleans().map(lambda v: (str(v).lower(), v))
    if kind == "color":
        return st.sampled_from(COLORS).flatmap(
            lambda v: st.sampled_from([v, v[6:].lower(), quoted(v)]).map(lambda w: (w, v))
        )
    if kind == "time":
        return _times()
    return st.sampled_from(TEXTS).map(lambda v: (quoted(v), v))


def _scalar(path: str, get: Get, kind: str, *, nullable: bool, contains: bool = False) -> st.SearchStrategy[Filter]:
    operators = ["=", "!="] if kind == "color" else SIZES
    sizes = st.builds(lambda o, v: _compared(path, get, o, v[0], v[1]), st.sampled_from(operators), _values(kind))
    absent = st.sampled_from(["=", "!="]).map(lambda o: _absence(path, get, o))
    holds = st.sampled_from(TEXTS).map(
        lambda v: Filter(f"{path}:{quoted(v)}", lambda one: get(one) is not None and folded(v) in folded(get(one)))
    )
    return st.one_of(sizes, *([absent] if nullable else []), *([holds] if contains else []))


def _time_of(stamp: Any) -> datetime:
    found: datetime = stamp.ToDatetime(tzinfo=UTC)
    return found


_KINDS = {
    "text": "text",
    "count": "count",
    "big": "big",
    "ratio": "number",
    "flag": "flag",
    "at": "time",
    "color": "color",
    "note": "text",
    "limit": "number",
}


def _field(one: Any, name: str) -> Any:
    """A field as the filter sees it: None when absent, enums by name, times as times."""
    if one is None:
        return None
    descriptor = one.DESCRIPTOR.fields_by_name[name]
    if descriptor.has_presence and not one.HasField(name):
        return None
    value = getattr(one, name)
    if value is None:  # kept from its reader
        return None
    if descriptor.enum_type is not None:
        return descriptor.enum_type.values_by_number[value].name
    return _time_of(value) if descriptor.message_type and "Timestamp" in descriptor.message_type.name else value


def column(one: Any, name: str) -> Any:
    """Returns a column's value as its order sees it, None for null."""
    return (getattr(one, name) or None) if name.endswith("_id") else _field(one, name)


_RANKS = {str: 0, int: 1, float: 1, bool: 2}


def sorted_by(one: Any, path: tuple[str, ...]) -> Any:
    """Returns what an order sees at a path, None for null; data without declared types sorts as JSON does."""
    name, *inner = path
    if name == "scores":
        return one.scores.get(inner[0])
    if name == "free":
        found = _free_at(plain(one.free) if one.HasField("free") else None, tuple(inner))
        return (_RANKS[type(found)], found) if type(found) in _RANKS else None
    for deeper in inner:
        one = getattr(one, name) if one is not None and one.HasField(name) else None
        name = deeper
    return column(one, name)


def _in_detail(path: str, detail: Get) -> st.SearchStrategy[Filter]:
    names = st.sampled_from([*_KINDS])
    return names.flatmap(
        lambda n: _scalar(
            f"{path}.{n}", lambda one: _field(detail(one), n), _KINDS[n], nullable=True, contains=n in ("text", "note")
        )
    )


def _star(path: str, there: Get) -> st.SearchStrategy[Filter]:
    return st.just(Filter(f"{path}:*", lambda one: bool(there(one))))


def _free_at(one: Any, names: tuple[str, ...]) -> Any:
    """Returns what lies at a path of untyped data, with JSON's null as None."""
    for name in names:
        if not isinstance(one, dict) or name not in one:
            return None
        one = one[name]
    return one


def plain(value: Any) -> Any:
    """Returns a Struct, ListValue or Value as plain data."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(value)


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) or (
        isinstance(a, int | float) and isinstance(b, int | float) and bool not in (type(a), type(b))
    )


def _free(path: str, get: Get) -> st.SearchStrategy[Filter]:
    literals = st.one_of(_values("text"), _values("number"), _values("flag"))

    def sized(operator: str, literal: tuple[str, Any]) -> Filter:
        written, value = literal

        def holds(one: Any) -> bool:
            found = get(one)
            equal = _same(found, value) and found == value
            if operator in ("=", "!="):
                return equal is (operator == "=")
            return _same(found, value) and _ORDER[operator](found, value)

        return Filter(f"{path} {operator} {written}", holds)

    def within(literal: tuple[str, Any]) -> Filter:
        written, value = literal

        def holds(one: Any) -> bool:
            found = get(one)
            if isinstance(found, dict):
                return isinstance(value, str) and value in found
            return any(_same(f, value) and f == value for f in (found if isinstance(found, list) else [found]))

        return Filter(f"{path}:{written}", holds)

    return st.one_of(
        st.builds(sized, st.sampled_from(SIZES), literals),
        literals.map(within),
        _star(path, lambda one: get(one) is not None),
        st.sampled_from(["=", "!="]).map(lambda o: _absence(path, get, o)),
    )


def _lists() -> st.SearchStrategy[Filter]:
    tags = st.sampled_from(TEXTS).map(lambda v: Filter(f"tags:{quoted(v)}", lambda one: v in one.tags))
    numbers = st.sampled_from(BIG).map(lambda v: Filter(f"numbers:{v}", lambda one: v in one.numbers))
    texts = st.sampled_from(TEXTS).map(
        lambda v: Filter(f"details.text:{quoted(v)}", lambda one: any(folded(v) in folded(d.text) for d in one.details))
    )
    inner = st.sampled_from(WHOLE).map(
        lambda v: Filter(
            f"details.inner.count:{v}", lambda one: any(d.HasField("inner") and d.inner.count == v for d in one.details)
        )
    )
    stars = st.sampled_from(["tags", "numbers", "details"]).flatmap(
        lambda n: _star(n, lambda one: len(getattr(one, n)))
    )
    return st.one_of(
        tags,
        numbers,
        texts,
        inner,
        stars,
        _star("details.inner", lambda one: any(d.HasField("inner") for d in one.details)),
    )


def _scores() -> st.SearchStrategy[Filter]:
    key = st.sampled_from(KEYS)
    has = key.map(lambda k: Filter(f"scores:{quoted(k)}", lambda one: k in one.scores))
    sized = key.flatmap(
        lambda k: _scalar(f"scores.{quoted(k)}", lambda one: one.scores.get(k), "number", nullable=True)
    )
    return st.one_of(has, sized, _star("scores", lambda one: len(one.scores)))


_COLUMNS = {"name": "text", "color": "color", "small": "count", "big": "big", "ratio": "number", "flag": "flag"}
leaves: st.SearchStrategy[Filter] = st.one_of(
    st.sampled_from([*_COLUMNS]).flatmap(
        lambda n: _scalar(n, lambda one: _field(one, n), _COLUMNS[n], nullable=False, contains=n == "name")
    ),
    _scalar("hint", lambda one: _field(one, "hint"), "text", nullable=True, contains=True),
    _scalar("weight", lambda one: _field(one, "weight"), "number", nullable=True),
    _scalar("ended_at", lambda one: _field(one, "ended_at"), "time", nullable=True),
    st.sampled_from(["=", "!="]).map(lambda o: _absence("owner_id", lambda one: one.owner_id or None, o)),
    st.sampled_from(IDS).map(lambda i: Filter(f"owner_id={i}", lambda one: one.owner_id == i)),
    st.sampled_from(["name", "small", "ratio", "flag", "owner_id", "color"]).flatmap(
        lambda n: _star(n, lambda one: getattr(one, n))
    ),
    st.sampled_from(["ended_at", "hint", "detail", "anything", "free"]).flatmap(
        lambda n: _star(n, lambda one: one.HasField(n))
    ),
    _in_detail("detail", lambda one: one.detail if one.HasField("detail") else None),
    _in_detail("detail.inner", lambda one: one.detail.inner if one.detail.HasField("inner") else None),
    _star("detail.text", lambda one: one.detail.text),
    _star("detail.note", lambda one: one.detail.HasField("note")),
    _lists(),
    _scores(),
    st.sampled_from([("a",), ("b.c",), ("a", "a"), ("b.c", "é")]).flatmap(
        lambda p: _free(
            ".".join(["free", *(quoted(n) for n in p)]),
            lambda one: _free_at(plain(one.free) if one.HasField("free") else None, p),
        )
    ),
    _free("anything", lambda one: plain(one.anything) if one.HasField("anything") else None),
)


def _all(parts: list[Filter]) -> Filter:
    return Filter("(" + " AND ".join(p.text for p in parts) + ")", lambda one: all(p.holds(one) for p in parts))


def _any(parts: list[Filter]) -> Filter:
    return Filter("(" + " OR ".join(p.text for p in parts) + ")", lambda one: any(p.holds(one) for p in parts))


def _not(mark: str) -> Callable[[Filter], Filter]:
    return lambda part: Filter(f"{mark}({part.text})", lambda one: not part.holds(one))


filters: st.SearchStrategy[Filter] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(_all),
        st.lists(inner, min_size=2, max_size=3).map(_any),
        st.builds(lambda mark, f: _not(mark)(f), st.sampled_from(["NOT ", "-"]), inner),
    ),
    max_leaves=5,
)
