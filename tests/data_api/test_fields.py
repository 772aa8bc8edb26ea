"""Every kind of field, fed with arbitrary JSON: a problem, or a value that PostgreSQL takes and
gives back.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from almoner.data_api import decode
from almoner.data_api.nested import NewRows
from almoner.database import Database
from almoner.errors import ApiError
from almoner.resources import BY_NAME, RESOURCES
from almoner.vocabulary import json_values, times
from almoner.vocabulary.choices import STATES, Choice, ProgramChoice, ProgramName, Several, State
from almoner.vocabulary.contact_kinds import E164, Name, Phone, ZipCode
from almoner.vocabulary.fields import Field, ListOf, Object
from almoner.vocabulary.kinds import (
    AnyObject,
    Boolean,
    BooleanOrWord,
    Consent,
    Email,
    Guid,
    Json,
    Kind,
    LongText,
    Problems,
    Ref,
    Text,
    Texts,
    Word,
)
from almoner.vocabulary.numbers import Integer, Number, Seconds
from tests.tries import tries

KINDS: dict[str, Kind] = {
    "text": Text(),
    "long text": LongText(),
    "name": Name(),
    "email": Email(),
    "phone": Phone(),
    "word": Word(),
    "guid": Guid(),
    "reference": Ref("patients"),
    "boolean": Boolean(),
    "boolean or word": BooleanOrWord(),
    "consent": Consent(),
    "integer": Integer(),
    "integer within": Integer(1, 10),
    "seconds": Seconds(),
    "number": Number(),
    "number within": Number(0, 1),
    "zip code": ZipCode(),
    "texts": Texts(),
    "json": Json(),
    "any object": AnyObject(),
    "date": times.IsoDate(),
    "birthday": times.Birthday(),
    "moment": times.IsoDateTime(),
    "bound": times.Bound(),
    "time zone": times.Timezone(),
    "choice": Choice(("call", "visit")),
    "state": State(),
    "several": Several(("a", "b", "c")),
    "program choice": ProgramChoice("phases"),
    "program name": ProgramName("task_types"),
    "object": Object(
        (
            Field("pain_scale", Number(0, 1), required=True),
            Field("note", Text()),
            Field("tags", ListOf(Name())),
        )
    ),
    "list": ListOf(Guid()),
    "new rows": NewRows(BY_NAME["external_ids"], "welkin_id", {"resource": "patients"}),
    "number in the enveloped shape": E164(),
    "respelled": Choice(("cancelled", "no-show"), respelled=(("no_show", "no-show"),)).enveloped(),
}
# A day from the ends of the calendar, so that every offset stays within it.
NAIVE_BOUNDS = (datetime.fromisoformat("0001-01-02"), datetime.fromisoformat("9999-12-30"))
RELAXED = tries(60, suppress_health_check=[HealthCheck.function_scoped_fixture])

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
)
_near = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "\x00",
            "555-555-5555",
            "+1 (415) 555 0100",
            "45CEEBA9-4944-43d1-b34d-0c36846acd4c",
            "94110",
            "٩٤١١٠",
        ]
    ),
    st.sampled_from(
        [
            "2018-09-15",
            "0000-01-01",
            "9999-12-31",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:60Z",
            "CA",
            "ca",
        ]
    ),
    st.sampled_from(
        [
            "call",
            "a",
            ["a", "b"],
            ["a", "a"],
            {"pain_scale": 0.5},
            {"pain_scale": 2, "nope": 1},
            "US/Pacific",
        ]
    ),
    st.datetimes().map(datetime.isoformat),
    st.dates().map(date.isoformat),
    st.uuids().map(str),
    st.from_regex(times._DATETIME, fullmatch=True),
    st.from_regex(times._BASIC, fullmatch=True),
    st.integers(-(2**70), 2**70),
    st.sampled_from([10**400, -(10**400), 2**63, -(2**63) - 1, 1e308, 5e-324, True]),
)
ANY_JSON = st.recursive(
    _scalars | _near,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def parsed(value: Any) -> Any:
    """The value as it comes out of a request's body."""
    return json_values.decode(json.dumps(value).encode())


def test_every_kind_that_the_collections_use_is_fed_here() -> None:
    """But for those of one collection alone, which take what the kind does that they are made
    of.
    """
    used = {type(f.kind) for r in RESOURCES for f in r.fields}
    used -= {kind for kind in used if kind.__module__.startswith("almoner.resources.")}
    assert used <= {type(kind) for kind in KINDS.values()}


