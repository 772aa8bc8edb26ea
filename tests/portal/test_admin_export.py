"""Data export: the rows as the API shows them, in one snapshot, as CSV, NDJSON and Parquet; noted,
bounded, and safe to open.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import time
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import httpx
import msgspec
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from almoner.access.sessions import Session, csrf
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.pages.page_parts import PageParts
from almoner.pages.visit import Visit
from almoner.portal.admin_export import formats, parquet, sending
from almoner.portal.admin_export.parquet import Holds, ParquetColumn, ParquetFile
from almoner.resources import BY_NAME, RESOURCES
from almoner_files import csv_text
from tests.changes.writing import PATIENCE
from tests.conftest import Callers, new_environment
from tests.people import People, Person
from tests.portal.chart import text_of
from tests.web.document import Document

PATH = "/admin/export"
ODD = (
    '=HYPERLINK("http://example.org","click")',
    "+1",
    "-2",
    "@SUM(A1)",
    "\tx",
    'say "hi", twice',
    "two\nlines",
    " spaced ",
    "李 Ω",
    "",
)


@pytest.fixture
async def admin(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin", first_name="Ada", last_name="Admin") as person:
        yield person


async def make(store: Store, environment: int, collection: str, **values: Any) -> str:
    by = Actor(environment, "test", "cli", "test", whole=True)
    return (await store.create(by, BY_NAME[collection], values)).id


async def patient(store: Store, environment: int, last_name: str = "Hopper", **values: Any) -> str:
    row = {
        "phase": "intake",
        "timezone": "US/Eastern",
        "birthday": "1990-01-31",
        "first_name": "Grace",
        "last_name": last_name,
    }
    return await make(store, environment, "patients", **row | values)


@pytest.fixture
async def filled(admin: Person, store: Store, database: Database) -> list[str]:
    """The ids of patients with odd texts; another environment has some too."""
    other = await new_environment(database)
    await make(
        store,
        other,
        "workers",
        email="noise@example.org",
        first_name="Noise",
        last_name="N",
        timezone="US/Eastern",
    )
    ids = [await patient(store, admin.environment_id, street=text, city=None) for text in ODD]
    flow = {
        "description": "=1+1",
        "goals": [{"title": "Walk, daily", "interventions": [{"title": 'the "park"'}]}],
    }
    await make(store, admin.environment_id, "care_flows", user_id=ids[0], care_flow=flow)
    await make(
        store,
        admin.environment_id,
        "phone_numbers",
        user_id=ids[0],
        phone_number="555-555-5555",
        phone_number_type="cell",
    )
    return ids


LATER = (
    "is_active",
    "primary_language",
    "gender",
    "height",
    "weight",
    "smokes",
    "provider_id_number",
)


async def export(person: Person, format_: str, *collections: str) -> httpx.Response:
    answer = await person.send_form(
        PATH, *(("collections", collection) for collection in collections), format=format_
    )
    assert answer.status_code == 200, text_of(answer.text)
    return answer


async def rows_by_api(callers: Callers, environment: int, collection: str) -> list[dict[str, Any]]:
    """The rows as the documented shape has them, with what the enveloped one has of a patient
    besides.
    """
    async with (
        await callers(environment) as api,
        await callers(environment, shape="enveloped") as enveloped,
    ):
        rows: list[dict[str, Any]] = (await api.get(f"/v1/{collection}?page[size]=1000")).json()[0][
            "data"
        ]
        more = (await enveloped.get(f"/v1/{collection}?page[size]=1000")).json()["data"]
    return [
        row | {name: both[name] for name in LATER if name in both}
        for row, both in zip(rows, more, strict=True)
    ]


async def test_ndjson_is_what_the_api_shows(
    admin: Person, filled: list[str], callers: Callers
) -> None:
    answer = await export(admin, "ndjson", "patients")
    assert re.search(r'filename="patients-.*\.ndjson"', answer.headers["content-disposition"])
    assert answer.headers["cache-control"] == "no-store"
    rows = [json.loads(line) for line in answer.content.splitlines()]
    assert rows == await rows_by_api(callers, admin.environment_id, "patients")
    assert {row["id"] for row in rows} == set(filled)


async def test_csv_is_what_the_api_shows_and_no_formula(
    admin: Person, filled: list[str], callers: Callers
) -> None:
    text = (await export(admin, "csv", "patients")).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    expected = await rows_by_api(callers, admin.environment_id, "patients")
    assert list(rows[0]) == list(expected[0])
    odd_of = dict(zip(filled, ODD, strict=True))
    for row, by_api in zip(rows, expected, strict=True):
        odd = odd_of[row["id"]]
        assert row["street"] == (
            f"'{odd}" if odd[:1] in ("=", "+", "-", "@", "\t") and odd else odd
        )
        for name, value in by_api.items():
            if isinstance(value, str) and name != "street":
                assert row[name] == value
    # Nothing and an empty text differ.
    assert re.search(r',"",', text)
    flows = list(
        csv.DictReader(
            io.StringIO(
                (await export(admin, "csv", "care_flows")).content.decode("utf-8-sig"), newline=""
            )
        )
    )
    [flow] = await rows_by_api(callers, admin.environment_id, "care_flows")
    assert json.loads(flows[0]["care_flow"]) == flow["care_flow"]


async def test_parquet_has_the_same_with_types(
    admin: Person, filled: list[str], callers: Callers
) -> None:
    table = pyarrow.parquet.read_table(
        io.BytesIO((await export(admin, "parquet", "patients")).content)
    )
    expected = await rows_by_api(callers, admin.environment_id, "patients")
    assert table.column_names == list(expected[0])
    assert str(table.schema.field("updated_at").type) == "timestamp[us, tz=UTC]"
    assert str(table.schema.field("birthday").type) == "date32[day]"
    for row, by_api in zip(table.to_pylist(), expected, strict=True):
        moments = {
            name: datetime.fromisoformat(by_api[name]) for name in ("updated_at", "created_at")
        }
        assert row == by_api | moments | {"birthday": date(1990, 1, 31)}
    flows = pyarrow.parquet.read_table(
        io.BytesIO((await export(admin, "parquet", "care_flows")).content)
    ).to_pylist()
    [flow] = await rows_by_api(callers, admin.environment_id, "care_flows")
    assert json.loads(flows[0]["care_flow"]) == flow["care_flow"]
    phones = pyarrow.parquet.read_table(
        io.BytesIO((await export(admin, "parquet", "phone_numbers")).content)
    ).to_pylist()
    [phone] = await rows_by_api(callers, admin.environment_id, "phone_numbers")
    assert {name for name, value in phones[0].items() if value is False} == {
        name for name, value in phone.items() if value is False
    }


@pytest.mark.parametrize("format_", ["csv", "ndjson", "parquet"])
async def test_all_collections_are_a_zip_with_a_file_each(
    admin: Person, filled: list[str], callers: Callers, format_: str, tmp_path: Any
) -> None:
    answer = await export(admin, format_, *(resource.name for resource in RESOURCES))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{resource.name}.{format_}" for resource in RESOURCES] + [
            "about.json"
        ]
        about = json.loads(archive.read("about.json"))
        assert about["rows"]["patients"] == len(filled)
        assert about["rows"]["messages"] == 0
        content = archive.read(f"workers.{format_}")
    assert b"noise@example.org" not in content
    if format_ != "parquet":
        assert admin.email.encode() in content


async def test_an_export_is_one_snapshot_whatever_is_written_meanwhile(
    admin: Person, store: Store, program: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_PART", 3)
    for n in range(10):
        await patient(store, program, f"Before {n}")
    form = [
        ("csrf", csrf(admin.token)),
        ("collections", "patients"),
        ("collections", "workers"),
        ("format", "ndjson"),
    ]
    content = b""
    async with admin.stream("POST", PATH, content=urlencode(form), headers=FORM) as answer:
        async for part in answer.aiter_raw(64):
            if not content:
                await patient(store, program, "Meanwhile")
            content += part
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        rows = [msgspec.json.decode(line) for line in archive.read("patients.ndjson").splitlines()]
    assert [row["last_name"] for row in rows] == [f"Before {n}" for n in range(10)]


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_who_took_what_is_in_the_events_and_of_whom_in_the_trail(
    admin: Person, filled: list[str], database: Database
) -> None:
    await export(admin, "csv", "patients", "workers")
    page = await admin.get(PATH)
    assert Document(page).row("taken whole")
    assert re.search(r"1[12] rows: patients, workers as CSV", text_of(page.text))
    deadline = time.monotonic() + PATIENCE
    noted: set[str] = set()
    while not noted and time.monotonic() < deadline:
        async with database.connection() as connection:
            stored = await connection.fetchval(
                "SELECT almoner_ids(patients)::text[] FROM audit_reads WHERE environment_id = $1"
                " AND actor = $2 AND resource = 'patients' AND verb = 'find'",
                *(admin.environment_id, f"worker:{admin.worker_id}"),
            )
        noted = set(stored or ())
    assert noted == set(filled)


async def test_an_export_that_is_not_taken_whole_is_told_apart(
    admin: Person, store: Store, program: int, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO worker_events (environment_id, worker_id, event, actor, detail,"
            " request_id) VALUES ($1, $2, 'data export begun', 'worker:' || $2::uuid, 'patients as"
            " CSV', 'cut')",
            *(admin.environment_id, admin.worker_id),
        )
    page = Document(await admin.get(PATH))
    assert page.row("not taken whole")


async def test_progress_is_told_while_it_is_sent_to_its_own_environment_alone(
    admin: Person, people: People, database: Database, serving: Database
) -> None:
    async with (
        await people(await new_environment(database), "admin") as stranger,
        serving.connection() as connection,
        connection.transaction(),
    ):
        name = f"almoner export {admin.environment_id} csv 1234/5000"
        await connection.execute("SELECT set_config('application_name', $1, true)", name)
        assert "CSV, begun just now: 1,234 of 5,000 rows" in Document(
            await admin.fragment(f"{PATH}/progress")
        ).get("paragraph")
        assert "No export is under way" in Document(
            await stranger.fragment(f"{PATH}/progress")
        ).get("paragraph")
    assert "No export is under way" in Document(await admin.fragment(f"{PATH}/progress")).get(
        "paragraph"
    )


async def test_a_third_export_at_once_is_told_to_wait(
    admin: Person, program: int, serving: Database
) -> None:
    running = [
        await sending.begun(sending.stream(visitor(admin, serving), export_of_all()))
        for _ in range(2)
    ]
    answer = await admin.send_form(PATH, ("collections", "workers"), format="csv")
    assert answer.status_code == 503
    assert Document(answer).alert("under way on this server already")
    assert re.search(r'value="workers" checked', answer.text)
    past = Document(await admin.fragment(f"{PATH}/past")).rows()
    assert ["under way" in row for row in past] == [True, True]
    for stream in running:
        assert b"".join([part.body async for part in stream])
    await export(admin, "csv", "workers")
    past = Document(await admin.fragment(f"{PATH}/past")).rows()
    assert ["under way" in row for row in past] == [False] * 3


def visitor(person: Person, database: Database) -> Visit:
    """Somebody who exports without a browser, so that the answer is read when the test says so."""
    worker = SimpleNamespace(
        environment_id=person.environment_id, worker_id=person.worker_id, roles=("admin",)
    )
    parts, asked = SimpleNamespace(database=database), Request({"type": "http", "request_id": "r"})
    return Visit(cast(PageParts, parts), asked, cast(Session, worker), "", None)


def export_of_all() -> sending.Export:
    return sending.Export(
        "test", (BY_NAME["workers"],), formats.BY_NAME["ndjson"], datetime.now(UTC)
    )


async def test_of_many_that_begin_at_once_two_are_sent(admin: Person, database: Database) -> None:
    begun = (
        sending.begun(sending.stream(visitor(admin, database), export_of_all())) for _ in range(6)
    )
    results = await asyncio.gather(*begun, return_exceptions=True)
    assert [type(result) for result in results].count(sending.Full) == 4
    for stream in results:
        if not isinstance(stream, BaseException):
            assert b"".join([part.body async for part in stream])
    past = (await admin.fragment(f"{PATH}/past")).text
    assert past.count("taken whole") == 2
    assert Document(past).lacks("row", "not taken whole")


async def test_nothing_chosen_is_told_at_the_field(admin: Person) -> None:
    answer = await admin.send_form(PATH, format="csv")
    assert answer.status_code == 400
    assert Document(answer).field("collections").error
    answer = await admin.send_form(PATH, ("collections", "workers"), format="xls")
    assert answer.status_code == 400
    assert Document(answer).alert("Choose a format.")


async def test_the_page_says_how_many_rows_there_are(admin: Person, filled: list[str]) -> None:
    counts = (await admin.fragment(f"{PATH}/counts")).text
    assert re.search(r'id="count-patients"[^>]*>10 rows<', counts)
    assert re.search(r'id="count-messages"[^>]*>0 rows<', counts)


CHARACTERS = st.characters(exclude_categories=["Cs"])  # a lone surrogate is no text
VALUES = {
    Holds.TEXT: st.text(CHARACTERS),
    Holds.JSON: st.just('{"a": [1, null]}'),
    Holds.TRUTH: st.booleans(),
    Holds.WHOLE: st.integers(-(2**63), 2**63 - 1),
    Holds.NUMBER: st.floats(allow_nan=False),
    Holds.DAY: st.dates(),
    Holds.MOMENT: st.datetimes(timezones=st.just(UTC)),
}
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
ROWS = st.lists(st.tuples(*(st.none() | values for values in VALUES.values())), max_size=40)


@settings(deadline=None)
@given(ROWS, st.integers(1, 20))
def test_another_reader_of_parquet_finds_what_was_written(
    rows: list[tuple[Any, ...]], most: int
) -> None:
    columns = [ParquetColumn(holds.name.lower(), holds) for holds in VALUES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "MOST_ROWS", most)
        file = ParquetFile(columns)
        content = file.begin() + file.add(rows[:3]) + file.add(rows[3:]) + file.end()
    table = pyarrow.parquet.read_table(io.BytesIO(content))
    assert table.column_names == [column.name for column in columns]
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


@given(st.lists(st.none() | st.text(CHARACTERS), min_size=1, max_size=6))
def test_a_line_of_csv_is_read_back_and_never_a_formula(values: list[str | None]) -> None:
    line = csv_text.line(["id", *values])
    [read] = list(csv.reader(io.StringIO(line, newline="")))
    for value, cell in zip(values, read[1:], strict=True):
        assert cell[:1] not in FORMULAS
        assert cell.removeprefix("'") == (value or "")


@pytest.mark.parametrize("first", FORMULAS)
def test_a_text_that_a_spreadsheet_would_carry_out_is_kept_a_text(first: str) -> None:
    [read] = list(csv.reader(io.StringIO(csv_text.line([f"{first}1+1", "quiet"]), newline="")))
    assert read == [f"'{first}1+1", "quiet"]


RESHAPED = (
    "02139",
    "3-4",
    "1/2",
    "1E5",
    "1.500,00",
    "5 Mar",
    "March 5, 2020",
    "12:30 pm",
    "4155551234567890",
    "TRUE",
    "'t Hooft",
)
AS_THEY_ARE = (
    "12 Main Street",
    "Apt 4b, 2nd floor",
    "Hopper",
    "415 555 1234 (home)",
    "true grit",
    "O'Brien",
    "",
)


@pytest.mark.parametrize("text", RESHAPED)
def test_a_text_that_a_spreadsheet_would_reshape_is_kept_as_it_is_and_read_back(text: str) -> None:
    [read] = list(csv.reader(io.StringIO(csv_text.line([text]), newline="")))
    assert read == [f"'{text}"]


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_a_text_that_no_spreadsheet_touches_has_nothing_before_it(text: str) -> None:
    [read] = list(csv.reader(io.StringIO(csv_text.line([text]), newline="")))
    assert read == [text]


async def test_csv_begins_with_the_mark_by_which_a_spreadsheet_knows_utf_8(
    admin: Person, store: Store
) -> None:
    patient_id = await patient(store, admin.environment_id, "Nuñez", zip_code="02139", street="3-4")
    content = (await export(admin, "csv", "patients")).content
    assert content.startswith(b"\xef\xbb\xbfid,")
    [row] = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert (row["id"], row["last_name"], row["zip_code"], row["street"]) == (
        patient_id,
        "Nuñez",
        "'02139",
        "'3-4",
    )
    assert row["birthday"] == "1990-01-31"


async def test_the_page_follows_an_export_to_its_end(
    admin: Person, filled: list[str], database: Database
) -> None:
    page = (await admin.get(PATH)).text
    assert re.search(r'hx-get="/admin/export/past" hx-trigger="every \d+s"', page)
    assert Document(page).lacks("row", "taken whole")
    await export(admin, "csv", "patients")
    assert Document(await admin.fragment(f"{PATH}/past")).row("taken whole")
