"""A morning's triage with the keyboard alone: twenty patients opened, done, put off, handed over and
taken several at once, with counts that are true at each step.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from playwright.async_api import Page, expect

from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens, violations
from tests.people import People
from tests.portal.test_inbox import Clinic, clinic, clinic_in, counts, days, form_of, names, step
from tests.web.document import Document

__all__ = ["clinic"]

_LATE, _WROTE, _TODAY = 12, 4, 4


@pytest.fixture
async def morning(
    program: int, people: People, store: Store, database: Database
) -> AsyncIterator[Clinic]:
    """Twenty patients of the coach, and the same of a second coach, as noise."""
    clinic = await clinic_in(program, people, store, database)
    for coach, last_name in ((clinic.me, "Hopper"), (clinic.other, "Noise")):
        for number in range(_LATE + _WROTE + _TODAY):
            patient = await clinic.patient(f"P{number:02}", coach, last_name=last_name)
            await clinic.make("patient_tasks", user_id=patient["id"], task_type="survey")
            if number < _LATE:
                await clinic.flow(patient, step(f"Late {number}", days(number - 40)))
            elif number < _LATE + _WROTE:
                await clinic.message(patient, f"Hello {number}")
            else:
                await clinic.make(
                    "worker_tasks",
                    title=f"Today {number}",
                    patient_id=patient["id"],
                    worker_id=coach.worker_id,
                )
    yield clinic
    for person in (clinic.me, clinic.other):
        await person.aclose()


def values(page: str, name: str) -> list[str]:
    """What the hidden and the ticked fields of this name hold, in their order."""
    return [unescape(v) for v in re.findall(rf'name="{name}" value="([^"]*)"', page)]


async def counted(page: Page, **expected: int) -> None:
    """The counts of the sections, at the top and in what is listed."""
    todo = sum(number for name, number in expected.items() if name != "snoozed")
    await expect(page.get_by_test_id("to-do")).to_have_text(str(todo))
    for name, number in expected.items():
        await expect(page.locator(f"#count-{name}")).to_have_text(str(number))
        if name != "snoozed":
            section = page.get_by_test_id(f"section-{name}")
            await expect(section.locator("li:not(.is-done)")).to_have_count(number)


async def expect_status(page: Page, words: str) -> None:
    await expect(page.locator("#live-region")).to_contain_text(words)


@pytest.mark.slow
async def test_a_mornings_triage_with_the_keyboard_alone(morning: Clinic, screens: Screens) -> None:
    page = await screens(morning.me)
    press = page.keyboard.press
    await page.goto("/inbox")
    await counted(page, late=12, messages=4, today=4)

    # Opened, and back in the row that one came from.
    await press("j")
    await press("j")
    framed = page.locator(".inbox-rows > li:focus")
    await expect(framed).to_contain_text("P02 Hopper")
    await press("Enter")
    await page.wait_for_url("**/patients/*")
    await page.go_back()
    await expect(page.locator(".inbox-rows > li:focus")).to_contain_text("P02 Hopper")

    # Looked at beside the list, without leaving the row.
    await press("v")
    preview = page.get_by_test_id("preview")
    await expect(preview).to_contain_text("P02 Hopper")
    await expect(page.locator(".inbox-rows > li:focus-within")).to_contain_text("P02 Hopper")
    assert await violations(page) == []

    # Called: the sheet of the call beside the list, closed, and back in the row.
    await page.locator('[data-key="c"][data-htmx-powered]').first.wait_for()
    await press("c")
    sheet = page.get_by_role("region", name="Call with P02")
    await expect(sheet.get_by_label("Outcome")).to_be_focused()
    assert await violations(page) == []
    await press("Escape")
    await expect(sheet).to_have_count(0)
    await expect(page.locator(".inbox-rows > li:focus-within")).to_contain_text("P02 Hopper")

    # Done, and taken back.
    await press("e")
    await expect_status(page, "Done: Late 2")
    await counted(page, late=11, messages=4, today=4)
    await press("u")
    await expect_status(page, "Open again: Late 2")
    await counted(page, late=12, messages=4, today=4)
    await press("e")
    await expect_status(page, "Done: Late 2")
    await counted(page, late=11, messages=4, today=4)

    # Put off until a moment in words; words that mean nothing are said at the field.
    await press("h")
    until = page.locator("#small-form[open]").get_by_role("textbox")
    await expect(until).to_be_focused()
    await page.keyboard.type("soonish")
    await press("Enter")
    await expect(page.locator("#small-form .error")).to_be_visible()
    assert await violations(page) == []
    await until.fill("in 2 weeks")
    await press("Enter")
    await expect_status(page, "Put off until")
    await expect(page.locator("#small-form")).not_to_have_attribute("open", "")
    await counted(page, late=10, messages=4, today=4, snoozed=1)

    # Several at once: selected, done together, taken back together, done again.
    for _ in range(3):
        await press("x")
        await press("j")
    bar = page.get_by_role("form", name="What is done to the rows that are selected")
    await expect(bar).to_be_visible()
    await press("e")
    await expect_status(page, "Done: 3 rows.")
    await expect(bar).to_be_hidden()
    await counted(page, late=7, messages=4, today=4, snoozed=1)
    await press("u")
    await expect_status(page, "Taken back: 3 rows.")
    await counted(page, late=10, messages=4, today=4, snoozed=1)
    for _ in range(4):
        await press("x")
        await press("j")
    await press("h")
    await expect(until).to_be_focused()
    await press("Enter")
    await expect_status(page, "4 patients: Put off until tomorrow")
    await counted(page, late=6, messages=4, today=4, snoozed=5)

    # Handed over with a note, out of the section of one's own.
    await press("a")
    await expect(page.locator("#hand-over-coach")).to_be_focused()
    await page.locator("#hand-over-coach").select_option(label="Otto Other")
    await press("Tab")
    await page.keyboard.type("She likes to be called in the morning.")
    await press("Tab")
    await press("Enter")
    await expect_status(page, "Handed over to Otto Other with your note.")
    await counted(page, late=5, messages=4, today=4, snoozed=5)

    # A task of one's own, from anywhere.
    await press("t")
    await expect(page.locator("#task-title")).to_be_focused()
    await page.keyboard.type("Ring the pharmacy today")
    await press("Enter")
    await expect(page.locator("#notice").get_by_role("status")).to_contain_text("Ring the pharmacy")
    await page.reload()
    await counted(page, late=5, messages=4, today=5, snoozed=5)
    assert await violations(page) == []

    theirs = (await morning.other.get("/inbox")).text
    # The second coach has their own, and beside it whom they were given.
    assert counts(theirs) == {"late": "13", "messages": "4", "today": "4", "all": "21"}
    row = Document(theirs).row("Handover")
    assert "She likes to be called in the morning." in row


async def test_several_are_done_only_as_they_were_on_the_page(clinic: Clinic) -> None:
    """What others changed meanwhile stays, and so does what nothing can be ticked off of."""
    flows = {}
    for name in ("Ada", "Bea", "Cleo"):
        patient = await clinic.patient(name, clinic.me)
        flows[name] = await clinic.flow(patient, step(f"Call {name}", days(-2)))
    await clinic.patient("Quiet", clinic.me)
    page = (await clinic.me.get("/inbox")).text
    fields = form_of(page, "/inbox/done", "Bea")
    chosen = [("patient", row) for row in values(page, "patient")]
    marks = [("drawn", mark) for mark in values(page, "drawn")]
    await clinic.other.send_form("/inbox/done", htmx=True, **fields)
    done = await clinic.me.send_form("/inbox/several/done", *chosen, *marks, htmx=True)
    assert Document(done).status("Done: 2 rows. 2 rows stayed")
    assert names(done.text) == ["Quiet Hopper"]
    undo = form_of(done.text, "/inbox/several/undo")
    back = await clinic.me.send_form("/inbox/several/undo", htmx=True, **undo)
    assert Document(back).status("Taken back: 2 rows.")
    assert names(back.text) == ["Ada Hopper", "Cleo Hopper", "Quiet Hopper"]
    nonsense = await clinic.me.send_form("/inbox/several/undo", ("undo", "[]"), htmx=True)
    assert nonsense.status_code == 400


async def test_patients_are_handed_over_and_given_back(clinic: Clinic) -> None:
    ada, bea = await clinic.patient("Ada", clinic.me), await clinic.patient("Bea", clinic.me)
    await clinic.message(ada, "Hello?")
    chosen = [("patient", ada["id"]), ("patient", bea["id"])]
    refused = await clinic.me.send_form("/inbox/hand-over", *chosen, ("coach", "x"), htmx=True)
    assert refused.status_code == 400
    assert Document(refused).field("coach").error
    answer = await clinic.me.send_form(
        "/inbox/hand-over", *chosen, ("coach", clinic.other.worker_id), ("note", "Mind."), htmx=True
    )
    assert Document(answer).status("2 patients: Handed over to Otto Other with your note.")
    theirs = (await clinic.other.get("/inbox")).text
    assert sorted(names(theirs)) == ["Ada Hopper", "Bea Hopper"]
    assert "Mind. - “Hello?”" in Document(theirs).row("Handover: Ada Hopper")
    undo = form_of(answer.text, "/inbox/hand-over/undo")
    back = await clinic.me.send_form("/inbox/hand-over/undo", htmx=True, **undo)
    assert Document(back).status("Given back: 2 patients.")
    assert names((await clinic.me.get("/inbox")).text)[0] == "Ada Hopper"


async def test_who_sees_their_own_patients_alone_takes_back_what_they_handed_over(
    program: int, people: People, store: Store, database: Database
) -> None:
    clinic = await clinic_in(program, people, store, database, "community_health_worker")
    ada = await clinic.patient("Ada", clinic.me)
    bea = await clinic.patient("Bea", clinic.other)
    chosen = [("patient", ada["id"]), ("coach", clinic.other.worker_id)]
    answer = await clinic.me.send_form("/inbox/hand-over", *chosen, htmx=True)
    undo = form_of(answer.text, "/inbox/hand-over/undo")
    # What they never had is not theirs to take.
    of_other = f"was={bea['id']} {clinic.other.worker_id} {clinic.me.worker_id}"
    stolen = await clinic.me.send_form(
        "/inbox/hand-over/undo", htmx=True, **(undo | {"act": of_other})
    )
    assert Document(stolen).status("Given back: 0 patients.")
    back = await clinic.me.send_form("/inbox/hand-over/undo", htmx=True, **undo)
    assert Document(back).status("Given back: 1 patient.")
    again = await clinic.me.send_form("/inbox/hand-over/undo", htmx=True, **undo)
    assert Document(again).status("Given back: 0 patients.")
    for person in (clinic.me, clinic.other):
        await person.aclose()
