"""Not now: a patient who is put off in the inbox, and everything that brings them back."""

from __future__ import annotations

import re
from contextvars import copy_context
from datetime import UTC, datetime, time, timedelta

import pytest

from almoner.data_api.writes import Actor
from almoner.pages import notation
from almoner.portal import moment_words
from almoner.resources import BY_NAME
from almoner.vocabulary.times import iso
from tests.conftest import Api
from tests.portal.test_inbox import (
    EASTERN,
    Clinic,
    Row,
    clinic,
    counts,
    days,
    form_of,
    names,
    step,
)
from tests.web.document import Document

__all__ = ["clinic"]

# A Monday, at ten.
_NOW = datetime(2026, 11, 30, 10, tzinfo=EASTERN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fri 9", "2026-12-04 09:00"),
        ("Friday", "2026-12-04 None"),
        ("mon", "2026-12-07 None"),
        ("tomorrow", "2026-12-01 None"),
        ("tomorrow afternoon", "2026-12-01 14:00"),
        ("this afternoon", "2026-11-30 14:00"),
        ("in 2 weeks", "2026-12-14 None"),
        ("in 3 days 9:30", "2026-12-03 09:30"),
        ("in 2 hours", "2026-11-30 12:00"),
        ("in a month", "2026-12-30 None"),
        ("next week", "2026-12-07 None"),
        ("9", "2026-12-01 09:00"),
        ("11", "2026-11-30 11:00"),
        ("dec 3 at 8", "2026-12-03 08:00"),
        ("24 nov", "2027-11-24 None"),
        ("2026-12-24", "2026-12-24 None"),
        ("in 400 years", "2426-11-30 None"),
        ("soon", "nothing"),
        ("fri xx", "nothing"),
        ("31 feb", "nothing"),
        ("in 2", "nothing"),
        ("x" * 5000, "nothing"),
    ],
)
def test_words_mean_a_day_and_a_time(text: str, expected: str) -> None:
    meant = moment_words.meant(text, _NOW)
    at = meant and meant.at and f"{meant.at:%H:%M}"
    assert (f"{meant.day} {at}" if meant else "nothing") == expected


@pytest.mark.parametrize("first_weekday", [0, 5, 6])
@pytest.mark.parametrize(
    ("day", "monday"),
    [("2026-11-30", "2026-12-07"), ("2026-12-02", "2026-12-07"), ("2026-12-04", "2026-12-07")],
)
def test_next_week_is_its_monday_on_whichever_day_weeks_begin(
    first_weekday: int, day: str, monday: str
) -> None:
    reader = copy_context()
    reader.run(notation.read_in, notation.Notation(24, first_weekday))
    now = datetime.fromisoformat(f"{day}T10:00:00")
    meant = reader.run(moment_words.meant, "next week", now)
    assert meant is not None
    assert meant.day.isoformat() == monday


async def put_off(clinic: Clinic, patient: Row, **fields: str) -> str:
    answer = await clinic.me.send_form(
        "/inbox/snooze", htmx=True, patient=patient["id"], row="0", **fields
    )
    assert answer.status_code == 200
    return answer.text


async def elapse(clinic: Clinic) -> None:
    """The moments until which anybody was put off have come."""
    async with clinic.database.connection() as connection:
        await connection.execute(
            "UPDATE snoozes SET until_time = now() WHERE environment_id = $1 AND until_time > now()",
            clinic.me.environment_id,
        )


async def test_a_patient_is_put_off_comes_back_by_itself_and_can_be_brought_back(
    clinic: Clinic,
) -> None:
    grace, ada = await clinic.patient("Grace", clinic.me), await clinic.patient("Ada", clinic.me)
    for patient in (grace, ada):
        await clinic.flow(patient, step("Call", days(-2)), step("Write", days(0)))
        await clinic.message(patient, "Hello?")
    page = (await clinic.me.get("/inbox")).text
    assert (counts(page), len(names(page))) == ({"late": "2", "all": "2"}, 2)
    # What is late of somebody who stands in another section is no row of that one.
    assert "2 to do, 2 under Late" in Document(page).words
    path = Document(page).link("Not now: Grace").attribute("href")
    assert Document(await clinic.me.get(path)).button("Put off")
    done = await put_off(clinic, grace, words="fri 9")
    assert re.search(r"Put off until (\w+ \d+ \w+|tomorrow)( \d+)? 09:00", done)
    assert counts(done) == {"late": "1", "snoozed": "1", "all": "1"}
    # It is off one's own list, nobody else's, and off the badge.
    assert Document(await clinic.me.fragment("/inbox/badge")).words.startswith("1 ")
    assert counts((await clinic.me.get("/inbox?of=all")).text) == {"late": "2", "all": "2"}
    put = Document(await clinic.me.get("/inbox?section=snoozed"))
    assert "put off until" in put.row("Grace")
    await elapse(clinic)
    back = (await clinic.me.get("/inbox")).text
    assert counts(back) == {"late": "2", "all": "2"}
    assert "put off until" in Document(back).row("Grace")
    assert "put off until" not in Document(back).row("Ada")
    again = await put_off(clinic, grace, until="tomorrow")
    woken = await clinic.me.send_form("/inbox/wake", htmx=True, **form_of(again, "/inbox/wake"))
    assert counts(woken.text) == {"late": "2", "all": "2"}
    # Whoever took it back knows; nothing was put off until then.
    assert "put off until" not in Document(await clinic.me.get("/inbox")).row("Grace")


