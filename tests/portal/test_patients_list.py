"""The list of patients: its orders, its pages, and what is done with many of them at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from html import unescape
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.portal.patients import assignment, by_next, listing
from almoner.portal.patients.listing import Chosen, list_patients
from almoner.resources import BY_NAME
from almoner.vocabulary.clocks import DatabaseZones
from almoner.vocabulary.times import TIMEZONES, iso
from tests.browsers import Screens
from tests.conftest import taken
from tests.people import People, Person
from tests.web.document import Document

GRACE = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


@pytest.fixture
async def coach(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "coach", first_name="Ann", last_name="Lee") as person:
        yield person


class Practice:
    """Patients with appointments, made so many hours from now."""

    def __init__(self, store: Store, by: Actor, database: Any, worker_id: str) -> None:
        self._store, self._by, self._database, self._worker_id = store, by, database, worker_id

    async def patient(self, **values: Any) -> str:
        return (await self._store.create(self._by, BY_NAME["patients"], GRACE | values)).id

    async def conversation(self, patient: str) -> str:
        """The path of a conversation by SMS."""
        number = {
            "phone_number": "415-555-1234",
            "phone_number_type": "cell",
            "opted_in_to_sms": True,
            "user_id": patient,
        }
        await self._store.create(self._by, BY_NAME["phone_numbers"], number)
        created = await self._store.create(
            self._by, BY_NAME["conversations"], {"user_id": patient, "conversation_type": "phone"}
        )
        return f"/patients/{patient}/conversations/{created.id}"

    async def event(self, patient: str, hours: float, **more: Any) -> None:
        async with self._database.connection() as connection:
            calendar = await connection.fetchval(
                "SELECT id::text FROM calendars WHERE worker_id = $1", self._worker_id
            )
        start = datetime.now(UTC) + timedelta(hours=hours)
        when = {"start_time": iso(start), "end_time": iso(start + timedelta(minutes=20))}
        kind = {
            "modality": "phone",
            "appointment_type": "coaching_call",
            "calendar_id": calendar,
            "user_id": patient,
        }
        await self._store.create(
            self._by, BY_NAME["calendar_events"], (when if "day" not in more else {}) | kind | more
        )


@pytest.fixture
def practice(store: Store, inside: Actor, database: Any, coach: Person) -> Practice:
    return Practice(store, inside, database, coach.worker_id)


def listed(text: str) -> list[str]:
    return re.findall(r'type="checkbox" name="patient" value="([0-9a-f-]{36})"', text)


async def walked(coach: Person, path: str, way: str = "next") -> list[str]:
    """Everybody of the list, page by page."""
    ids: list[str] = []
    while path:
        text = (await coach.get(path)).text
        ids += listed(text)
        onward = re.search(rf'href="([^"]+)" rel="{way}"', text)
        path = onward[1].replace("&amp;", "&") if onward else ""
    return ids


@pytest.mark.parametrize("mine", [False, True])
async def test_by_next_appointment_come_those_who_have_one_each_once_the_soonest_first(
    coach: Person, practice: Practice, mine: bool
) -> None:
    own = {"coach_id": coach.worker_id}
    late, soon, past, none, all_day, off, twin = [
        await practice.patient(last_name=f"Nr{n}", **own) for n in range(7)
    ]
    await practice.event(late, 100)
    await practice.event(late, 90)
    await practice.event(soon, 2)
    await practice.event(soon, 3)
    await practice.event(past, -3)
    await practice.event(all_day, 0, day=(datetime.now(UTC) + timedelta(days=2)).date().isoformat())
    await practice.event(off, 1, outcome="cancelled")
    await practice.event(twin, 95)
    order = await walked(
        coach, "/patients?sort=next" + (f"&coach={coach.worker_id}" if mine else "")
    )
    assert order == [soon, all_day, late, twin]
    text = (await coach.get("/patients?sort=next")).text
    assert "ascending" in [
        head.attribute("aria-sort") for head in Document(text).all("columnheader")
    ]
    assert "without an appointment ahead are not in this order" in Document(text).region("Patients")
    assert none not in order


@pytest.mark.parametrize("filters", ["", "&phase=intake", "&coach=nobody"])
async def test_pages_by_next_appointment_show_everybody_once_there_and_back(
    coach: Person, practice: Practice, filters: str
) -> None:
    patients = [
        await practice.patient(last_name=f"P{n % 5}", phase=("intake", "paused")[n % 40 == 0])
        for n in range(57)
    ]
    for number, patient in enumerate(patients):
        await practice.event(patient, 1 + (number * 7) % 57)
    fitting = [
        patient for n, patient in enumerate(patients) if filters != "&phase=intake" or n % 40
    ]
    order = await walked(coach, f"/patients?sort=next{filters}")
    assert sorted(order) == sorted(fitting)
    second = (await coach.get(f"/patients?sort=next{filters}&after={order[49]}")).text
    back = re.search(r'href="([^"]+)" rel="prev"', second)
    assert back
    assert listed((await coach.get(back[1].replace("&amp;", "&"))).text) == order[:50]


async def test_the_newest_come_first_and_the_order_is_told_and_keeps_the_filters(
    coach: Person, practice: Practice
) -> None:
    patients = [await practice.patient(last_name=name) for name in ("Bo", "Al", "Cy")]
    await practice.patient(phase="paused")
    text = (await coach.get("/patients?sort=newest&phase=intake")).text
    assert listed(text) == patients[::-1]
    assert re.search(
        r'aria-sort="descending"><a href="/patients\?phase=intake&amp;sort=newest">Added', text
    )
    assert Document(text).link(to="/patients?phase=intake&sort=next")


async def test_without_a_coach_chosen_the_ticks_stay_also_those_of_other_pages(
    coach: Person, practice: Practice
) -> None:
    ids = [await practice.patient(last_name=f"N{n:02}") for n in range(52)]
    pairs = [("patient", patient) for patient in (ids[0], ids[51])]
    refused = await coach.send_form("/patients/assign", *pairs, to="")
    assert refused.status_code == 400
    assert Document(refused).alert("Choose a coach for the 2 who are selected")
    assert {ids[0], ids[51]} <= set(Document(refused).field("patient").values)
    none = await coach.send_form("/patients/assign", to=coach.worker_id)
    assert Document(none).alert("No patient was chosen")


async def test_an_assignment_is_one_write_for_all_and_can_be_taken_back(
    coach: Person, practice: Practice, people: People, database: Any
) -> None:
    async with await people(
        coach.environment_id, "coach", first_name="Bo", last_name="Ek"
    ) as other:
        before = {
            await practice.patient(coach_id=coach_id): coach_id
            for coach_id in (None, coach.worker_id, other.worker_id)
        }
        stranger = await practice.patient(last_name="Stays")
        done = await coach.send_form(
            "/patients/assign", *(("patient", patient) for patient in before), to=other.worker_id
        )
        assert Document(done).status("2 patients are now Bo Ek’s")
        assert Document(done).status("1 patient was so already")

        async def coaches() -> dict[str, str | None]:
            async with database.connection() as connection:
                rows = await connection.fetch(
                    "SELECT id::text, coach_id::text FROM patients WHERE environment_id = $1",
                    coach.environment_id,
                )
            return dict(map(tuple, rows))

        assert await coaches() == dict.fromkeys(before, other.worker_id) | {stranger: None}
        async with database.connection() as connection:
            logged = await connection.fetch(
                "SELECT DISTINCT xid, actor, fields FROM changes WHERE environment_id = $1 AND kind"
                " = 'update'",
                coach.environment_id,
            )
        assert [(row["actor"], row["fields"]) for row in logged] == [
            (f"worker:{coach.worker_id}", ["coach_id"])
        ]
        request = re.search(r'name="request" value="([^"]+)"', done.text)
        assert request
        assert Document(await other.send_form("/patients/assign/undo", request=request[1])).alert(
            "cannot be taken back"
        )
        undone = await coach.send_form("/patients/assign/undo", request=request[1])
        assert Document(undone).status("2 patients have the coach of before again")
        assert await coaches() == before | {stranger: None}


async def test_all_who_fit_are_assigned_on_every_page(coach: Person, practice: Practice) -> None:
    for n in range(55):
        await practice.patient(last_name=f"P{n}", phase=("intake", "paused")[n == 3])
    text = Document(await coach.get("/patients?phase=intake"))
    assert text.field("all").name == "Select all 54 on every page"
    done = await coach.send_form("/patients/assign?phase=intake", all="yes", to=coach.worker_id)
    assert Document(done).status("54 patients are now Ann Lee’s")
    assert Document(await coach.get("/patients?coach=nobody")).testid("number").words == "1 patient"


async def coach_of(database: Any, patient: str) -> str | None:
    async with database.connection() as connection:
        stored: str | None = await connection.fetchval(
            "SELECT coach_id::text FROM patients WHERE id = $1", patient
        )
        return stored


async def test_who_was_given_to_another_coach_since_the_list_was_drawn_is_told_before_anybody_is(
    coach: Person, practice: Practice, people: People, database: Any
) -> None:
    taken, free = (
        await practice.patient(first_name="Ada"),
        await practice.patient(first_name="Edna"),
    )
    both = [("patient", taken), ("patient", free)]
    drawn = re.compile(r'name="drawn" value="([^"]+)"')
    async with await people(
        coach.environment_id, "coach", first_name="Bo", last_name="Ek"
    ) as other:
        before = drawn.findall((await coach.get("/patients")).text)[0]
        await other.send_form("/patients/assign", ("patient", taken), to=other.worker_id)
        late = await coach.send_form(
            "/patients/assign", *both, ("drawn", before), to=coach.worker_id
        )
        assert late.status_code == 400
        assert Document(late).alert("Ada Hopper is Bo Ek’s now")
        assert not Document(late).alert("Ada Hopper is Bo Ek’s now").mentions("Edna")
        assert [await coach_of(database, patient) for patient in (taken, free)] == [
            other.worker_id,
            None,
        ]
        # What was told is seen: the list is drawn anew, and the ticks stay.
        assert late.text.count(" checked") >= 2
        again = await coach.send_form(
            "/patients/assign", *both, ("drawn", drawn.findall(late.text)[0]), to=coach.worker_id
        )
        assert Document(again).status("2 patients are now Ann Lee’s")


@pytest.mark.parametrize("form", ["many", "one"])
async def test_who_is_given_to_another_coach_at_the_same_moment_is_not_taken_from_them(
    coach: Person, practice: Practice, store: Store, people: People, database: Any, form: str
) -> None:
    patient = await practice.patient()
    drawn = re.findall(r'name="drawn" value="([^"]+)"', (await coach.get("/patients")).text)[0]
    async with await people(
        coach.environment_id, "coach", first_name="Bo", last_name="Ek"
    ) as other:
        async with database.transaction() as connection:
            by = Actor(coach.environment_id, f"worker:{other.worker_id}", "portal", "theirs")
            await store.within(connection).update(
                by, BY_NAME["patients"], patient, {"coach_id": other.worker_id}, None
            )
            if form == "many":
                sending = coach.send_form(
                    "/patients/assign", ("patient", patient), ("drawn", drawn), to=coach.worker_id
                )
            else:
                sending = coach.send_form(
                    f"/patients/{patient}/coach", ("was.coach_id", ""), coach=coach.worker_id
                )
            mine = asyncio.create_task(sending)
            waits = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query"
                " LIKE '%patients%NO KEY UPDATE%'"
            )
            async with taken(database, 1) as (looking,):
                while not await looking.fetchval(waits):
                    await asyncio.sleep(0)
        assert (await mine).status_code == (400 if form == "many" else 412)
        assert await coach_of(database, patient) == other.worker_id


async def test_more_than_can_be_given_at_once_are_told_so(
    coach: Person, practice: Practice, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment, "MOST", 52)
    ids = [await practice.patient(last_name=f"P{n}") for n in range(53)]
    page = (await coach.get("/patients")).text
    assert Document(page).lacks("field", "all")
    assert "can be selected where 52 or fewer fit" in Document(page).region("Patients")
    refused = await coach.send_form("/patients/assign", all="yes", to=coach.worker_id)
    assert Document(refused).alert("More than 52 cannot be given to a coach at once")
    assert await coach_of(database, ids[0]) is None


@pytest.mark.parametrize("filters", ["", "&phase=intake"])
async def test_an_appointment_of_a_whole_day_is_ahead_until_the_day_is_over_where_the_patient_lives(
    coach: Person, practice: Practice, filters: str
) -> None:
    today: list[str] = []
    over: list[str] = []
    for zone in ("Pacific/Pago_Pago", "Pacific/Kiritimati", "US/Pacific"):
        here = datetime.now(ZoneInfo(zone)).date()
        for of, day in ((today, here), (over, here - timedelta(days=1))):
            of.append(await practice.patient(timezone=zone, last_name=zone.rpartition("/")[2]))
            await practice.event(of[-1], 0, day=day.isoformat())
    assert sorted(await walked(coach, f"/patients?sort=next{filters}")) == sorted(today)
    assert (await coach.get("/patients")).text.count("all day") == 3


async def test_the_next_appointment_is_the_same_one_wherever_it_is_asked_for(
    coach: Person, practice: Practice
) -> None:
    day = datetime.now(UTC).date() + timedelta(days=40)
    # In the evening before, and in the early morning of a day that began with an appointment of the
    # whole day: as the day begins where the patient lives, ten hours behind UTC or fourteen ahead
    # of it.
    cases = {
        "Pacific/Honolulu": (time(20), -1, "Intake call"),
        "Pacific/Kiritimati": (time(2), 0, "Home visit"),
    }
    different = {}
    for zone, (at, days, following) in cases.items():
        patient = await practice.patient(timezone=zone, coach_id=coach.worker_id)
        begins = datetime.combine(day + timedelta(days=days), at, ZoneInfo(zone))
        await practice.event(
            patient, 0, day=day.isoformat(), appointment_type="home_visit", modality="visit"
        )
        await practice.event(
            patient,
            (begins - datetime.now(UTC)).total_seconds() / 3600,
            appointment_type="intake_call",
        )
        conversation = await practice.conversation(patient)
        template = {
            "template": "Before an appointment",
            "direction": "outbound",
            "do": "fill",
            "contents": "",
        }
        lists = [(await coach.get(f"/patients?sort={sort}")).text for sort in ("name", "next")]
        rows = [
            re.search(
                rf'href="/patients/{patient}">.*?data-side="Next">(.*?)</td>', text, re.DOTALL
            )
            for text in lists
        ]
        profile = (await coach.get(f"/patients/{patient}")).text
        card = re.search(r'href="/calendar/events/[^"]+">([^<]+)</a>\s*<p>', profile)
        head = re.search(r"Next · ([^<]+)<", (await coach.get(f"/patients/{patient}/header")).text)
        message = unescape((await coach.send_form(conversation, htmx=True, **template)).text)
        match = re.search(r"reminder of your (.*?) on ", message)
        whole_day = {"Home visit": True, "Intake call": False}
        answers = [row and ("all day" in row[1]) for row in rows]
        answers += [place and whole_day[place[1].capitalize()] for place in (card, head, match)]
        if answers != [whole_day[following]] * 5:
            different[zone] = answers
    assert different == {}


@pytest.mark.parametrize("filters", ["", "&coach=nobody"])
async def test_by_next_appointment_a_day_as_a_whole_begins_where_its_patient_lives(
    coach: Person, practice: Practice, filters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    monkeypatch.setattr(by_next, "_WALKS", (1, 3, 1_000_000))
    day = datetime.now(UTC).date() + timedelta(days=9)
    midnight = datetime.combine(day, time(), UTC)
    # Where they live, and when it begins: so many hours from midnight in UTC, or with the day
    # there.
    begins = (
        *(
            ("Pacific/Kiritimati", None),
            ("UTC", -12),
            ("Asia/Tokyo", None),
            ("UTC", -1),
            ("UTC", None),
            ("Asia/Tokyo", 6),
        ),
        *(
            ("Pacific/Honolulu", None),
            ("UTC", 10.5),
            ("Pacific/Pago_Pago", None),
            ("Pacific/Kiritimati", 12),
            ("UTC", 40),
        ),
    )
    expected = []
    for zone, hours in begins:
        expected.append(await practice.patient(timezone=zone))
        for later in (0, 30):
            if hours is None:
                await practice.event(expected[-1], 0, day=(day + timedelta(days=later)).isoformat())
            else:
                at = midnight + timedelta(days=later, hours=hours)
                await practice.event(expected[-1], (at - datetime.now(UTC)).total_seconds() / 3600)
    assert await walked(coach, f"/patients?sort=next{filters}") == expected
    back = await walked(coach, f"/patients?sort=next{filters}&before={expected[-1]}", "prev")
    pages = [back[number : number + 2] for number in range(0, len(back), 2)]
    assert [row for page in reversed(pages) for row in page] == expected[:-1]


async def test_a_zone_that_the_database_does_not_know_takes_no_page_down(
    coach: Person, practice: Practice, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    here = datetime.now(ZoneInfo("America/Coyhaique")).date()
    patient = await practice.patient(timezone="America/Coyhaique")
    await practice.event(patient, 0, day=here.isoformat())
    # What a database with older zone data knows, and a zone that nobody knows any more.
    known = DatabaseZones(frozenset(TIMEZONES - {"America/Coyhaique"}))
    of = DatabaseZones.of
    monkeypatch.setattr(DatabaseZones, "of", lambda _, timezone: of(known, timezone))
    for path in (
        "/patients",
        "/patients?sort=next",
        f"/patients/{patient}",
        f"/patients/{patient}/timeline",
    ):
        assert (await coach.fragment(path)).status_code == 200
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE patients SET timezone = 'Mars/Olympus' WHERE id = $1", patient
        )
    for path in ("/patients", "/patients?sort=next", f"/patients/{patient}"):
        answer = await coach.get(path)
        assert answer.status_code == 200
    assert Document(answer).heading("UTC instead of Mars/Olympus")


async def test_the_few_of_a_phase_are_looked_up_one_by_one(
    coach: Person, practice: Practice, database: Any
) -> None:
    rare = await practice.patient(phase="paused")
    for patient in (rare, await practice.patient()):
        await practice.event(patient, 5)
    asked: list[str] = []

    class Listening:
        async def fetch(self, query: str, *values: Any) -> Any:
            asked.append(query)
            return await connection.fetch(query, *values)

    async with database.connection() as connection:
        chosen = Chosen(phase="paused", coach="", order="next", after="", before="")
        result = await list_patients(
            cast(Connection, Listening()),
            coach.environment_id,
            chosen,
            1,
            database.zones.document(TIMEZONES),
        )
    assert [row.id for row in result.rows] == [rare]
    assert len(asked) == 1


async def test_two_that_are_ticked_are_compared_and_one_alone_is_not(
    coach: Person, practice: Practice
) -> None:
    two = [await practice.patient(last_name=name) for name in ("A", "B")]
    there = await coach.send_form(
        "/patients/assign", *(("patient", patient) for patient in two), do="merge"
    )
    assert there.headers["location"] == f"/patients/{two[0]}/merge/{two[1]}"
    alone = await coach.send_form("/patients/assign", ("patient", two[0]), do="merge")
    assert Document(alone).alert("Tick the two records")
    assert Document(alone).field("patient").value == two[0]


async def test_ticks_outlive_paging_and_are_gone_when_they_are_done_with(
    coach: Person, practice: Practice, screens: Screens
) -> None:
    for n in range(52):
        await practice.patient(last_name=f"N{n:02}")
    page = await screens(coach)
    await page.goto("/patients")
    await page.get_by_label("Select Grace N00").focus()
    await page.keyboard.press("Space")
    await page.get_by_role("link", name="Next 50").focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("Select Grace N51").check()
    status = page.locator("[data-picks-status]")
    await page.wait_for_function(
        "document.querySelector('[data-picks-status]').textContent.startsWith('2 selected')"
    )
    assert "1 of them on other pages" in await status.inner_text()
    await page.get_by_role("button", name="Assign", exact=True).click()
    await page.get_by_role("alert").get_by_text("Choose a coach for the 2").wait_for()
    await page.get_by_label("Assign to").select_option(label="Ann Lee")
    await page.get_by_role("button", name="Assign", exact=True).click()
    await page.get_by_role("status").get_by_text("2 patients are now Ann Lee’s").wait_for()
    assert await status.inner_text() == ""
    await page.goto("/patients")
    assert await page.locator("[name=patient]:checked").count() == 0
