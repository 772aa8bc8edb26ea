"""Admin, Import: a file uploaded, mapped, checked, written and taken back, over HTTP with a runner."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from datetime import date
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.async_api import Page, expect

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.imports.handler import ImportHandler
from almoner.resources import BY_NAME
from tests.browsers import SCREENS, Screens, on_every_screen
from tests.changes.writing import until_true
from tests.conftest import Callers, new_environment
from tests.people import ZONE, People, Person
from tests.web.document import Document
from tests.work.doing import running

PATH = "/admin/import"
HEADER = "MRN,First name,Surname,DOB,Time zone,Phase,ZIP,E-mail"
GRACE = "A-1,Grace,Hopper,12/09/1906,US/Pacific,intake,94110,grace@example.org"
ADA = "A-2,Ada,King,12/10/1815,US/Eastern,intake,,"
COUNT = "SELECT count(*) FROM {} WHERE environment_id = $1"


@pytest.fixture
async def admin(
    people: People, program: int, database: Database, store: Store, callers: Callers
) -> AsyncIterator[Person]:
    """An administrator, beside a runner that does imports."""
    handler = ImportHandler(database, store, callers.box)
    async with (
        await people(program, "admin", first_name="Ada", last_name="Admin") as person,
        running(database, handler),
    ):
        yield person


async def patient(store: Store, environment: int, **values: Any) -> str:
    row = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "birthday": "1906-12-09",
        "first_name": "Grace",
        "last_name": "Hopper",
    }
    by = Actor(environment, "test", "cli", "test", whole=True)
    return (await store.create(by, BY_NAME["patients"], row | values)).id


class Import:
    """An import of a test, as its administrator sees it."""

    def __init__(self, admin: Person, database: Database, path: str) -> None:
        self.admin = admin
        self.database = database
        self.path = path

    async def page(self) -> Document:
        answer = await self.admin.get(self.path)
        assert answer.status_code == 200, answer.text
        return Document(answer)

    async def send(self, what: str, **values: str) -> Document:
        """Sends a form of its page, and waits until what began has ended."""
        answer = await self.admin.send_form(f"{self.path}/{what}", **values)
        assert answer.status_code == 303, answer.text

        async def has_ended() -> bool:
            part = await self.admin.fragment(f"{self.path}/progress")
            return bool(part.headers.get("hx-refresh") == "true")

        await until_true(has_ended, "the import has ended")
        return await self.page()

    async def check(self, **values: str) -> Document:
        """Has every row checked, with the columns as they were guessed."""
        page = await self.page()
        columns: dict[str, str] = {}
        for number in range(50):
            try:
                columns[f"column-{number}"] = page.field(f"column-{number}").value
            except AssertionError:
                break
        dates = page.field("dates").value
        return await self.send("check", **{**columns, "dates": dates, **values})


async def upload(admin: Person, content: bytes, name: str, **values: str) -> httpx.Response:
    encoded = base64.urlsafe_b64encode(content).decode()
    return await admin.send_form(
        PATH, **{"collection": "patients", "content": encoded, "name": name, **values}
    )


async def uploaded(
    admin: Person, database: Database, *lines: str, name: str = "people.csv", **values: str
) -> Import:
    answer = await upload(admin, "\n".join(lines).encode(), name, **values)
    assert answer.status_code == 303, Document(answer).alert()
    return Import(admin, database, answer.headers["location"])


async def patients(callers: Callers, environment: int) -> dict[str, dict[str, Any]]:
    """The patients by their given names."""
    async with await callers(environment) as api:
        rows = (await api.get("/v1/patients", params={"page[size]": 1000})).json()[0]["data"]
    return {row["first_name"]: row for row in rows}


async def count(database: Database, environment: int, table: str) -> int:
    async with database.connection() as connection:
        number: int = await connection.fetchval(COUNT.format(table), environment)
    return number


def figure(page: Document, term: str) -> str:
    return page.definition(term).words


async def test_a_file_of_parquet_is_taken_too_and_a_long_one_is_refused_in_words(
    admin: Person, database: Database, callers: Callers
) -> None:
    names = ["id", "first_name", "last_name", "birthday", "timezone", "phase", "created_at"]
    row = [str(uuid4()), "Grace", "Hopper", date(1906, 12, 9), "US/Pacific", "intake", None]
    text = BytesIO()
    pq.write_table(pa.table({name: [value] for name, value in zip(names, row, strict=True)}), text)
    answer = await upload(admin, text.getvalue(), "people.parquet", namespace="vendor")
    assert answer.status_code == 303, Document(answer).alert()
    run = Import(admin, database, answer.headers["location"])
    assert figure(await run.check(), "would be created") == "1"
    await run.send("write")
    assert (await patients(callers, admin.environment_id))["Grace"]["birthday"] == "1906-12-09"
    limit = int((await admin.get(PATH)).text.partition('data-file-limit="')[2].partition('"')[0])
    long = await upload(admin, b"x" * (limit + 1), "people.csv")
    assert long.status_code == 400
    assert "ALMONER_BODY_LIMIT" in Document(long).alert()


async def test_a_file_is_mapped_checked_and_written_and_what_was_uploaded_is_deleted(
    admin: Person, database: Database, callers: Callers
) -> None:
    bad = "A-3,Bad,Day,12/32/1906,US/Pacific,nowhere,941,"
    run = await uploaded(admin, database, HEADER, GRACE, bad, ADA, namespace="ehr")
    page = await run.page()
    assert page.field("column-3").value == "birthday"
    assert page.field("dates").value == "%m/%d/%Y"
    assert "Hopper" in page.region("The first rows")
    assert await patients(callers, admin.environment_id) == {}
    checked = await run.check()
    assert await patients(callers, admin.environment_id) == {}
    assert "DOB" in checked.row("January 31, 1970")
    assert ".phase" not in checked.row("January 31, 1970")
    assert (figure(checked, "would be created"), figure(checked, "would be refused")) == ("2", "1")
    written = await run.send("write")
    assert (figure(written, "created"), figure(written, "refused")) == ("2", "1")
    people = await patients(callers, admin.environment_id)
    assert set(people) == {"Grace", "Ada"}
    assert people["Grace"]["birthday"] == "1906-12-09"
    assert written.links(f"/patients/{people['Ada']['id']}")
    # What is left is the bad row, sealed.
    async with database.connection() as connection:
        (sealed,) = await connection.fetch(
            "SELECT import_id::text, sealed FROM import_parts WHERE environment_id = $1",
            admin.environment_id,
        )
    assert b"Day" not in sealed["sealed"]
    rejected = msgspec.json.decode(callers.box.open(sealed["sealed"], sealed["import_id"]))
    assert [line for line, *_ in rejected] == [3]
    file = await admin.get(f"{run.path}/bad")
    assert file.text.splitlines()[0].endswith("almoner_errors,almoner_line")
    mended = file.text.replace("12/32", "12/31").replace("nowhere", "intake")
    again = await uploaded(admin, database, *mended.replace(",941,", ",94110,").splitlines())
    await again.check()
    assert figure(await again.send("write"), "created") == "1"
    assert await count(database, admin.environment_id, "import_parts") == 1


async def test_everything_that_is_wrong_is_said_at_once_wherever_it_stands(
    admin: Person, database: Database, callers: Callers
) -> None:
    lines = [f"B-{n},P{n},Hopper,12/09/1906,US/Pacific,intake,," for n in range(450)]
    lines[0] = "B-0,P0,Hopper,12/09/1906,US/Pacific,nowhere,,"
    lines[210] = "B-7,P210,Hopper,12/09/1906,US/Pacific,intake,,"
    lines[300] = '"B-300,P300'
    lines[449] = "B-449,P449,Hopper,12/09/1906,US/Nowhere,intake,12,"
    run = await uploaded(admin, database, HEADER, *lines)
    checked = await run.check()
    table = checked.region("What is wrong")
    assert table.row("Line 2 Phase")
    assert "MRN line 9 has the same id" in table.row("Line 212")
    assert "cannot be taken apart" in table.row("Line 302")
    assert all(column in table.row("Line 451") for column in ("Time zone", "ZIP"))
    assert figure(checked, "would be refused") == "4"
    assert await patients(callers, admin.environment_id) == {}


async def test_all_that_is_wrong_with_a_row_is_said_at_once(
    admin: Person, database: Database, callers: Callers
) -> None:
    nobody = str(uuid4())
    lines = [
        f"B-1,Grace,Hopper,12/32/1906,US/Nowhere,nowhere,94110,,{nobody}",
        "B-1,Ada,King,,US/Pacific,nowhere,941,,",
        "B-2,Mary,May,01/31/1970,US/Pacific,intake,94110,,",
    ]
    run = await uploaded(admin, database, f"{HEADER},Coach", *lines, namespace="ehr")
    checked = await run.check()
    table = checked.region("What is wrong")
    for column in ("DOB", "Time zone", "Phase", "Coach"):
        assert column in table.row("Line 2"), column
    for column in ("MRN", "DOB", "Phase", "ZIP"):
        assert column in table.row("Line 3"), column
    assert len(table.all("term")) == 8
    assert (figure(checked, "would be created"), figure(checked, "would be refused")) == ("1", "2")
    await run.send("write")
    assert set(await patients(callers, admin.environment_id)) == {"Mary"}


async def test_what_the_file_has_no_column_of_is_the_same_for_every_row(
    admin: Person, database: Database, callers: Callers
) -> None:
    lines = ["MRN,First name,DOB", "A-1,Grace,12/09/1906", "A-2,Ada,12/10/1815"]
    run = await uploaded(admin, database, *lines, namespace="ehr")
    every = (await run.page()).region("The same for every row")
    assert all(name in every.get("note") for name in ("Phase", "Time zone", "Last name"))
    assert every.lacks("field", "every-birthday")
    same = {"every-last_name": "King", "every-phase": "intake", "every-timezone": "US/Pacific"}
    wrong = await admin.send_form(f"{run.path}/check", **same | {"every-timezone": "Atlantis"})
    assert wrong.status_code == 400
    assert Document(wrong).field("every-timezone").error
    assert Document(wrong).field("every-phase").value == "intake"
    checked = await run.check(**same, **{"every-coach_id": admin.worker_id})
    assert figure(checked, "would be created") == "2"
    again = Document(await admin.get(f"{run.path}?columns=1"))
    assert again.field("every-phase").value == "intake"
    await run.send("write")
    people = (await patients(callers, admin.environment_id)).values()
    names = ("last_name", "phase", "coach_id")
    assert [[row[name] for name in names] for row in people] == [
        ["King", "intake", admin.worker_id]
    ] * 2


@pytest.mark.parametrize(
    ("choice", "outcome"), [("skip", "skipped"), ("update", "updated"), ("create", "created")]
)
async def test_who_may_be_here_already_is_shown_before_anything_is_written(
    admin: Person,
    database: Database,
    store: Store,
    callers: Callers,
    choice: str,
    outcome: str,
) -> None:
    here = await patient(store, admin.environment_id, zip_code="10001")
    run = await uploaded(admin, database, HEADER, GRACE)
    checked = await run.check()
    assert checked.links(f"/patients/{here}")
    assert "10001" in checked.region("Line 2 compared").row("Zip code")
    written = await run.send("write", **{"line-2": choice})
    assert figure(written, outcome) == "1"
    rows = await count(database, admin.environment_id, "patients")
    assert rows == (2 if choice == "create" else 1)
    async with await callers(admin.environment_id) as api:
        row = (await api.get(f"/v1/patients/{here}")).json()
    assert row["zip_code"] == ("94110" if choice == "update" else "10001")


async def test_who_is_in_the_file_twice_is_shown_before_anything_is_written(
    admin: Person, database: Database, store: Store, callers: Callers
) -> None:
    here = await patient(store, admin.environment_id, first_name="June", last_name="May")
    lines = [
        HEADER,
        GRACE,
        "A-7, grace ,HOPPER,12/09/1906,US/Pacific,intake,94111,",
        *(f"B-{n},Noise{n},Hopper,12/09/1906,US/Pacific,intake,," for n in range(220)),
        "A-8,Grete,Other,01/31/1970,US/Pacific,intake,,GRACE@example.org",
        "A-9,June,May,12/09/1906,US/Pacific,intake,,",
        "A-10,June,May,12/09/1906,US/Pacific,intake,,",
    ]
    run = await uploaded(admin, database, *lines)
    checked = await run.check()
    assert "line 2 of the file" in checked.row("Line 3")
    assert "same name" in checked.row("Line 3")
    assert "line 2 of the file" in checked.row("Line 224")
    assert list(checked.field("line-3").options) == ["skip", "create"]
    # Who is here already is beside them, in both lines.
    assert checked.links(f"/patients/{here}")
    written = await run.send("write", **{"line-224": "create"})
    assert figure(written, "skipped") == "3"
    rows = await patients(callers, admin.environment_id)
    assert {"Grace", "Grete", "June"} <= set(rows)
    assert await count(database, admin.environment_id, "patients") == 223


async def test_an_import_is_taken_back_but_for_what_somebody_has_changed_since(
    admin: Person, database: Database, store: Store, callers: Callers
) -> None:
    first = await uploaded(admin, database, HEADER, GRACE, ADA, namespace="ehr")
    await first.check()
    await first.send("write")
    changed = [GRACE.replace("94110", "94111"), ADA.replace("King", "Byron")]
    new = [
        "A-4,Mary,May,01/31/1970,US/Pacific,intake,94110,mary@example.org",
        "A-5,June,May,01/31/1980,US/Pacific,intake,94110,",
    ]
    run = await uploaded(admin, database, HEADER, *changed, *new, namespace="ehr")
    checked = await run.check()
    assert figure(checked, "would be updated") == "2"
    written = await run.send("write", others="create", **{"line-4": "create", "line-5": "create"})
    assert (figure(written, "updated"), figure(written, "created")) == ("2", "2")
    assert written.button("Undo the import")
    people = await patients(callers, admin.environment_id)
    async with await callers(admin.environment_id) as api:
        ada, june = (f"/v1/patients/{people[name]['id']}" for name in ("Ada", "June"))
        assert (await api.put(ada, json={"last_name": "Lovelace"})).status_code == 200
        assert (await api.put(june, json={"city": "Reno"})).status_code == 200
    undone = await run.send("undo")
    assert (figure(undone, "taken back"), figure(undone, "left")) == ("2", "2")
    assert "changed since" in undone.region("Could not be taken back")
    people = await patients(callers, admin.environment_id)
    assert set(people) == {"Grace", "Ada", "June"}
    assert people["Grace"]["zip_code"] == "94110"
    assert people["Ada"]["last_name"] == "Lovelace"
    assert await count(database, admin.environment_id, "email_addresses") == 1
    # A day later nothing of an import can be taken back.
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE imports SET ended_at = ended_at - interval '1 day' WHERE environment_id = $1",
            admin.environment_id,
        )
    assert (await first.page()).lacks("button", "Undo the import")
    await admin.send_form(f"{first.path}/undo")
    assert set(await patients(callers, admin.environment_id)) == {"Grace", "Ada", "June"}


async def test_workers_and_rows_about_patients_come_in_by_the_ids_and_addresses_of_their_people(
    admin: Person, database: Database, callers: Callers
) -> None:
    header = "email,first_name,last_name,timezone"
    staff = await uploaded(
        admin, database, header, "may@example.org,May,Day,US/Pacific", collection="workers"
    )
    await staff.check()
    assert figure(await staff.send("write"), "created") == "1"
    people = await uploaded(
        admin, database, f"{HEADER},Coach", f"{ADA},may@example.org", namespace="ehr"
    )
    await people.check()
    await people.send("write")
    ada = (await patients(callers, admin.environment_id))["Ada"]
    assert ada["coach_id"] is not None
    mails = await uploaded(
        admin,
        database,
        '{"patient": "A-2", "email": "ada@example.org"}',
        '{"patient": "A-9", "email": "nobody@example.org"}',
        name="mails.ndjson",
        collection="email_addresses",
        namespace="ehr",
    )
    checked = await mails.check()
    assert "nothing has this id in ehr" in checked.row("Line 2")
    assert figure(await mails.send("write"), "created") == "1"


async def test_tables_of_another_system_have_ids_of_their_own_and_times_of_its_clocks(
    admin: Person, database: Database, callers: Callers
) -> None:
    lines = [line.replace("A-", "") for line in (HEADER, GRACE, ADA)]
    people = await uploaded(admin, database, *lines)
    assert (await people.page()).lacks("field", "timezone")
    await people.check()
    assert figure(await people.send("write"), "created") == "2"
    tasks = await uploaded(
        admin,
        database,
        *("id,patient,title,due time", "1,2,Call,12/03/2026 9:00 AM", "2,2,No,03/08/2026 2:30 AM"),
        name="tasks.csv",
        collection="worker_tasks",
    )
    page = await tasks.page()
    # Until another is chosen, the clocks are those of who uploads.
    assert page.field("timezone").value == ZONE
    assert "12/03/2026" in page.field("dates").help
    checked = await tasks.check(timezone="US/Eastern", **{"column-1": "patient_id"})
    assert "skip this time" in checked.region("What is wrong").row("Line 3")
    assert figure(await tasks.send("write"), "created") == "1"
    ada = (await patients(callers, admin.environment_id))["Ada"]
    async with await callers(admin.environment_id) as api:
        (task,) = (await api.get("/v1/worker_tasks")).json()[0]["data"]
    assert task["patient_id"] == ada["id"]
    assert task["due_time"] == "2026-12-03T14:00:00.000000+00:00"


async def test_what_is_no_such_file_is_refused_in_words_and_rows_can_be_pasted(
    admin: Person, database: Database
) -> None:
    cases = [
        (b"a,b\n1,2\n", "people.pdf", "Choose a file that ends in .csv"),
        (b"", "people.csv", "The file is empty"),
        (b"a,b\n", "people.csv", "no row below it"),
        (b"PK nothing", "people.xlsx", "is no workbook"),
        (b"x" * 774_200, "people.csv", "Part it"),
    ]
    for content, name, words in cases:
        answer = await upload(admin, content, name)
        assert answer.status_code == 400
        assert words in Document(answer).alert(), name
    pasted = HEADER.replace(",DOB", "").replace(",", "\t") + "\nA-1\tGrace\n"
    answer = await admin.send_form(PATH, collection="patients", pasted=pasted)
    run = Import(admin, database, answer.headers["location"])
    page = await run.page()
    assert "Grace" in page.region("The first rows")
    assert page.field("every-birthday")
    await admin.send_form(f"{run.path}/remove")
    assert await count(database, admin.environment_id, "import_parts") == 0


async def test_only_who_administers_and_sees_it_whole_imports_and_nobody_of_another_environment(
    admin: Person, people: People, database: Database
) -> None:
    run = await uploaded(admin, database, HEADER, GRACE)
    async with await people(admin.environment_id, "coach") as coach:
        assert (await coach.get(PATH)).status_code == 403
        assert (await coach.send_form(f"{run.path}/check")).status_code == 403
    elsewhere = await new_environment(database)
    async with await people(elsewhere, "admin") as stranger:
        for path in (run.path, f"{run.path}/bad"):
            assert (await stranger.get(path)).status_code in (403, 404)
    assert (await admin.get(f"{PATH}/nothing")).status_code == 404


@pytest.mark.slow
async def test_in_a_browser_a_chosen_file_is_mapped_checked_written_and_taken_back(
    admin: Person, screens: Screens, callers: Callers
) -> None:
    page = await screens(admin)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(PATH)
    bad = GRACE.replace("A-1", "A-9").replace("12/09/1906", "12/32/1906")
    content = "\n".join([HEADER, GRACE, ADA, bad]).encode()
    await page.locator("#file").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": content}
    )
    await expect(page.locator("#name")).to_have_value("people.csv")
    wrong = await faults_on(page, "chosen")
    await page.get_by_role("button", name="Look at it").click()
    await expect(page.get_by_role("button", name="Check every row")).to_be_visible()
    wrong += await faults_on(page, "mapped")
    await page.get_by_role("button", name="Check every row").click()
    await expect(page.get_by_role("button", name="Write 2 rows")).to_be_visible()
    wrong += await faults_on(page, "checked")
    await page.get_by_role("button", name="Write 2 rows").click()
    await expect(page.get_by_role("button", name="Undo the import")).to_be_visible()
    assert set(await patients(callers, admin.environment_id)) == {"Grace", "Ada"}
    wrong += await faults_on(page, "written")
    await page.get_by_role("button", name="Undo the import").click()
    await page.get_by_role("button", name="Take it back", exact=True).click()
    await expect(page.get_by_role("term").filter(has_text="taken back")).to_be_visible()
    wrong += await faults_on(page, "undone")
    assert await patients(callers, admin.environment_id) == {}
    assert (wrong, errors) == ([], [])


async def faults_on(page: Page, name: str) -> list[str]:
    """What is wrong with an open page on every screen; with ALMONER_PICTURES set, pictures of it."""
    folder = os.environ.get("ALMONER_PICTURES")
    for width, dark in SCREENS if folder else ():
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme="dark" if dark else "light")
        path = f"{folder}/import-{name}-{width}{'-dark' * dark}.png"
        await page.screenshot(path=path, full_page=True)
    return [f"{name}: {fault}" for fault in await on_every_screen(page)]