@pytest.mark.parametrize("urgent", ["message", "alert"])
async def test_what_is_new_and_urgent_brings_a_patient_back_at_once(
    clinic: Clinic, urgent: str
) -> None:
    grace, ada = await clinic.patient("Grace", clinic.me), await clinic.patient("Ada", clinic.me)
    for patient in (grace, ada):
        await clinic.flow(patient, step("Call", days(-2)))
        # Neither what was there before nor what is not urgent brings anybody back.
        await clinic.message(patient, "Of before")
        await clinic.make("alerts", patient_id=patient["id"], alert_type="x", text="Of before")
        await put_off(clinic, patient, until="next week")
        await clinic.flow(patient, step("Another", days(-1)))
    assert counts((await clinic.me.get("/inbox")).text) == {"snoozed": "2", "all": "0"}
    if urgent == "message":
        await clinic.message(grace, "Help", send_time=iso(datetime.now(UTC) - timedelta(days=1)))
    else:
        await clinic.make("alerts", patient_id=grace["id"], alert_type="x", text="Now")
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"now": "1", "snoozed": "1", "all": "1"}
    assert names(page) == ["Grace Hopper"]


async def test_an_appointment_that_is_about_to_begin_brings_a_patient_back(clinic: Clinic) -> None:
    """Whoever is put off once it is about to begin stays so."""
    midnight = datetime.combine(datetime.now(EASTERN).date(), time(), EASTERN)
    times = {"start_time": iso(midnight), "end_time": iso(midnight + timedelta(minutes=10))}
    since = {"Before": midnight - timedelta(days=2), "After": datetime.now(UTC)}
    for name, created_at in since.items():
        patient = await clinic.patient(name, clinic.me)
        await clinic.appointment(patient, clinic.me, **times)
        await clinic.old(
            "snoozes",
            patient_id=patient["id"],
            worker_id=clinic.me.worker_id,
            until_time=iso(datetime.now(UTC) + timedelta(days=1)),
            created_at=created_at,
        )
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"now": "1", "snoozed": "1", "all": "1"}
    assert names(page) == ["Before Hopper"]


async def test_words_that_mean_nothing_and_moments_that_are_over_are_refused(
    clinic: Clinic,
) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    await clinic.flow(grace, step("Call", days(-2)))
    for words in ("soonish", "2020-01-01"):
        for htmx in (True, False):
            answer = await clinic.me.send_form(
                "/inbox/snooze", htmx=htmx, patient=grace["id"], words=words
            )
            field = Document(answer).field("words")
            assert (answer.status_code, field.value, bool(field.error)) == (400, words, True)
    assert counts((await clinic.me.get("/inbox")).text) == {"late": "1", "all": "1"}
    foreign = await clinic.me.send_form("/inbox/snooze", patient="nonsense", words="fri")
    assert foreign.status_code == 404


async def test_who_was_put_off_by_whom_is_in_the_log_and_in_the_api(
    clinic: Clinic, api: Api
) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    await clinic.flow(grace, step("Call", days(-2)))
    before = datetime.now(UTC)
    await put_off(clinic, grace, until="next week")
    await put_off(clinic, await clinic.patient("Noise", clinic.me), until="tomorrow")
    rows = (await api.get(f"/v1/snoozes?patient_id={grace['id']}")).json()[0]["data"]
    assert [row["worker_id"] for row in rows] == [clinic.me.worker_id]
    assert datetime.fromisoformat(rows[0]["until_time"]) > before
    async with clinic.database.connection() as connection:
        logged = await connection.fetchrow(
            "SELECT actor, kind, through FROM changes WHERE environment_id = $1 AND row_id = $2",
            *(clinic.me.environment_id, rows[0]["id"]),
        )
    assert tuple(logged) == (f"worker:{clinic.me.worker_id}", "create", "portal")


async def test_who_is_put_off_stays_quiet_and_goes_with_a_merge(clinic: Clinic) -> None:
    """Putting off is nothing that was heard of a patient."""
    grace = await clinic.patient("Grace", clinic.me)
    await put_off(clinic, grace, until="tomorrow")
    await elapse(clinic)
    assert counts((await clinic.me.get("/inbox")).text) == {"watch": "1", "all": "1"}
    survivor = await clinic.patient("Kept", clinic.me)
    by = Actor(clinic.me.environment_id, "test", "cli", "test", whole=True)
    moved = await clinic.store.move(by, grace["id"], survivor["id"])
    assert moved[BY_NAME["snoozes"].name] == 1


async def test_a_section_is_folded_and_stays_so_in_this_browser(clinic: Clinic) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    await clinic.flow(grace, step("Call", days(-2)))
    await clinic.message(await clinic.patient("Ada", clinic.me), "Hello?")
    folded = await clinic.me.send_form("/inbox/fold", htmx=True, fold="late")
    assert (names(folded.text), counts(folded.text)["late"]) == (["Ada Hopper"], "1")
    page = (await clinic.me.get("/inbox")).text
    assert (names(page), counts(page)["all"]) == (["Ada Hopper"], "2")
    assert names((await clinic.me.get("/inbox?section=late")).text) == ["Grace Hopper"]
    await clinic.me.send_form("/inbox/fold", fold="late")
    assert names((await clinic.me.get("/inbox")).text) == ["Grace Hopper", "Ada Hopper"]
