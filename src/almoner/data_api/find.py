"""What a Find asks for, from its query string or its body, and the page that answers it
(clarifications 10 and 12).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus, urlencode
from uuid import UUID

from almoner.data_api.declare import IDS, Filter, Resource
from almoner.data_api.statements import KEY_BYTES, NOBODY, ROW_END
from almoner.errors import MOST_PROBLEMS, ApiError, Problem, parse_problem, problem
from almoner.vocabulary.fields import Shape, add_unknown
from almoner.vocabulary.kinds import Guid, Problems
from almoner.vocabulary.times import Bound, iso

FROM, TO, SIZE, AFTER = "page[from]", "page[to]", "page[size]", "page[after]"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# As the end of a Find that gave none: whatever is visible is not later than now.
FOREVER = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"
DEFAULT_SIZE, LARGEST = 50, 1000
# Of a page of lines, which whoever reads a whole collection asks for.
LARGEST_OF_LINES = 5000
# A query string may have so many bytes; a header of an answer must fit what proxies set aside for
# all of them.
LONGEST_QUERY = 16_384
LONGEST_LINK = 2_048
_PAGE = {FROM: Bound(), TO: Bound(), AFTER: Guid()}
# The parameters of a page as they stand in an address.
_PLAIN = {
    FROM: "page%5Bfrom%5D",
    TO: "page%5Bto%5D",
    SIZE: "page%5Bsize%5D",
    AFTER: "page%5Bafter%5D",
}
_NAMES = {encoded: name for name, encoded in _PLAIN.items()}
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_KEY = struct.Struct(">q16s")


@dataclass(frozen=True, slots=True)
class FindQuery:
    """A decoded Find: the span of ``updated_at`` (both inclusive; ``to`` None means now), where to
    go on, the size, the filters.

    ``filters`` are in the order of their names; ``parameters`` are as they were sent, for links.
    """

    start: datetime
    to: datetime | None
    after: str
    size: int
    filters: tuple[tuple[Filter, Any], ...]
    parameters: tuple[tuple[str, str], ...]


def parameters(query: bytes) -> list[tuple[str, str]]:
    """The pairs of a query string, percent-encoded or raw (clarification 10). Raises ApiError where
    it is not UTF-8.
    """
    if not query:
        return []
    try:
        text = query.decode("ascii") if query.isascii() else query.decode("utf-8")
        pairs = [pair.partition("=") for pair in text.split("&") if pair]
        return [(_NAMES.get(name) or _unquoted(name), _unquoted(value)) for name, _, value in pairs]
    except UnicodeDecodeError:
        raise ApiError(Problem("bad_request", "The query string is not UTF-8.")) from None


def _unquoted(text: str) -> str:
    """The text without its percent-encoding. Raises UnicodeDecodeError where that is not UTF-8."""
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def from_form(raw: bytes) -> list[tuple[str, str]]:
    """The pairs of a Find by POST that was sent as a form: those of a query. Several ``ids`` are a
    list, as forms write one.

    Raises ApiError where it is empty: whoever lost their filters on the way would get everybody.
    """
    pairs = parameters(raw.strip())
    if not pairs:
        raise problem(
            "bad_request",
            "The body is empty. Send the parameters as a form or a JSON object; {} asks for"
            " everything.",
        )
    ids = [value for name, value in pairs if name == IDS.name]
    return [pair for pair in pairs if pair[0] != IDS.name] + (
        [(IDS.name, ",".join(ids))] if ids else []
    )


def from_body(body: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """The pairs of a Find by POST: the same parameters as the keys of a JSON object; numbers may be
    numbers.

    A null is handed on, so that a filter by null is refused: whoever meant it would get everybody.
    """
    problems: Problems = []
    pairs: list[tuple[str, str | None]] = []
    for name, value in body.items():
        if type(value) is float and value.is_integer():
            pairs.append((name, f"{value:.0f}"))  # JSON knows one kind of number: 50.0 is 50
        elif type(value) in (str, int):
            pairs.append((name, str(value)))
        elif value is None:
            pairs.append((name, None))
        elif (
            name == IDS.name
            and type(value) is list
            and all(type(text) is str and text for text in value)
        ):
            pairs.append((name, ",".join(value)))
        elif len(problems) <= MOST_PROBLEMS:
            problems.append(parse_problem("string", f".{name[:80]}", "a string is expected"))
    if problems:
        raise ApiError(problems)
    return pairs


def parse_find(
    resource: Resource,
    pairs: Iterable[tuple[str, str | None]],
    shape: Shape,
    largest: int = LARGEST,
) -> FindQuery:
    """The Find that these parameters ask for, with ``largest`` rows at most. Raises ApiError with
    every parameter that does not fit or is not known.
    """
    names = resource.spelled[shape].filters
    problems: Problems = []
    page: dict[str, Any] = {}
    filters: dict[Filter, Any] = {}
    parameters: list[tuple[str, str]] = []
    for name, value in pairs:
        if name not in names and name != SIZE and name not in _PAGE:
            add_unknown(
                problems, name, "", {**dict.fromkeys((FROM, TO, SIZE, AFTER)), **names}, "parameter"
            )
        elif value is None and name in names:
            problems.append(
                parse_problem("string", f".{name}", "null filters nothing; leave the parameter out")
            )
        elif value is None:
            continue
        elif name in page or (name in names and names[name] in filters):
            problems.append(
                Problem(
                    "parse_exception", f"Parameter given twice at .{name}", {"path": f".{name}"}
                )
            )
        elif name == SIZE:
            page[SIZE] = _size(value, largest, problems)
        elif name in _PAGE:
            page[name] = _PAGE[name].decode(value, f".{name}", problems)
        else:
            finder = names[name]
            filters[finder] = finder.kind.decode(value, f".{name}", problems)
            parameters.append((name, value))
    if AFTER in page and FROM not in page:
        problems.append(
            parse_problem(
                "guid", f".{AFTER}", f"it continues behind a row and goes together with {FROM}"
            )
        )
    if problems:
        raise ApiError(problems)
    return FindQuery(
        start=page.get(FROM, BEGINNING),
        to=page.get(TO),
        after=page.get(AFTER, _BEFORE_ALL),
        # Whoever names rows wants them all, and not by pages whose addresses each name them again.
        size=page.get(SIZE, LARGEST if IDS in filters else DEFAULT_SIZE),
        filters=tuple(sorted(filters.items(), key=_name)),
        parameters=tuple(parameters),
    )


def _name(entry: tuple[Filter, Any]) -> str:
    return entry[0].name


def _size(value: str, largest: int, problems: Problems) -> int:
    if value.isascii() and value.isdigit() and int(value[:9]) >= 1:
        return min(int(value[:9]), largest)
    problems.append(
        parse_problem("integer", f".{SIZE}", f"a whole number from 1 to {largest} is expected")
    )
    return DEFAULT_SIZE


@dataclass(frozen=True, slots=True)
class FindPage:
    """One page: its rows as JSON parted by ``ROW_END``, the ids of their patients packed, and the
    span and size used.

    ``follows`` is None on the last page.
    """

    rows: bytes
    patients: bytes
    current: dict[str, Any]
    follows: dict[str, Any] | None
    complete_until: str


def page(
    asked: FindQuery,
    record: Mapping[str, Any],
    now: Callable[[], datetime],
    complete_until: datetime,
) -> FindPage:
    """The page of what was found: one row more than its size was asked for, to know whether another
    page follows.

    Where the Find gave no end, the end is ``now()``, or the time of the last row where the clocks
    differ: the pages that follow keep to it."""
    rows, keys, patients = record["body"] or b"", record["keys"] or b"", record["patients"] or b""
    more = len(keys) > asked.size * KEY_BYTES
    if more:
        rows, keys, patients = (
            rows[: rows.rindex(ROW_END)],
            keys[:-KEY_BYTES],
            patients[: -len(NOBODY)],
        )
    moment, row_id = last_key(keys)
    to = iso(max(now(), moment) if asked.to is None else asked.to)
    current = {FROM: iso(asked.start), TO: to, SIZE: asked.size}
    follows = None
    if more:
        follows = {
            **dict(asked.parameters),
            FROM: iso(moment),
            TO: to,
            SIZE: asked.size,
            AFTER: row_id,
        }
    return FindPage(rows, somebody(patients), current, follows, iso(complete_until))


def somebody(patients: bytes) -> bytes:
    """The packed ids of those whom the rows that were found are about, without the places of those
    that are about nobody.
    """
    if NOBODY not in patients:
        return patients
    return b"".join(
        patient
        for n in range(0, len(patients), len(NOBODY))
        if (patient := patients[n : n + len(NOBODY)]) != NOBODY
    )


def last_key(keys: bytes) -> tuple[datetime, str]:
    """The time and the id of the last row that ``statements.find`` answered with, by its keys;
    the beginning of time where there is none.
    """
    if not keys:
        return BEGINNING, _BEFORE_ALL
    micros, row_id = _KEY.unpack(keys[-KEY_BYTES:])
    return _POSTGRES_EPOCH + timedelta(microseconds=micros), str(UUID(bytes=row_id))


def following(url: str, resource: str, query: Mapping[str, Any]) -> str:
    """The address of a page that follows. Raises ApiError where it is longer than a URL may be, as
    with hundreds of ``ids``.
    """
    here = address(url, resource, query)
    if len(here) > LONGEST_QUERY:
        detail = (
            f"There is another page, and its address would be longer than the {LONGEST_QUERY} bytes"
            f" that a URL may have here. Leave {SIZE} out, so that one page holds up to {LARGEST}"
            " rows, or ask for fewer at a time."
        )
        raise problem("bad_request", detail, path=f".{SIZE}")
    return here


def link(following: str | None) -> list[tuple[bytes, bytes]]:
    """The header that names the page that follows (RFC 8288). A long address stands in the body
    alone.
    """
    return (
        []
        if following is None or len(following) > LONGEST_LINK
        else [(b"link", f'<{following}>; rel="next"'.encode())]
    )


def address(url: str, resource: str, query: Mapping[str, Any]) -> str:
    """The absolute URL of a page, percent-encoded, to be followed as it stands.

    What the page itself says is encoded by hand: its times, numbers and ids hold few characters
    that need it."""
    parts = [
        (
            f"{_PLAIN[name]}={str(value).replace(':', '%3A').replace('+', '%2B')}"
            if name in _PLAIN
            else urlencode({name: value})
        )
        for name, value in query.items()
    ]
    return f"{url}/v1/{resource}?{'&'.join(parts)}"
