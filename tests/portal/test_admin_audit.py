"""The audit trail in the administration: one list of reads and changes, narrowed, in words, and as
a file.
"""

from __future__ import annotations

import csv
import io
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import msgspec
import pytest

from almoner.access import audit_search
from almoner.access.audit_search import AuditQuery, TrailPlace
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.changes.writing import PATIENCE
from tests.conftest import new_environment
from tests.people import People, Person
from tests.portal.chart import text_of
from tests.web.document import Document

PATH = "/admin/audit"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Ground:
    """An environment in which things happen, beside another in which the same do."""

    environment: int
    store: Store
    database: Database

    async def patient(self, first_name: str, last_name: str = "Hopper", actor: str = "test") -> str:
        values = {"phase": "intake", "timezone": "US/Eastern", "birthday": "1990-01-01"}
        return await self.make(
            "patients", actor, first_name=first_name, last_name=last_name, **values
        )

    async def make(self, collection: str, actor: str = "test", **values: Any) -> str:
        by = Actor(self.environment, actor, "portal", "made-it", whole=True)
        return (await self.store.create(by, BY_NAME[collection], values)).id

    async def read(
        self,
        patients: list[str],
        actor: str = "test",
        verb: str = "find",
        at: datetime | None = None,
    ) -> None:
        packed = b"".join(uuid.UUID(patient).bytes for patient in patients)
        async with self.database.connection() as connection:
            await connection.execute(
                "INSERT INTO audit_reads (environment_id, read_at, actor, through, request_id,"
                " verb, resource, patients) VALUES ($1, $2, $3, 'api', 'read-it', $4,"
                " 'patients', $5)",
                *(self.environment, at or datetime.now(UTC), actor, verb, packed),
            )

    async def changed(
        self, number: int, actor: str, at: datetime, step: timedelta = timedelta(seconds=1)
    ) -> None:
        """Adds changes of a distant time, as many as no test would write one by one."""
        async with self.database.connection() as connection:
            await connection.execute(
                "INSERT INTO changes (environment_id, epoch, xid, seq, kind, resource, row_id,"
                " changed_at, actor, through, request_id) SELECT $1, 0, 0, -n, 'update', 'workers',"
                " gen_random_uuid(), $3::timestamptz - n * $4::interval, $2, 'api', 'old' FROM"
                " generate_series(1, $5::int) n",
                *(self.environment, actor, at, step, number),
            )


@pytest.fixture
async def ground(program: int, store: Store, database: Database) -> Ground:
    other = Ground(await new_environment(database), store, database)
    await other.changed(3, "elsewhere", datetime.now(UTC))
    await other.read([str(uuid.uuid4())], "elsewhere")
    return Ground(program, store, database)


@pytest.fixture
async def admin(people: People, ground: Ground) -> AsyncIterator[Person]:
    """An administrator who also gives care, and so may see patients' names."""
    async with await people(
        ground.environment, "admin", "coach", first_name="Ada", last_name="Admin"
    ) as person:
        yield person


def sentences(page: str) -> list[str]:
    """The entries of a page, as a reader hears them."""
    entries = re.findall(r'<li class="log-line">\s*<div class="grow">(.*?)</div>', page, re.S)
    return [text_of(entry).strip() for entry in entries]