@pytest.mark.parametrize("name", KINDS)
@RELAXED
@given(value=ANY_JSON)
@example(value=10**400)
@example(value="\x00")
async def test_whatever_is_sent_is_refused_or_taken_by_postgresql(
    database: Database, name: str, value: Any
) -> None:
    kind = KINDS[name]
    problems: Problems = []
    decoded = kind.decode(parsed(value), ".field", problems)
    if problems:
        assert all(p.extra["path"].startswith(".field") for p in problems)
        assert all(p.code == "parse_exception" for p in problems)
        return
    async with database.connection() as connection:
        if plain(kind):
            query = f"SELECT ($1::{kind.column}[])[2] IS NULL"
            assert await connection.fetchval(query, [kind.bind(decoded)] * 2) is (decoded is None)
    if isinstance(kind, NewRows):
        # They are shown as they stand in their own collection.
        return
    text = await rendered(database, kind, decoded)
    # What the API shows is taken again, as programs that send back the whole object do, and means
    # the same.
    again: Problems = []
    assert kind.decode(text, ".field", again) == decoded
    assert again == []


@pytest.mark.parametrize("name", KINDS)
@RELAXED
@given(value=ANY_JSON)
def test_inside_a_document_every_kind_keeps_what_is_json_or_says_what_is_wrong(
    name: str, value: Any
) -> None:
    problems: Problems = []
    stored = KINDS[name].keep(parsed(value), ".field", problems)
    if not problems:
        msgspec.json.decode(msgspec.json.encode(stored))


def plain(kind: Kind) -> bool:
    """Whether many values of it go to the database as one array; lists go as JSON."""
    return not kind.column.endswith("[]")


async def rendered(database: Database, kind: Kind, decoded: Any) -> Any:
    async with database.connection() as connection:
        query = (
            f"SELECT row_to_json(r)::text FROM (SELECT {kind.to_json('v')} AS v FROM (SELECT"
            f" $1::{kind.column} AS v) AS t) AS r"
        )
        return json.loads(await connection.fetchval(query, kind.bind(decoded)))["v"]


@RELAXED
@given(
    moment=st.datetimes(*NAIVE_BOUNDS, timezones=st.just(UTC)),
    minutes=st.integers(-23 * 60, 23 * 60),
    style=st.sampled_from(["T", " "]),
    digits=st.integers(6, 9),
)
@example(datetime(1, 1, 2, tzinfo=UTC), 0, "T", 7)
@example(datetime(1, 1, 1, tzinfo=UTC), 0, "T", 6)
@example(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 0, "T", 6)
async def test_a_moment_comes_back_in_utc_whatever_way_it_was_written(
    database: Database, moment: datetime, minutes: int, style: str, digits: int
) -> None:
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    day, _, rest = local.isoformat(timespec="microseconds").partition("T")
    clock, offset = rest[:15], rest[15:]
    kind = times.IsoDateTime()
    decoded = kind.parse(f"{day}{style}{clock}{'9' * (digits - 6)}{offset}")
    assert decoded == moment
    assert await rendered(database, kind, decoded) == times.iso(moment)
    assert kind.parse(f"{day}{style}{clock}{offset.replace('+', ' ')}") == moment


@pytest.mark.parametrize("kind", [times.IsoDateTime(), times.Birthday()])
def test_the_basic_format_means_what_the_extended_one_does(kind: Kind) -> None:
    for basic, extended in (
        ("20261201T100000Z", "2026-12-01T10:00:00Z"),
        ("20261201T1000", "2026-12-01T10:00"),
        ("20261201T100000.1234567-0800", "2026-12-01T10:00:00.1234567-08:00"),
        ("20261201t100000 0530", "2026-12-01T10:00:00+05:30"),
    ):
        assert kind.parse(basic) == kind.parse(extended)


def test_inside_a_document_a_moment_is_never_kept_in_the_basic_format() -> None:
    """What looks into documents, in SQL and in pages, knows the extended one alone."""
    problems: Problems = []
    assert (
        times.IsoDateTime().keep("20261201T100000Z", ".at", problems)
        == "2026-12-01T10:00:00.000000+00:00"
    )
    assert times.IsoDateTime().keep("2026-12-01 10:00", ".at", problems) == "2026-12-01 10:00"
    assert problems == []


@pytest.mark.parametrize("kind", [times.IsoDate(), times.Birthday()])
@RELAXED
@given(day=st.dates())
@example(date(1, 1, 1))
@example(date(9999, 12, 31))
@example(date(999, 2, 28))
async def test_a_day_of_the_years_one_to_9999_comes_back_as_it_was(
    database: Database, kind: Kind, day: date
) -> None:
    assert await rendered(database, kind, kind.parse(day.isoformat())) == day.isoformat()


@pytest.mark.parametrize("year", [1, 99, 999, 1000, 9999])
async def test_a_moment_of_a_far_year_has_four_digits(database: Database, year: int) -> None:
    kind = times.IsoDateTime()
    text = f"{year:04}-06-15T12:00:00.000001+00:00"
    assert await rendered(database, kind, kind.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00Z",
        "2018-02-30T00:00:00Z",
    ],
)
def test_a_moment_outside_of_the_calendar_is_refused(text: str) -> None:
    problems: Problems = []
    assert times.IsoDateTime().decode(text, ".at", problems) is None
    assert len(problems) == 1


