"""The calendar as people see it, over HTTP: whose appointments, when on both clocks, and nothing of
whom a role does not show.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from almoner.portal.calendar import queries
from tests.changes.writing import PATIENCE
from tests.conftest import new_environment
from tests.people import People, Person
from tests.portal.calendars import Book, at, coming, new_book, was_fields, words
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("book")

TUESDAY = coming(1)


@pytest.fixture
async def colleague(people: People, book: Book) -> AsyncIterator[Person]:
    async with await people(
        book.environment, "coach", first_name="Lesley", last_name="Moore"
    ) as person:
        yield person


async def view_page(person: Person, view: str, day: date, *workers: Person) -> str:
    asked = "".join(f"&worker={worker.worker_id}" for worker in workers)
    answer = await person.get(f"/calendar?view={view}&date={day.isoformat()}{asked}")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("view", ["day", "week", "month"])
async def test_each_view_shows_the_worker_s_own_appointments_and_nobody_else_s(
    view: str,
    book: Book,
    coach: Person,
    colleague: Person,
    people: People,
    database: Any,
    store: Any,
) -> None:
    await book.event(coach, await book.patient(), at(TUESDAY, 10), 45)
    await book.all_day(coach, await book.patient(first_name="Ada", last_name="King"), TUESDAY)
    await book.event(
        coach,
        await book.patient(first_name="Much", last_name="Later"),
        at(TUESDAY, 10) + timedelta(days=70),
    )
    await book.event(
        colleague, await book.patient(first_name="Not", last_name="Mine"), at(TUESDAY, 11)
    )
    elsewhere = await new_book(await new_environment(database), database, store)
    async with await people(elsewhere.environment, "coach") as stranger:
        await elsewhere.event(
            stranger,
            await elsewhere.patient(first_name="Other", last_name="House"),
            at(TUESDAY, 10),
        )
    page = await view_page(coach, view, TUESDAY)
    assert Document(page).link("Grace Hopper")
    assert Document(page).link("Ada King")
    assert not re.search("Much Later|Not Mine|Other House", page)
    if view != "month":
        assert Document(page).link("10:00–10:45 · their time 09:00 Intake call · phone")
        assert Document(page).node.css(
            '.cal-slot[data-h="10"][data-m="0"][data-lh="0"][data-lm="9"]'
        )


async def test_the_patient_s_time_stands_beside_only_where_it_differs(
    book: Book, coach: Person
) -> None:
    await book.event(coach, await book.patient(timezone="America/New_York"), at(TUESDAY, 10))
    await book.event(
        coach,
        await book.patient(first_name="Kō", last_name="Tanaka", timezone="Asia/Tokyo"),
        at(TUESDAY, 18),
    )
    page = Document(await view_page(coach, "day", TUESDAY))
    assert page.link("Grace Hopper 10:00–10:30 Intake call")
    assert re.search(r"Kō Tanaka 18:00–18:30 · their time 0[78]:00 Wed \d+", page.words)


async def test_a_team_stands_side_by_side_in_a_day_and_below_each_other_in_a_week(
    book: Book, coach: Person, colleague: Person
) -> None:
    await book.event(coach, await book.patient(), at(TUESDAY, 10))
    for hour in range(9, 15):
        await book.event(
            colleague,
            await book.patient(first_name=f"Nr{hour}", last_name="King"),
            at(TUESDAY, hour),
        )
    day = await view_page(coach, "day", TUESDAY, coach, colleague)
    assert re.findall(r'<section class="cal-day[^"]*" aria-label="([^,"]*)', day) == [
        "Emily Smith",
        "Lesley Moore",
    ]
    assert Document(day).region("Emily Smith").link("Grace Hopper")
    assert Document(day).region("Lesley Moore").link("Nr9 King")
    week = words(await view_page(coach, "week", TUESDAY, coach, colleague))
    assert re.search(
        r"Emily Smith .*Grace Hopper.* Lesley Moore .*09:00 Nr9 King .*11:00 Nr11 King , Intake"
        r" call, their time 10:00 3 more",
        week,
    )
    month = Document(await view_page(coach, "month", TUESDAY, coach, colleague))
    assert month.link("09:00 LM: Nr9 King")


async def test_what_overlaps_the_edge_of_a_day_is_on_both_days_however_long_it_is(
    book: Book, coach: Person
) -> None:
    await book.event(coach, await book.patient(), at(TUESDAY, 23, 30), 60)
    await book.event(
        coach, await book.patient(first_name="Ada", last_name="King"), at(TUESDAY, 12), 5 * 24 * 60
    )
    for days, names in (
        (0, {"Grace Hopper", "Ada King"}),
        (1, {"Grace Hopper", "Ada King"}),
        (4, {"Ada King"}),
        (6, set()),
    ):
        page = await view_page(coach, "day", TUESDAY + timedelta(days=days))
        assert {
            name for name in ("Grace Hopper", "Ada King") if Document(page).all("link", name)
        } == names


async def test_a_day_of_a_team_shows_the_first_of_all_together_and_how_many_more_there_are(
    book: Book, coach: Person, colleague: Person
) -> None:
    for hour in range(9, 13):
        await book.event(
            coach, await book.patient(first_name=f"Nr{hour}", last_name="King"), at(TUESDAY, hour)
        )
    four = words(await view_page(coach, "month", TUESDAY, coach, colleague))
    assert re.search(r"09:00 ES: Nr9 King .*12:00 ES: Nr12 King", four)
    assert not re.search(r"\d more", four)
    await book.event(
        colleague, await book.patient(first_name="Ada", last_name="King"), at(TUESDAY, 8)
    )
    await book.all_day(colleague, await book.patient(first_name="Whole", last_name="Day"), TUESDAY)
    month = words(await view_page(coach, "month", TUESDAY, coach, colleague))
    assert re.search(
        r"all day LM: Whole Day , Intake call 08:00 LM: Ada King .* 09:00 ES: Nr9 King .* 08:00 3"
        r" more",
        month,
    )
    assert not Document(month).mentions("Nr10")
    # Late in the evening it is the next day elsewhere already: the reader's day counts.
    await book.event(
        coach, await book.patient(first_name="Late", last_name="Call"), at(TUESDAY, 23, 30)
    )
    week = words(await view_page(coach, "week", TUESDAY, coach, colleague))
    assert re.search(r"11:00 Nr11 King .* 10:00 2 more", week)


async def test_today_and_the_present_moment_are_marked_and_the_keys_are_shown(
    coach: Person,
) -> None:
    page = (await coach.get("/calendar")).text
    assert page.count('class="cal-now"') == 1
    assert Document(page).heading("today")
    assert set(re.findall(r'data-key="(\w+)"', page)) >= {
        "ArrowLeft",
        "ArrowRight",
        "t",
        "d",
        "w",
        "m",
        "n",
    }
    other = await view_page(coach, "week", datetime.now(UTC).date() + timedelta(days=14))
    assert not Document(other).node.css(".cal-now")


async def test_the_weeks_before_and_after_keep_whom_one_looks_at(
    coach: Person, colleague: Person
) -> None:
    page = await view_page(coach, "week", TUESDAY, colleague)
    for key, days in (("ArrowLeft", -7), ("ArrowRight", 7)):
        link = re.search(rf'href="([^"]+)" data-key="{key}"', page)
        assert link is not None
        assert f"date={(TUESDAY + timedelta(days=days)).isoformat()}" in link[1]
        assert f"worker={colleague.worker_id}" in link[1]


async def test_whose_calendars_are_chosen_by_a_part_of_a_name_and_no_page_holds_everybody(
    book: Book, coach: Person, colleague: Person, people: People, database: Any, store: Any
) -> None:
    for number in range(60):
        values = {
            "first_name": "Many",
            "last_name": f"Others {number:02}",
            "timezone": "US/Eastern",
        }
        await book.create("workers", email=f"{number}.{coach.email}", **values)
    elsewhere = await new_book(await new_environment(database), database, store)
    async with await people(
        elsewhere.environment, "coach", last_name="Moore", first_name="Strange"
    ):
        page = words(await view_page(coach, "week", TUESDAY))
        assert not Document(page).mentions("Lesley Moore")
        offered = words((await coach.fragment(f"/calendar/people?worker={coach.worker_id}")).text)
        assert offered.startswith("Emily Smith (you) Lesley Moore Many Others 00")
        assert offered.endswith("Many Others 48 11 more: type a part of a name.")
        text = (
            await coach.fragment(f"/calendar/people?worker={coach.worker_id}&find=LÈsley%20m")
        ).text
        assert words(text) == "Emily Smith (you) Lesley Moore"
        assert re.findall(r'value="([^"]+)"( checked)?', text) == [
            (coach.worker_id, " checked"),
            (colleague.worker_id, ""),
        ]
        named = {"first_name": "美咲", "last_name": "鈴木", "timezone": "Asia/Tokyo"}
        await book.create("workers", email=f"suzuki.{coach.email}", **named)
        for part in ("鈴木美咲", "鈴木 美咲", "美咲 鈴木", "木美"):
            matches = await coach.fragment(f"/calendar/people?worker={coach.worker_id}&find={part}")
            assert words(matches.text) == "Emily Smith (you) 鈴木美咲", part
        nobody = words((await coach.fragment("/calendar/people?find=%25&worker=x")).text)
        assert nobody == "No other worker is called “%”."


async def test_an_address_that_says_nonsense_shows_one_s_own_week(coach: Person) -> None:
    answer = await coach.get(
        "/calendar?view=year&date=tomorrow&worker=x&worker=00000000-0000-0000-0000-000000000001"
    )
    assert answer.status_code == 200
    assert Document(answer).heading("today")


async def test_working_hours_and_absences_are_drawn(book: Book, coach: Person) -> None:
    await book.hours(coach, (1, 9 * 60, 12 * 60 + 30), (1, 13 * 60 + 30, 17 * 60))
    day = TUESDAY.isoformat()
    await coach.send_form(
        f"/calendar/hours/{coach.worker_id}/absences",
        from_day=day,
        from_time="15:00",
        to_time="16:00",
        to_day="",
        reason="Dentist",
    )
    page = await view_page(coach, "day", TUESDAY)
    assert re.findall(
        r'cal-band work" data-h="(\d+)" data-m="(\d+)" data-lh="(\d+)" data-lm="(\d+)"', page
    ) == [
        ("9", "0", "3", "6"),
        ("13", "6", "3", "6"),
    ]
    assert Document(page).node.css(
        '.cal-band.away[data-h="15"][data-m="0"][data-lh="1"][data-lm="0"]'
    )
    assert "Away: Dentist" in Document(page).region(f"{TUESDAY:%A} {TUESDAY.day} {TUESDAY:%B}")
    assert Document(await view_page(coach, "month", TUESDAY)).get("cell", "Away: Dentist")


async def test_of_whom_a_role_does_not_show_there_is_nothing_but_that_it_is_taken(
    book: Book, people: People, coach: Person
) -> None:
    async with await people(book.environment, "helper") as helper:
        own = await book.patient(first_name="Ada", last_name="King", coach_id=helper.worker_id)
        await book.event(helper, own, at(TUESDAY, 9))
        hidden = await book.event(coach, await book.patient(), at(TUESDAY, 10))
        for view in ("day", "week", "month"):
            page = await view_page(helper, view, TUESDAY, helper, coach)
            assert "Busy" in Document(page).main()
            assert Document(page).link("Ada King")
            assert not re.search(f"Grace|Hopper|{hidden}", page)
        assert (await helper.get(f"/calendar/events/{hidden}")).status_code == 404
        assert (await helper.get(f"/calendar/events/{hidden}/move")).status_code == 404
        assert (
            await helper.send_form(f"/calendar/events/{hidden}/outcome", outcome="completed")
        ).status_code == 404
    assert (await book.row(hidden))["outcome"] is None


async def test_what_was_shown_is_in_the_audit_trail(book: Book, coach: Person) -> None:
    patient = await book.patient()
    await book.event(coach, patient, at(TUESDAY, 10))
    answer = await coach.get(f"/calendar?view=day&date={TUESDAY.isoformat()}")
    sql = (
        "SELECT count(*) FROM audit_reads WHERE environment_id = $1 AND request_id = $2 AND"
        " $3::uuid = ANY (almoner_ids(patients))"
    )
    ends_at, count = time.monotonic() + PATIENCE, 0
    while not count and time.monotonic() < ends_at:
        count = await book.value(sql, answer.headers["x-request-id"], patient)
        await asyncio.sleep(0.02)
    assert count == 1


async def test_an_appointment_tells_both_times_how_and_the_number_to_call(
    book: Book, coach: Person
) -> None:
    patient = await book.patient(calls=False)
    await book.create(
        "phone_numbers",
        user_id=patient,
        phone_number="415-555-1234",
        phone_number_type="cell",
        friendly_name="hers",
        opted_in_to_phone=True,
    )
    await book.create(
        "phone_numbers", user_id=patient, phone_number="415-555-9999", phone_number_type="landline"
    )
    event = await book.event(coach, patient, at(TUESDAY, 10), 45)
    page = (await coach.get(f"/calendar/events/{event}")).text
    document = Document(page)
    assert "10:00–10:45 your time, US Eastern" in document.definition("When")
    assert "09:00–09:45 Grace's time, US Central" in document.definition("When")
    # Once in the patient's bar, and once beside the appointment.
    assert page.count('href="tel:+14155551234"') == 2
    assert "415-555-9999 landline never asked about calls" in document.definition("How")
    visit = await book.event(coach, patient, at(TUESDAY, 12), modality="visit")
    assert (await coach.get(f"/calendar/events/{visit}")).text.count("tel:") == 1


async def test_an_outcome_takes_one_click_and_can_be_undone(book: Book, coach: Person) -> None:
    event = await book.event(coach, await book.patient(), datetime.now(UTC) - timedelta(minutes=5))
    for outcome in ("completed", "no-show", "cancelled"):
        page = (await coach.get(f"/calendar/events/{event}")).text
        assert outcome in [each.attribute("value") for each in Document(page).all("button")]
        assert (
            await coach.send_form(
                f"/calendar/events/{event}/outcome", *was_fields(page), outcome=outcome
            )
        ).status_code == 303
        assert (await book.row(event))["outcome"] == outcome
        page = (await coach.get(f"/calendar/events/{event}")).text
        assert Document(page).button(f"Undo “{outcome}”")
        await coach.send_form(f"/calendar/events/{event}/outcome", *was_fields(page), outcome="")
        assert (await book.row(event))["outcome"] is None
    by = await book.value(
        "SELECT array_agg(DISTINCT actor || ' ' || through) FROM changes WHERE environment_id = $1"
        " AND row_id = $2",
        event,
    )
    assert f"worker:{coach.worker_id} portal" in by


@pytest.mark.parametrize("whole", [False, True])
async def test_what_has_not_begun_can_be_cancelled_but_has_no_other_outcome_yet(
    whole: bool, book: Book, coach: Person
) -> None:
    patient = await book.patient()
    event = (
        await book.all_day(coach, patient, TUESDAY)
        if whole
        else await book.event(coach, patient, at(TUESDAY, 10))
    )
    page = (await coach.get(f"/calendar/events/{event}")).text
    assert re.findall(r'name="outcome" value="([^"]*)"', page) == ["cancelled"]
    for outcome in ("completed", "no-show"):
        answer = await coach.send_form(
            f"/calendar/events/{event}/outcome", *was_fields(page), outcome=outcome
        )
        assert answer.status_code == 400
        assert "It has not begun" in Document(answer).testid("problem")
        assert (await book.row(event))["outcome"] is None
    await coach.send_form(
        f"/calendar/events/{event}/outcome", *was_fields(page), outcome="cancelled"
    )
    assert (await book.row(event))["outcome"] == "cancelled"


async def test_an_outcome_that_somebody_else_noted_meanwhile_is_not_lost(
    book: Book, coach: Person, colleague: Person
) -> None:
    event = await book.event(coach, await book.patient(), datetime.now(UTC) - timedelta(minutes=5))
    page = (await coach.get(f"/calendar/events/{event}")).text
    await colleague.send_form(f"/calendar/events/{event}/outcome", outcome="cancelled")
    answer = await coach.send_form(
        f"/calendar/events/{event}/outcome", *was_fields(page), outcome="completed"
    )
    assert answer.status_code == 409
    assert Document(answer).get("radio", "cancelled")
    assert (await book.row(event))["outcome"] == "cancelled"


@pytest.mark.parametrize(
    "path", ["/calendar/events/x", "/calendar/events/00000000-0000-0000-0000-000000000001"]
)
async def test_no_such_appointment_says_so(path: str, coach: Person) -> None:
    assert (await coach.get(path)).status_code == 404


async def test_what_the_outcome_of_an_appointment_can_be_is_said(book: Book, coach: Person) -> None:
    event = await book.event(coach, await book.patient(), at(TUESDAY, 10))
    assert (
        await coach.send_form(f"/calendar/events/{event}/outcome", outcome="great")
    ).status_code == 400


@pytest.mark.parametrize("by_day", [False, True])
async def test_the_appointments_are_found_by_their_indexes(
    by_day: bool, book: Book, database: Any
) -> None:
    """Each part of the query looks into its own index: a calendar costs what it shows, not what the
    environment holds.
    """
    async with database.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        # Without the others, for as long as this transaction: which one is cheapest among so few
        # rows is nobody's promise.
        await connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indrelid = 'calendar_events'::regclass"
            " AND indexrelid <> ALL (SELECT oid FROM pg_class WHERE relname = ANY ($1))",
            [f"calendar_events_{part}_part" for part in ("timed", "long", "day")],
        )
        now = datetime.now(UTC)
        plan = await connection.fetch(
            f"EXPLAIN {queries._BY_DAY if by_day else queries._EVENTS}",
            *(
                book.environment,
                None,
                ["00000000-0000-0000-0000-000000000001"],
                now,
                now + timedelta(days=7),
            ),
            *(now.date(), now.date() + timedelta(days=7)),
            *([[now, now + timedelta(days=7)], False, 4] if by_day else []),
        )
    plan_text = "\n".join(row[0] for row in plan)
    assert set(re.findall(r"calendar_events_\w+_part", plan_text)) == {
        f"calendar_events_{part}_part" for part in ("timed", "long", "day")
    }
    assert "Seq Scan on calendar_events" not in plan_text