async def noted(database: Database, person: Person) -> list[set[str]]:
    """Whom the trail says that this person was shown by the trail itself, look by look, once that
    is written.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        async with database.connection() as connection:
            rows = await connection.fetch(
                "SELECT almoner_ids(patients)::text[] AS ids FROM audit_reads WHERE environment_id"
                " = $1 AND actor = $2 AND resource = 'audit_trail' ORDER BY id",
                *(person.environment_id, f"worker:{person.worker_id}"),
            )
        if rows:
            return [set(row["ids"]) for row in rows]
    raise AssertionError("nothing was noted")


async def test_reads_and_changes_are_one_list_newest_first_in_words(
    admin: Person, people: People, ground: Ground, database: Database
) -> None:
    async with await people(
        ground.environment, "coach", first_name="Carl", last_name="Coach"
    ) as coach:
        actor = f"worker:{coach.worker_id}"
        grace = await ground.patient("Grace", actor=actor)
        others = [await ground.patient(f"Noise {n}") for n in range(5)]
        await ground.read([grace], actor, "get")
        await ground.read([grace, *others], actor, "find")
        page = await admin.get(f"{PATH}?actor={actor}")
    listed, opened, created = sentences(page.text)[:3]
    assert listed.startswith("Carl Coach listed patients:")
    assert "and 3 others" in listed
    assert opened.startswith("Carl Coach opened a patient: Grace Hopper")
    assert created.startswith("Carl Coach created a patient: Grace Hopper")
    assert "request made-it" in created
    assert "in the portal" in created
    assert not any(sentence.startswith("elsewhere") for sentence in sentences(page.text))
    ids = (await noted(database, admin))[0]
    assert grace in ids
    assert 1 < len(ids) <= 4


async def test_who_may_not_see_patients_sees_ids(people: People, ground: Ground) -> None:
    grace = await ground.patient("Grace")
    async with await people(ground.environment, "admin") as bare:
        page = await bare.get(f"{PATH}?resource=patients")
        assert grace in page.text
        assert not Document(page).mentions("Grace")
        assert Document(page).lacks("field", "Find the patient by name")
        assert (await bare.send_form(f"{PATH}/patients", find="Grace")).status_code == 403


async def test_it_narrows_to_a_patient_found_by_name(admin: Person, ground: Ground) -> None:
    grace, noise = await ground.patient("Grace"), await ground.patient("Noise", "Nobody")
    await ground.read([noise])
    await ground.read([noise, grace])
    answer = await admin.send_form(f"{PATH}/patients", find="Gracie Hopper")
    assert Document(answer).link(to=f"{PATH}?patient={grace}")
    assert Document(await admin.get(PATH)).field("Find the patient by name")
    page = await admin.get(f"{PATH}?patient={grace}")
    assert Document(page).heading("Reads and changes of Grace Hopper")
    assert not Document(page).mentions("Noise")
    assert noise not in page.text
    # The search itself is noted as well, and may stand there by now.
    others = [sentence for sentence in sentences(page.text) if not sentence.startswith("You ")]
    assert [patient.split(":")[0].split(" ", 1)[1] for patient in others] == [
        "listed patients",
        "created a patient",
    ]


async def test_whose_trail_it_is_is_noted_also_where_it_is_empty(
    admin: Person, ground: Ground, database: Database
) -> None:
    grace = await ground.patient("Grace")
    page = await admin.get(f"{PATH}?patient={grace}&begin=2001-01-01&end=2001-01-02")
    assert Document(page).heading("Reads and changes of Grace Hopper")
    assert not sentences(page.text)
    assert await noted(database, admin) == [{grace}]


async def test_days_are_those_of_the_reader(admin: Person, ground: Ground) -> None:
    # Half past eleven at night in New York is the next day in London.
    late = datetime(2021, 3, 14, 3, 30, tzinfo=UTC)
    await ground.read([], "late", at=late)
    await ground.read([], "noise", at=late + timedelta(hours=2))
    page = Document(await admin.get(f"{PATH}?begin=2021-03-13&end=2021-03-13"))
    assert page.row("late listed patients")
    assert not page.mentions("noise")
    assert page.region("Filters")
    wrong = await admin.get(f"{PATH}?begin=2021-03-14&end=2021-03-13")
    assert wrong.status_code == 400
    assert Document(wrong).field("end").error
    assert (await admin.get(f"{PATH}?patient=Grace")).status_code == 400


async def test_kinds_and_collections_narrow_it(admin: Person, ground: Ground) -> None:
    grace = await ground.patient("Grace")
    await ground.read([grace])
    only_reads = sentences((await admin.get(f"{PATH}?verb=find&resource=patients")).text)
    assert [sentence.split(":")[0] for sentence in only_reads] == ["test listed patients"]
    listed = sentences((await admin.get(f"{PATH}?verb=create&resource=patients")).text)
    assert [sentence.split(":")[0] for sentence in listed] == ["test created a patient"]
    nothing = await admin.get(f"{PATH}?verb=delete&resource=patients")
    assert "Nothing of this kind" in Document(nothing).region("Reads and changes")


async def test_pages_join_without_a_gap_or_a_repetition(ground: Ground, database: Database) -> None:
    # Many at one moment, in both logs, so that the order within a moment matters.
    at = LONG_AGO
    await ground.changed(40, "many", at, timedelta(0))
    for _ in range(40):
        await ground.read([], "many", at=at)
    asked, before, places = AuditQuery(end=at + timedelta(seconds=1)), None, []
    async with database.connection() as connection:
        while True:
            result = await audit_search.search(
                connection, ground.environment, query=asked, before=before, size=7, most_ids=3
            )
            places += [entry.place for entry in result.entries]
            before = result.follows
            if before is None:
                break
    assert len(places) == len(set(places)) == 80
    assert places == sorted(places, reverse=True)


@pytest.mark.parametrize("examined", [1, 7, 50, 1000])
async def test_however_little_one_look_examines_a_rare_entry_is_found(
    ground: Ground, database: Database, examined: int
) -> None:
    await ground.changed(300, "noise", LONG_AGO)
    for n in range(30):
        await ground.read(
            [],
            "rare" if n in (3, 29) else "noise",
            at=LONG_AGO - timedelta(seconds=10 * n, milliseconds=1),
        )
    asked, before, times, looks = (
        AuditQuery(actor="rare", end=LONG_AGO + timedelta(days=1)),
        None,
        [],
        0,
    )
    async with database.connection() as connection:
        while True:
            result = await audit_search.search(
                connection,
                ground.environment,
                query=asked,
                before=before,
                size=5,
                most_ids=3,
                examined=examined,
            )
            times += [entry.at for entry in result.entries]
            before, looks = result.follows, looks + 1
            if before is None:
                break
    assert times == [LONG_AGO - timedelta(seconds=10 * n, milliseconds=1) for n in (3, 29)]
    assert looks <= 400


async def test_a_search_that_came_only_so_far_says_so_and_goes_on_by_itself(
    admin: Person, ground: Ground
) -> None:
    await ground.changed(audit_search.EXAMINED + 100, "noise", LONG_AGO)
    await ground.read([], "rare", at=LONG_AGO - timedelta(days=365))
    page = await admin.get(f"{PATH}?actor=rare")
    assert Document(page).status("Looked back to")
    [more] = re.findall(r'hx-get="([^"]*/more[^"]*)" hx-trigger="load"', page.text)
    rest = await admin.fragment(unescape(more))
    assert sentences(rest.text)[0].startswith("rare listed patients")
    assert Document(rest).row("This is the beginning of it")


async def test_a_place_of_an_address_that_is_none_is_the_beginning(admin: Person) -> None:
    assert audit_search.place(TrailPlace(LONG_AGO, 1, -5).text()) == TrailPlace(LONG_AGO, 1, -5)
    for text in ("", "x", "1.2", "1.1.99999999999999999999", "9999999999999999999.1.1", "²..1"):
        assert audit_search.place(text) is None
        assert (await admin.get(PATH, params={"before": text})).status_code == 200


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
async def test_the_file_holds_what_is_narrowed_to_and_is_itself_noted(
    admin: Person, ground: Ground, database: Database, format_: str
) -> None:
    grace = await ground.patient("Grace", actor="=cmd()")
    await ground.patient("Noise", "Noise")
    await ground.changed(2500, "=cmd()", LONG_AGO)
    answer = await admin.send_form(f"{PATH}/export", format=format_, actor="=cmd()")
    assert answer.status_code == 200
    assert f".{format_}" in answer.headers["content-disposition"]
    if format_ == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert rows[0]["actor"] == "'=cmd()"
        assert rows[0]["patient_ids"] == grace
    else:
        rows = [msgspec.json.decode(line) for line in answer.text.splitlines()]
        assert rows[0]["actor"] == "=cmd()"
        assert rows[0]["patient_ids"] == [grace]
    assert len(rows) == 2501
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)
    assert {grace} in await noted(database, admin)
    events = Document(await admin.get(f"/admin/workers/{admin.worker_id}"))
    assert events.row("Audit trail exported")
    assert events.row("narrowed by actor")


@pytest.mark.parametrize(
    "query",
    [
        AuditQuery(),
        AuditQuery(actor="test"),
        AuditQuery(patient="00000000-0000-4000-8000-000000000000"),
    ],
    ids=["all", "actor", "patient"],
)
async def test_the_trail_reads_nothing_of_what_a_change_held(
    query: AuditQuery, ground: Ground
) -> None:
    """Asked as somebody to whom the database shows all but that column."""
    role = f"trail_{uuid.uuid4().hex}"
    async with ground.database.transaction() as connection:
        columns = await connection.fetchval(
            "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE"
            " table_schema = 'public' AND table_name = 'changes' AND column_name <> 'differences'"
        )
        await connection.execute(f"CREATE ROLE {role}")
        await connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        await connection.execute(f"REVOKE SELECT ON changes FROM {role}")
        await connection.execute(f"GRANT SELECT ({columns}) ON changes TO {role}")
        await connection.execute(f"SET LOCAL ROLE {role}")
        await audit_search.search(
            connection, ground.environment, query=query, before=None, size=10, most_ids=10
        )
        await connection.execute("RESET ROLE")
        await connection.execute(f"DROP OWNED BY {role}")
        await connection.execute(f"DROP ROLE {role}")