@RELAXED
@given(
    digits=st.text("0123456789", min_size=10, max_size=10),
    form=st.sampled_from(
        [
            "{}-{}-{}",
            "({}) {}-{}",
            "{}.{}.{}",
            "+1{}{}{}",
            "1-{}-{}-{}",
            "+1 ({}) {} {}",
            "{}\u2013{}\u2013{}",
            " {}\u00a0{}\u00a0{} ",
        ]
    ),
)
def test_a_phone_number_is_kept_in_one_form_whatever_its_notation(digits: str, form: str) -> None:
    parts = digits[:3], digits[3:6], digits[6:]
    assert Phone().parse(form.format(*parts)) == "-".join(parts)


@given(st.uuids(), st.data())
def test_a_guid_is_kept_in_lower_case(value: Any, data: st.DataObject) -> None:
    mixed = "".join(c.upper() if data.draw(st.booleans()) else c for c in str(value))
    assert Guid().parse(mixed) == str(value)


@RELAXED
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=200)
)
@example("e\u0301\u202e\U0001f9d1\u200d\u2695\ufe0f \ufeff\u2028\\u0000")
async def test_a_string_of_any_script_comes_back_unchanged(database: Database, text: str) -> None:
    for kind in (Text(), Texts(), Json()):
        value: Any = [text] if isinstance(kind, Texts) else text
        problems: Problems = []
        assert await rendered(database, kind, kind.decode(value, ".field", problems)) == value
        assert problems == []


PLACES: dict[str, tuple[Kind, bytes]] = {
    "a column of numbers": (Number(), b"%s"),
    "a column of whole numbers": (Integer(), b"%s"),
    "free JSON": (Json(), b'{"a": [%s]}'),
    "a model": (
        Object((Field("n", Number(), required=True), Field("steps", ListOf(Integer())))),
        b'{"n": %s}',
    ),
    "whole numbers of a model": (Object((Field("steps", ListOf(Integer())),)), b'{"steps": [%s]}'),
}
LITERALS = st.one_of(
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map("{:.20f}".format),
    st.integers().map(str),
    st.integers(-(2**70), 2**70).map("{}.000".format),
)


@RELAXED
@given(literal=LITERALS)
@example(literal="9007199254740993")
@example(literal="9007199254740993.0")
@example(literal="36.600000000000001")
@example(literal="0.1000000000000000055511151231257827")
@example(literal="9223372036854775808.0")
@example(literal="5.318178323384654e+16")
@example(literal="5e-324")
@example(literal="5e-400")
@example(literal="1e400")
@example(literal="-0.0")
async def test_a_number_comes_back_as_the_same_number_or_is_refused(
    database: Database, literal: str
) -> None:
    """Whatever is written, wherever a JSON number is stored: never another number."""
    for name, (kind, around) in PLACES.items():
        problems: Problems = []
        body = b'{"n": ' + around.replace(b"%s", literal.encode()) + b"}"
        try:
            decoded = kind.decode(decode.json_object(body)["n"], ".n", problems)
        except ApiError as refused:
            problems += refused.problems
        if problems:
            assert {p.extra["path"][:2] for p in problems} == {".n"}, (name, literal)
            assert "whole" in name or not 1e-300 < abs(Decimal(literal)) < 1e300, (name, literal)
            continue
        async with database.connection() as connection:
            text = await connection.fetchval(
                f"SELECT to_json($1::{kind.column})::text", kind.bind(decoded)
            )
        assert numbers(text) == [Decimal(literal)], (name, literal)


def numbers(text: str) -> list[Decimal]:
    """The numbers of a JSON text, exactly."""
    decimals: list[Decimal] = []
    json.loads(
        text,
        parse_float=lambda number: decimals.append(Decimal(number)),
        parse_int=lambda number: decimals.append(Decimal(number)),
    )
    return decimals


@RELAXED
@given(value=ANY_JSON)
async def test_json_comes_back_with_its_numbers_and_the_order_of_its_keys(
    database: Database, value: Any
) -> None:
    problems: Problems = []
    sent = parsed(value)
    decoded = Json().decode(sent, ".j", problems)
    if not problems:
        assert json.dumps(await rendered(database, Json(), decoded)) == json.dumps(
            json.loads(msgspec.json.encode(sent))
        )


@pytest.mark.parametrize("states", [STATES])
def test_states_are_taken_in_capitals_only(states: tuple[str, ...]) -> None:
    problems: Problems = []
    assert [State().decode(s, ".state", problems) for s in states] == list(states)
    assert problems == []
    for text in ("ca", "XX", "", "California", "CA "):
        State().decode(text, ".state", problems)
    assert len(problems) == 5


@given(st.binary(max_size=200) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
@example(b'{"a": "\\ud800"}')
@example(b'{"a": 1e999}')
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 100_000)
@example(b'{"a":' * 5_000 + b"1" + b"}" * 5_000)
def test_no_body_does_worse_than_being_refused(raw: bytes) -> None:
    refused = None
    try:
        assert type(decode.json_object(raw)) is dict
    except ApiError as error:
        refused = error.status
    assert refused in (None, 400)
