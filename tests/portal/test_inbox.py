"""The inbox: what comes up in it and what does not, the counts, what is done in it and how that is
taken back.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor, new_id
from almoner.database import Database
from almoner.pages.visit import Visit
from almoner.portal.calendar.queries import Absence
from almoner.portal.inbox import queries, today
from almoner.resources import BY_NAME
from almoner.vocabulary import clocks
from almoner.workshop import kiwi_health
from tests.conftest import new_environment
from tests.people import People, Person
from tests.programs import published
from tests.web.document import Document

EASTERN = ZoneInfo("US/Eastern")
AMONG_OTHERS = "Zenobia"
Row = dict[str, Any]


@dataclass
class Clinic:
    """An environment with a coach, a second one, and a way to write what they look after."""

    store: Store
    database: Database
    me: Person
    other: Person

    async def make(self, collection: str, **values: Any) -> Row:
        by = Actor(self.me.environment_id, "test", "cli", "test", whole=True)
        written = await self.store.create(by, BY_NAME[collection], values)
        row: Row = msgspec.json.decode(written.body)
        return row

    async def patient(self, first_name: str, coach: Person | None = None, **values: Any) -> Row:
        """A patient; created a month ago unless ``created_at`` says otherwise."""
        row = {
            "first_name": first_name,
            "last_name": "Hopper",
            "birthday": "1950-12-09",
            "timezone": "US/Eastern",
            "phase": "intake",
            "coach_id": coach.worker_id if coach else None,
        }
        month_ago = datetime.now(UTC) - timedelta(days=30)
        return await self.old("patients", **(row | {"created_at": month_ago} | values))

    async def old(self, collection: str, **values: Any) -> Row:
        """A row as an import brings it, with the moment of its creation."""
        by = Actor(self.me.environment_id, "ehr-sync", "import", "test", whole=True)
        row = {"id": new_id()} | values
        await self.store.load(by, BY_NAME[collection], [row])
        return row

    async def flow(self, patient: Row, *steps: Row) -> Row:
        goals = [{"title": "Make a plan", "interventions": list(steps)}]
        return await self.make(
            "care_flows",
            user_id=patient["id"],
            care_flow={"description": "Increase daily exercise", "goals": goals},
        )

    async def message(
        self, patient: Row, contents: str, conversation: Row | None = None, **values: Any
    ) -> Row:
        conversation = conversation or await self.make(
            "conversations", user_id=patient["id"], conversation_type="phone"
        )
        row = {
            "direction": "inbound",
            "contents": contents,
            "user_id": patient["id"],
            "conversation_id": conversation["id"],
        }
        return await self.make("messages", **(row | values))

    async def appointment(self, patient: Row, coach: Person, **values: Any) -> Row:
        async with self.database.connection() as connection:
            calendar = await connection.fetchval(
                "SELECT id::text FROM calendars WHERE environment_id = $1 AND worker_id = $2",
                coach.environment_id,
                coach.worker_id,
            )
        row = {
            "calendar_id": calendar,
            "user_id": patient["id"],
            "modality": "phone",
            "appointment_type": "intake_call",
        }
        return await self.make("calendar_events", **(row | values))

    async def care_flow(self, flow: Row) -> Row:
        async with self.database.connection() as connection:
            stored = await connection.fetchval(
                "SELECT care_flow FROM care_flows WHERE environment_id = $1 AND id = $2",
                self.me.environment_id,
                flow["id"],
            )
        document: Row = msgspec.json.decode(stored)
        return document


async def clinic_in(
    environment: int, people: People, store: Store, database: Database, *roles: str
) -> Clinic:
    me = await people(environment, *(roles or ("coach",)))
    return Clinic(
        store,
        database,
        me,
        await people(environment, "coach", first_name="Otto", last_name="Other"),
    )


@pytest.fixture
async def clinic(
    program: int, people: People, store: Store, database: Database
) -> AsyncIterator[Clinic]:
    """A coach's environment, beside another one in which everything waits that could be mixed up
    with it.
    """
    elsewhere = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, elsewhere, kiwi_health.source())
    far = await clinic_in(elsewhere, people, store, database)
    stranger = await far.patient(AMONG_OTHERS, far.me)
    await far.flow(stranger, step("Of another environment", days(-3)))
    await far.message(stranger, "Of another environment")
    both = await clinic_in(program, people, store, database)
    yield both
    for person in (both.me, both.other, far.me, far.other):
        await person.aclose()


def days(number: float, zone: ZoneInfo = EASTERN) -> str:
    """Noon of a day from today, there."""
    day = datetime.now(zone).date() + timedelta(days=number)
    return datetime.combine(day, time(12), zone).astimezone(UTC).isoformat()


def step(title: str, due: str | None, **values: Any) -> Row:
    return {"title": title, "reminder_date": due} | values


def counts(page: str) -> dict[str, str]:
    """How many each section has that is not empty, by its name; and ``all`` of them."""
    todo = re.search(r'data-testid="to-do">([^<]+)<', page)
    assert todo is not None
    sections = dict(re.findall(r'id="count-([a-z]+)"[^>]*>([^<]+)<', page))
    return {name: number for name, number in sections.items() if number != "0"} | {"all": todo[1]}


def names(page: str) -> list[str]:
    return re.findall(r'<a class="cover" href="/patients/[^"]+">([^<]+)</a>', page)


def form_of(page: str, action: str, holding: str = "") -> dict[str, str]:
    """The fields of the first button or form with this action that has such a value in it."""
    view = re.search(r'<form id="inbox-act".*?</form>', page, re.DOTALL)
    for value in re.findall(rf'formaction="{re.escape(action)}" name="act" value="([^"]*)"', page):
        if holding in unescape(value):
            return _hidden(view[0] if view else "") | {"act": unescape(value)}
    for form in re.findall(
        rf'<form method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL
    ):
        fields = _hidden(form)
        if not holding or any(holding in value for value in fields.values()):
            return fields
    raise AssertionError(f"no form for {action}")


def _hidden(form: str) -> dict[str, str]:
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in fields if name not in ("csrf", "form_token")}


async def test_an_own_patients_step_comes_up_until_it_is_done(clinic: Clinic) -> None:
    grace, foreign = (
        await clinic.patient("Grace", clinic.me),
        await clinic.patient("Olga", clinic.other),
    )
    await clinic.flow(
        grace,
        step("Document the new plan", days(-3)),
        step("Ask for the results", days(0)),
        step("Of tomorrow", days(1)),
        step("Without a date", None),
        step("Done before", days(-5), completed_at=days(-4)),
        step("For Otto", days(-2), worker_id=clinic.other.worker_id),
    )
    await clinic.flow(
        foreign,
        step("Of another coach", days(-3)),
        step("For Emily", days(-1), worker_id=clinic.me.worker_id),
    )
    page = (await clinic.me.get("/inbox?section=late")).text
    assert names(page) == ["Grace Hopper", "Olga Hopper"]
    assert Document(page).row("Document the new plan")
    assert Document(page).row("3 days late")
    assert Document(page).row("For Emily")
    assert Document(page).row("1 day late")
    assert Document(page).row("Ask for the results")
    for title in (
        "Of tomorrow",
        "Without a date",
        "Done before",
        "For Otto",
        "Of another coach",
        "Of another environment",
    ):
        assert not Document(page).mentions(title)
    assert counts((await clinic.me.get("/inbox")).text) == {"late": "2", "all": "2"}


async def test_a_step_is_completed_and_opened_again(clinic: Clinic) -> None:
    flow = await clinic.flow(
        await clinic.patient("Grace", clinic.me),
        step("Call her", days(-1), instructions="Twice"),
        step("Write", days(-1)),
    )
    page = (await clinic.me.get("/inbox")).text
    done = await clinic.me.send_form(
        "/inbox/done", htmx=True, **form_of(page, "/inbox/done", "Call her")
    )
    assert done.status_code == 200
    assert Document(done).status("Grace Hopper. Done: Call her")
    first, second = (await clinic.care_flow(flow))["goals"][0]["interventions"]
    assert first["completed_by_worker_id"] == clinic.me.worker_id
    assert first["instructions"] == "Twice"
    assert second.get("completed_at") is None
    assert not Document(done).mentions("Call her ·")
    undone = await clinic.me.send_form(
        "/inbox/reopen", htmx=True, **form_of(done.text, "/inbox/reopen")
    )
    assert undone.status_code == 200
    assert Document(undone).row("Call her ·")
    first = (await clinic.care_flow(flow))["goals"][0]["interventions"][0]
    assert (first["completed_at"], first["completed_by_worker_id"]) == (None, None)
    async with clinic.database.connection() as connection:
        written = await connection.fetch(
            "SELECT actor, through FROM changes WHERE environment_id = $1 AND row_id = $2 AND kind"
            " = 'update'",
            *(clinic.me.environment_id, flow["id"]),
        )
    assert {tuple(row) for row in written} == {(f"worker:{clinic.me.worker_id}", "portal")}


async def test_a_step_that_somebody_else_did_is_said_and_kept(clinic: Clinic) -> None:
    flow = await clinic.flow(await clinic.patient("Grace", clinic.me), step("Call her", days(-1)))
    fields = form_of((await clinic.me.get("/inbox")).text, "/inbox/done")
    await clinic.other.send_form("/inbox/done", htmx=True, **fields)
    late = await clinic.me.send_form("/inbox/done", htmx=True, **fields)
    assert late.status_code == 409
    assert Document(late).status("was completed already")
    assert (await clinic.care_flow(flow))["goals"][0]["interventions"][0][
        "completed_by_worker_id"
    ] == clinic.other.worker_id


async def test_a_step_that_moved_in_its_flow_is_found_again(clinic: Clinic) -> None:
    flow = await clinic.flow(
        await clinic.patient("Grace", clinic.me), step("First", days(-1)), step("Second", days(-1))
    )
    fields = form_of((await clinic.me.get("/inbox")).text, "/inbox/done", "First")
    body = await clinic.care_flow(flow)
    body["goals"][0]["interventions"].reverse()
    by = Actor(clinic.me.environment_id, "test", "cli", "test", whole=True)
    await clinic.store.update(by, BY_NAME["care_flows"], flow["id"], {"care_flow": body}, None)
    assert (await clinic.me.send_form("/inbox/done", htmx=True, **fields)).status_code == 200
    second, first = (await clinic.care_flow(flow))["goals"][0]["interventions"]
    assert first["completed_at"]
    assert not second.get("completed_at")
    never = fields | {"act": fields["act"].replace("First", "Never was")}
    gone = await clinic.me.send_form("/inbox/done", htmx=True, **never)
    assert gone.status_code == 409
    assert Document(gone).status("was removed or renamed meanwhile")


async def test_of_two_steps_with_one_title_the_one_in_the_row_is_completed(clinic: Clinic) -> None:
    flow = await clinic.flow(
        await clinic.patient("Grace", clinic.me),
        step("Call her", days(-2)),
        step("Call her", days(-5)),
    )
    page = (await clinic.me.get("/inbox")).text
    assert (
        await clinic.me.send_form(
            "/inbox/done", htmx=True, **form_of(page, "/inbox/done", days(-5))
        )
    ).status_code == 200
    later, earlier = (await clinic.care_flow(flow))["goals"][0]["interventions"]
    assert (bool(later.get("completed_at")), bool(earlier["completed_at"])) == (False, True)


async def test_a_step_that_others_changed_meanwhile_is_never_taken_for_another_of_its_title(
    clinic: Clinic,
) -> None:
    """The harm would be a patient who is not called, while the flow says that they were."""
    by = Actor(clinic.me.environment_id, "test", "cli", "test", whole=True)
    calls = [
        step("Weekly call", days(-14)),
        step("Weekly call", days(-7)),
        step("Weekly call", days(-1)),
    ]
    flow = await clinic.flow(await clinic.patient("Grace", clinic.me), *calls)
    fields = form_of((await clinic.me.get("/inbox")).text, "/inbox/done", days(-1))
    extended = {**calls[2], "instructions": "Ask for the results"}
    moved = {**calls[2], "reminder_date": days(20)}
    for now, expected in (
        ([calls[0], calls[1], extended], 200),
        ([calls[0], calls[1]], 409),
        ([calls[0], calls[1], moved], 409),
        ([calls[0], calls[1], extended, {**extended, "instructions": "Another"}], 409),
    ):
        goals = [
            {"title": "Stay well", "interventions": [calls[2]]},
            {"title": "Make a plan", "interventions": now},
        ]
        body = {"description": "Increase daily exercise", "goals": goals}
        await clinic.store.update(by, BY_NAME["care_flows"], flow["id"], {"care_flow": body}, None)
        answer = await clinic.me.send_form("/inbox/done", htmx=True, **fields)
        interventions = [
            intervention
            for goal in (await clinic.care_flow(flow))["goals"]
            for intervention in goal["interventions"]
        ]
        done = [
            intervention.get("instructions")
            for intervention in interventions
            if intervention.get("completed_at")
        ]
        assert (answer.status_code, done) == (
            expected,
            ["Ask for the results"] if expected == 200 else [],
        )
        assert expected == 200 or Document(answer).status("or has another date. Nothing was done.")


async def test_a_step_that_somebody_completed_anew_is_asked_about_before_it_is_opened_again(
    clinic: Clinic,
) -> None:
    flow = await clinic.flow(
        await clinic.patient("Grace", clinic.me),
        step("Call her", days(-1)),
        step("Write", days(-1)),
    )
    page = (await clinic.me.get("/inbox")).text
    done = await clinic.me.send_form(
        "/inbox/done", htmx=True, **form_of(page, "/inbox/done", "Call her")
    )
    undo = form_of(done.text, "/inbox/reopen")
    body = await clinic.care_flow(flow)
    body["goals"][0]["interventions"][0] |= {
        "completed_at": days(-1),
        "completed_by_worker_id": clinic.other.worker_id,
    }
    by = Actor(clinic.me.environment_id, "test", "cli", "test", whole=True)
    await clinic.store.update(by, BY_NAME["care_flows"], flow["id"], {"care_flow": body}, None)
    asked = await clinic.me.send_form("/inbox/reopen", htmx=True, **undo)
    assert asked.status_code == 409
    assert Document(asked).get("group", "Whether it is done")
    intervention = (await clinic.care_flow(flow))["goals"][0]["interventions"][0]
    assert intervention["completed_by_worker_id"] == clinic.other.worker_id
    again = form_of(asked.text, "/inbox/reopen")
    chosen = await clinic.me.send_form("/inbox/reopen", **(again | {"choose.completed_at": "mine"}))
    assert chosen.status_code == 303
    first = (await clinic.care_flow(flow))["goals"][0]["interventions"][0]
    assert (first["completed_at"], first["completed_by_worker_id"]) == (None, None)


async def test_what_was_done_stays_in_its_row_with_the_way_back(clinic: Clinic) -> None:
    for name in ("Ada", "Bea", "Cleo"):
        await clinic.flow(await clinic.patient(name, clinic.me), step(f"Call {name}", days(-2)))
    page = (await clinic.me.get("/inbox")).text
    before = names(page)
    second = before[1].split()[0]
    done = await clinic.me.send_form(
        "/inbox/done", htmx=True, **form_of(page, "/inbox/done", f"Call {second}")
    )
    assert names(done.text) == before
    assert re.search(r'class="is-done">.*?' + before[1], done.text, re.DOTALL)
    assert done.headers["hx-trigger"] == '{"almoner-changed":{"resources":["care_flows"]}}'
    assert names((await clinic.me.fragment("/inbox/list")).text) == [before[0], before[2]]


async def test_unread_messages_are_a_reason_for_each_conversation(clinic: Clinic) -> None:
    grace, foreign = (
        await clinic.patient("Grace", clinic.me),
        await clinic.patient("Olga", clinic.other),
    )
    first = await clinic.message(grace, "Hello?")
    await clinic.message(grace, "Can I move <our> call?", {"id": first["conversation_id"]})
    await clinic.message(
        grace,
        "From us",
        {"id": first["conversation_id"]},
        direction="outbound",
        worker_id=clinic.me.worker_id,
    )
    await clinic.message(foreign, "Of another coach")
    page = (await clinic.me.get("/inbox?section=messages")).text
    assert names(page) == ["Grace Hopper"]
    assert "“Can I move <our> call?”" in Document(page).row("2 unread")
    assert counts(page) == {"messages": "1", "all": "1"}
    assert Document(page).links(to=f"/patients/{grace['id']}")
    read = await clinic.me.send_form("/inbox/read", htmx=True, **form_of(page, "/inbox/read"))
    assert Document(read).status("marked as read")
    assert counts(read.text) == {"all": "0"}
    assert "Nobody is in this section" in Document(read).testid("empty")
    back = await clinic.me.send_form(
        "/inbox/unread", htmx=True, **form_of(read.text, "/inbox/unread")
    )
    assert counts(back.text)["messages"] == "1"


async def test_a_message_that_came_in_meanwhile_stays_unread(clinic: Clinic) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    first = await clinic.message(grace, "Hello?")
    fields = form_of((await clinic.me.get("/inbox?section=messages")).text, "/inbox/read")
    await clinic.message(grace, "One more thing", {"id": first["conversation_id"]})
    read = await clinic.me.send_form("/inbox/read", htmx=True, **fields)
    assert Document(read).row("One more thing")
    assert Document(read).lacks("row", "2 unread")


async def test_patients_of_whom_nothing_was_heard_come_up(clinic: Clinic) -> None:
    old = {"created_at": datetime.now(UTC) - timedelta(days=20)}
    quiet = await clinic.patient("Quiet", clinic.me)
    await clinic.old("patient_tasks", user_id=quiet["id"], task_type="survey", **old)
    wrote, booked, tasked, moved = [
        await clinic.patient(name, clinic.me) for name in ("Wrote", "Booked", "Tasked", "Moved")
    ]
    await clinic.message(wrote, "Hello")
    await clinic.appointment(
        booked, clinic.other, day=(datetime.now(UTC).date() + timedelta(days=40)).isoformat()
    )
    await clinic.make("patient_tasks", user_id=tasked["id"], task_type="survey")
    by = Actor(clinic.me.environment_id, "test", "cli", "test", whole=True)
    await clinic.store.update(by, BY_NAME["patients"], moved["id"], {"city": "Boston"}, None)
    await clinic.patient("Left", clinic.me, phase="withdrawn")
    await clinic.patient("Foreign", clinic.other)
    page = (await clinic.me.get("/inbox?section=watch")).text
    assert names(page) == ["Quiet Hopper"]
    assert Document(page).row("No activity for 20 days")
    assert counts(page)["watch"] == "1"
    assert Document(page).links(to="/calendar/new")
    everybody = (await clinic.me.get("/inbox?section=watch&of=all")).text
    assert sorted(names(everybody)) == ["Foreign Hopper", "Quiet Hopper"]


async def test_nothing_reminds_of_patients_in_a_phase_without_reminders(clinic: Clinic) -> None:
    """What they write is there all the same."""
    now = datetime.now(UTC)
    for phase in ("intake", "withdrawn"):
        late = await clinic.patient(f"Late {phase}", clinic.me, phase=phase)
        await clinic.flow(late, step("Call", days(-2)))
        await clinic.patient(f"New {phase}", clinic.me, phase=phase, created_at=now)
        wrote = await clinic.patient(f"Wrote {phase}", clinic.me, phase=phase)
        await clinic.message(wrote, "Hello?")
    for query in ("", "?of=all"):
        assert names((await clinic.me.get(f"/inbox{query}")).text) == [
            "Late intake Hopper",
            "Wrote intake Hopper",
            "Wrote withdrawn Hopper",
            "New intake Hopper",
        ]


async def test_what_was_open_as_a_phase_without_reminders_began_is_over(clinic: Clinic) -> None:
    """A task, an appointment without outcome and what a process says; what comes later is not."""
    quiet = await clinic.patient("Quiet", clinic.me)
    noise = await clinic.patient("Noise", clinic.me)
    for patient in (quiet, noise):
        task = {"title": "Ring them", "patient_id": patient["id"], "due_date": "2020-01-06"}
        await clinic.make("worker_tasks", worker_id=clinic.me.worker_id, **task)
        about = {"patient_id": patient["id"], "alert_type": "process", "role": "coach"}
        await clinic.make("alerts", text="Look at it.", **about)
        start = datetime.now(UTC) - timedelta(hours=2)
        await clinic.appointment(
            patient,
            clinic.me,
            start_time=start.isoformat(),
            end_time=(start + timedelta(minutes=30)).isoformat(),
        )
    page = (await clinic.me.get("/inbox")).text
    assert sorted(names(page)) == ["Noise Hopper", "Quiet Hopper"]
    by = Actor(clinic.me.environment_id, "test", "cli", "test", whole=True)
    withdrawn: dict[str, Any] = {"phase": "withdrawn"}
    await clinic.store.update(by, BY_NAME["patients"], quiet["id"], withdrawn, None)
    assert names((await clinic.me.get("/inbox")).text) == ["Noise Hopper"]
    later = {"title": "Send the letter", "patient_id": quiet["id"], "due_date": "2020-01-06"}
    await clinic.make("worker_tasks", worker_id=clinic.me.worker_id, **later)
    row = Document(await clinic.me.get("/inbox")).row("Send the letter")
    assert row.mentions("Quiet Hopper")
    assert not row.mentions("Ring them")


async def test_new_patients_are_assigned_and_given_back(clinic: Clinic) -> None:
    now = datetime.now(UTC)
    free = await clinic.patient("Free", None, created_at=now)
    await clinic.patient("Mine", clinic.me, created_at=now)
    await clinic.patient("Taken", clinic.other, created_at=now)
    await clinic.patient("Long", None)
    page = (await clinic.me.get("/inbox?section=new")).text
    assert sorted(names(page)) == ["Free Hopper", "Mine Hopper"]
    assert "created by ehr-sync just now" in Document(page).region("To do")
    fields = form_of(page, "/inbox/assign")
    taken = await clinic.me.send_form("/inbox/assign", htmx=True, **fields)
    assert Document(taken).status("Free Hopper. Assigned to you.")
    late = await clinic.other.send_form("/inbox/assign", htmx=True, **fields)
    assert late.status_code == 409
    assert Document(late).status("Free Hopper has Emily Smith as coach by now")
    back = await clinic.me.send_form(
        "/inbox/unassign", htmx=True, **form_of(taken.text, "/inbox/unassign")
    )
    assert Document(back).status("With no coach again.")
    async with clinic.database.connection() as connection:
        coach = await connection.fetchval(
            "SELECT coach_id FROM patients WHERE environment_id = $1 AND id = $2",
            clinic.me.environment_id,
            free["id"],
        )
    assert coach is None


async def test_an_alert_is_taken_by_one_of_its_role_and_gone_once_it_is_done(
    clinic: Clinic,
) -> None:
    patient = await clinic.patient("Low", clinic.other)
    about = {"patient_id": patient["id"], "alert_type": "process"}
    for role, text in (("coach", "Call today."), ("billing", "Not for coaches.")):
        await clinic.make("alerts", role=role, text=text, **about)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await clinic.make("alerts", text="Not yet.", active_time=later, **about)
    unread = {"alert_type": "app_message", "config": {"count": 3}}
    await clinic.make("alerts", **(about | unread))
    page = (await clinic.me.get("/inbox")).text
    assert names(page) == ["Low Hopper"]
    assert Document(page).row("Call today. · for Coach, just now")
    assert not Document(page).mentions("Not for coaches.")
    assert not Document(page).mentions("Not yet.")
    # For no role: of the patient's own coach alone.
    assert not Document(page).mentions("App message (3)")
    assert Document(await clinic.other.get("/inbox")).row("App message (3) · for all who care")
    assert not Document(await clinic.me.get("/inbox?section=new")).mentions("Call today.")
    fields = form_of(page, "/inbox/alert-take")
    taken = await clinic.me.send_form("/inbox/alert-take", htmx=True, **fields)
    assert Document(taken).row("taken by you")
    late = await clinic.other.send_form("/inbox/alert-take", htmx=True, **fields)
    assert late.status_code == 409
    theirs = (await clinic.other.get("/inbox")).text
    assert Document(theirs).row("taken by Emily Smith")
    done = await clinic.me.send_form(
        "/inbox/alert-done", htmx=True, **form_of(taken.text, "/inbox/alert-done")
    )
    assert Document(done).status("The alert is done.")
    assert not Document(await clinic.other.get("/inbox")).mentions("Call today.")
    again = await clinic.me.send_form(
        "/inbox/alert-reopen", htmx=True, **form_of(done.text, "/inbox/alert-reopen")
    )
    assert Document(again).status("The alert is open again.")
    assert Document(await clinic.other.get("/inbox")).row("Call today. · for Coach")
    returned = await clinic.me.send_form("/inbox/alert-return", htmx=True, **fields)
    assert Document(returned).status("Nobody takes care of it now.")
    assert Document(returned).row("alert")


async def test_the_days_appointments_stand_in_both_zones(clinic: Clinic) -> None:
    day = datetime.now(EASTERN).date()
    tokyo = await clinic.patient("Aiko", clinic.me, timezone="Asia/Tokyo")
    start = datetime.combine(day, time(23, 30), EASTERN)
    times = {
        "start_time": start.isoformat(),
        "end_time": (start + timedelta(minutes=20)).isoformat(),
    }
    at_night = await clinic.appointment(tokyo, clinic.me, **times)
    late = datetime.combine(day + timedelta(days=1), time(0, 15), EASTERN)
    tomorrow = await clinic.patient("Toni", clinic.me)
    await clinic.appointment(
        tomorrow,
        clinic.me,
        start_time=late.isoformat(),
        end_time=(late + timedelta(minutes=20)).isoformat(),
    )
    all_day = await clinic.appointment(
        await clinic.patient("Dana", clinic.other), clinic.me, day=day.isoformat()
    )
    await clinic.appointment(
        await clinic.patient("Foreign", clinic.me), clinic.other, day=day.isoformat()
    )
    page = (await clinic.me.get("/inbox")).text
    theirs = start.astimezone(ZoneInfo("Asia/Tokyo"))
    assert Document(page).link(f"their time {theirs:%H:%M} {theirs:%a} {theirs.day}")
    assert "Aiko Hopper" in names(page)
    assert "Dana Hopper" in names(page)
    assert "Toni Hopper" not in names(page)
    assert "US Eastern" in Document(page).region("Today")
    # How it ended can be said of what has begun, and of nothing else.
    begun = datetime.now(EASTERN) >= start
    for event, label in ((all_day, "Outcome"), (at_night, "Outcome" if begun else "Open")):
        assert re.search(
            rf'class="inbox-list.*?href="/calendar/events/{event["id"]}"[^>]*>{label}<',
            page,
            re.DOTALL,
        )


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("Pacific/Kiritimati", "Pacific/Pago_Pago"), ("Pacific/Pago_Pago", "Pacific/Kiritimati")],
)
async def test_a_step_is_late_from_the_day_after_it_where_the_patient_lives(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, mine: str, theirs: str
) -> None:
    """The reader's day is never the patient's here: those zones are 25 hours apart."""
    by = Actor(clinic.me.environment_id, "test", "cli", "test", whole=True)
    await clinic.store.update(by, BY_NAME["workers"], clinic.me.worker_id, {"timezone": mine}, None)
    grace = await clinic.patient("Grace", clinic.me, timezone=theirs)
    midnight = datetime.combine(datetime.now(ZoneInfo(theirs)).date(), time(0), ZoneInfo(theirs))
    hours = {
        "Before yesterday": -24.5,
        "Yesterday": -0.5,
        "Its midnight": 0,
        "Tonight": 23.5,
        "Tomorrow": 24.5,
    }
    at = {
        title: (midnight + timedelta(hours=number)).astimezone(UTC).isoformat()
        for title, number in hours.items()
    }
    await clinic.flow(grace, *(step(title, due) for title, due in at.items()))
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"late": "1", "all": "1"}
    assert re.findall(r">(\d days? late|today)<", page) == ["2 days late", "1 day late", "today"]
    assert not Document(page).mentions("Tomorrow")
    assert (
        Document(await clinic.me.fragment("/inbox/badge")).words == "1 of yours now, late or unread"
    )
    flow = (await clinic.me.get(f"/patients/{grace['id']}/care-flows")).text
    assert re.findall(r"· (\d days? late)|(due today)|(due tomorrow)", flow) == [
        *(("2 days late", "", ""), ("1 day late", "", "")),
        *(("", "due today", ""), ("", "due today", ""), ("", "", "due tomorrow")),
    ]
    monkeypatch.setattr(queries, "MOST_OF_ALL", 1)
    exact = counts((await clinic.me.fragment("/inbox/counts?of=all")).text)
    assert exact["all"] == "1"


def test_the_hours_of_a_day_follow_the_clocks() -> None:
    """In autumn an hour passes twice and is there twice; in spring one is skipped and is not
    there.
    """
    zone = "US/Eastern"
    for day, busy, expected in (
        (date(2026, 11, 1), ((5, 30), (6, 30)), ["01:00 EDT", "01:00 EST", "02:00"]),
        (date(2026, 3, 8), ((6, 30), (7, 30)), ["01:00", "03:00", "04:00"]),
    ):
        moments = [datetime.combine(day, time(*at), UTC) for at in busy]
        absences = [
            Absence(at, at + timedelta(minutes=10), str(at), "")
            for at in (*moments, moments[-1] + timedelta(hours=1))
        ]
        whole = today.CalendarDay(
            date=day,
            timezone=zone,
            start=clocks.start_of(day, zone),
            end=clocks.start_of(day + timedelta(days=1), zone),
            events=[],
            absences=absences,
        )
        view = today.day_view(cast(Visit, None), whole, moments[1])
        labels = [hour.label for hour in view.hours if hour.blocks]
        assert labels == expected
        assert [hour.label for hour in view.hours if hour.quarter == 2] == [expected[1]]


async def test_filters_and_the_whole_environment(clinic: Clinic) -> None:
    for number, (coach, phase) in enumerate(
        ((clinic.me, "intake"), (clinic.me, "maintenance"), (clinic.other, "intake"))
    ):
        patient = await clinic.patient(f"P{number}", coach, phase=phase)
        await clinic.flow(patient, step("Late", days(-2)))
        await clinic.message(patient, "Hello")
    for query, expected in (
        ("", ["P0 Hopper", "P1 Hopper"]),
        ("&phase=intake", ["P0 Hopper"]),
        ("&of=all", ["P0 Hopper", "P1 Hopper", "P2 Hopper"]),
        ("&of=all&phase=maintenance", ["P1 Hopper"]),
        ("&phase=nonsense&section=nonsense&rows=x", ["P0 Hopper", "P1 Hopper"]),
    ):
        page = (await clinic.me.get(f"/inbox?section=late{query}")).text
        if "nonsense" in query:
            page = (await clinic.me.get(f"/inbox?{query.lstrip('&')}")).text
        assert sorted(set(names(page))) == expected, query
        listed = str(len(expected))
        assert counts(page)["late"] == listed, query


async def test_everybodys_counts_are_the_least_at_first_and_exact_a_moment_later(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOST_OF_ALL", "_GLANCED_AT", "_LOOKED_AT"):
        monkeypatch.setattr(queries, name, 1)
    for number, phase in enumerate(("intake", "intake", "maintenance")):
        patient = await clinic.patient(f"P{number}", clinic.other, phase=phase)
        await clinic.flow(
            patient,
            step("Late", days(-2)),
            step("Later", days(-1)),
            step("Today", days(0)),
            step("Next", days(2)),
        )
        await clinic.message(patient, "Hello")
        await clinic.message(
            patient, "Read", direction="outbound", worker_id=clinic.other.worker_id
        )
        await clinic.patient(f"Quiet {number}", clinic.other, phase=phase)
        await clinic.patient(f"New {number}", None, phase=phase, created_at=datetime.now(UTC))
    await clinic.appointment(
        await clinic.patient("Dana", clinic.other),
        clinic.me,
        day=datetime.now(EASTERN).date().isoformat(),
    )
    for query, each in (("", 3), ("&phase=intake", 2)):
        page = (await clinic.me.get(f"/inbox?of=all{query}")).text
        assert counts(page)["all"].endswith("+")
        assert "is being counted" in Document(page).region("To do")
        path = re.search(r'hx-get="(/inbox/counts[^"]+)" hx-trigger="load', page)
        assert path is not None
        exact = (await clinic.me.fragment(path[1].replace("&amp;", "&"))).text
        # Dana, who is in the intake too, is quiet no more once an appointment is booked. Whoever is
        # late has written too, and stands in one section alone.
        assert counts(exact) == {
            "late": str(each),
            "today": "1",
            "watch": str(each),
            "new": str(each),
            "all": str(3 * each + 1),
        }


async def test_a_role_kept_to_its_own_patients_sees_no_others(
    clinic: Clinic, people: People, program: int
) -> None:
    nurse = await people(program, "community_health_worker", first_name="Nora")
    mine = await clinic.patient("Mine", nurse)
    foreign = await clinic.patient("Olga", clinic.other)
    free = await clinic.patient("Free", None, created_at=datetime.now(UTC))
    flow = await clinic.flow(foreign, step("For Nora", days(-1), worker_id=nurse.worker_id))
    message = await clinic.message(foreign, "Hello")
    await clinic.flow(mine, step("Own", days(-1)))
    await clinic.appointment(foreign, nurse, day=datetime.now(EASTERN).date().isoformat())
    for path in (
        "/inbox",
        "/inbox?of=all",
        "/inbox/list?of=all",
        "/inbox/counts?of=all",
        "/inbox/day",
        "/inbox/badge",
    ):
        page = (await nurse.get(path)).text
        assert not {"Olga", "Free"} & set(re.findall(r"\w+", page)), path
    assert names((await nurse.get("/inbox?section=late&of=all")).text) == ["Mine Hopper"]
    alone = {
        "description": "x",
        "goals": [{"title": "Make a plan", "interventions": [{"title": "For Nora"}]}],
    }
    place = {"flow": flow["id"], "was.care_flow": msgspec.json.encode(alone).decode()}
    until = {"conversation": message["conversation_id"], "until": datetime.now(UTC).isoformat()}
    for path, fields in (
        ("/inbox/done", place),
        ("/inbox/reopen", place),
        ("/inbox/read", until),
        ("/inbox/unread", {"conversation": message["conversation_id"], "at": "x"}),
        ("/inbox/assign", {"patient": free["id"]}),
        ("/inbox/unassign", {"patient": foreign["id"]}),
    ):
        assert (await nurse.send_form(path, htmx=True, **fields)).status_code == 404, path
    assert (await clinic.care_flow(flow))["goals"][0]["interventions"][0].get(
        "completed_at"
    ) is None
    await nurse.aclose()


async def test_the_badge_and_the_counts_follow_without_being_activity(clinic: Clinic) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    await clinic.flow(grace, step("Late", days(-2)), step("Later", days(0)))
    await clinic.message(grace, "Hello")
    assert (
        Document(await clinic.me.fragment("/inbox/badge")).words == "1 of yours now, late or unread"
    )
    page = (await clinic.me.get("/inbox")).text
    path = re.search(r'hx-get="(/inbox/counts[^"]+)"', page)
    assert path is not None
    assert Document(await clinic.me.fragment(path[1].replace("&amp;", "&"))).lacks(
        "testid", "stale"
    )
    await clinic.flow(grace, step("Also", days(-1)))
    following = (await clinic.me.fragment(path[1].replace("&amp;", "&"))).text
    assert "something new" in Document(following).testid("stale")
    assert counts(following)["late"] == "1"


async def test_whoever_is_shown_is_noted(clinic: Clinic) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    await clinic.flow(grace, step("Late", days(-2)))
    await clinic.me.get("/inbox")
    query = (
        "SELECT count(*) FROM audit_reads WHERE environment_id = $1 AND actor = $2 AND $3::uuid ="
        " ANY (almoner_ids(patients))"
    )
    async with clinic.database.connection() as connection:
        for _ in range(300):
            stored = await connection.fetchval(
                query, clinic.me.environment_id, f"worker:{clinic.me.worker_id}", grace["id"]
            )
            if stored:
                break
            await connection.execute("SELECT pg_sleep(0.02)")
    assert stored


async def test_an_empty_inbox_says_what_belongs_in_it(clinic: Clinic) -> None:
    for query, words in (
        ("", "Nothing waits for you"),
        ("?section=late", "Nobody is in this section"),
        ("?phase=intake", "Nothing here in this phase"),
    ):
        assert words in Document(await clinic.me.get(f"/inbox{query}")).testid("empty")
