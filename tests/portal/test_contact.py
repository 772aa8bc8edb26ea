"""How a patient is reached, what they consented to, and what happens where two people edit the
same.
"""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from almoner.data_api.store import Store
from almoner.database import Database
from almoner.resources import BY_NAME
from almoner.resources._consents import consents_of
from tests.browsers import Screens, on_every_screen
from tests.people import Person
from tests.portal.profiles import Chart, new_patient
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture
async def grace(store: Store, program: int) -> Chart:
    """The patient, beside another one with a number of their own."""
    other = await new_patient(store, program, first_name="Noise")
    await other.add("phone_numbers", phone_number="555-555-0000", phone_number_type="other")
    return await new_patient(store, program)


def hidden(page: httpx.Response, action: str) -> dict[str, str]:
    """The hidden fields of the form that goes to this address, without the one of the session."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page.text, re.DOTALL)
    assert form, action
    pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form[0])
    return {
        name: html.unescape(value) for name, value in pairs if name not in ("csrf", "form_token")
    }


async def row_of(database: Database, chart: Chart, collection: str, row_id: str) -> Any:
    """A row as the database has it."""
    async with database.connection() as connection:
        return await connection.fetchrow(
            f"SELECT * FROM {collection} WHERE environment_id = $1 AND id = $2",
            chart.by.environment_id,
            row_id,
        )


async def records(database: Database, row_id: str) -> list[Any]:
    """The records of a row's consents."""
    async with database.connection() as connection:
        rows: list[Any] = await connection.fetch(
            "SELECT * FROM consent_records WHERE row_id = $1 ORDER BY id", row_id
        )
        return rows


def consent_form(**values: str) -> dict[str, str]:
    return {
        "given": "yes",
        "how": "voice",
        "received_on": "2026-01-05",
        "note": "She asked for it.",
        **values,
    }


async def test_a_card_says_in_words_what_a_number_is_and_a_control_how_one_is_typed(
    coach: Person, grace: Chart
) -> None:
    await grace.add(
        "phone_numbers",
        phone_number="415-555-1234",
        phone_number_type="cell",
        friendly_name="at work",
        verified=True,
    )
    named = {"phone_number_type": "cell", "friendly_name": "mobile", "verified": True}
    await grace.add("phone_numbers", phone_number="415-555-1235", **named)
    profile = Document(await coach.get(f"/patients/{grace.id}"))
    assert "Mobile · at work · Confirmed by call" in profile.main()
    # What it is called says no more than its kind.
    assert "Mobile · Confirmed by call" in profile.main()
    form = (await coach.get(f"/patients/{grace.id}/contact")).text
    controls = {
        "phones-new-phone_number": "A US or Canadian number of ten digits, such as 555-555-5555.",
        "emails-new-email": "An address such as grace@example.org.",
        f"{grace.id}-zip_code": "Five digits or nine, such as 94110 or 94110-1234.",
        f"{grace.id}-birthday": "Such as 24 Nov 2026.",
    }
    for at, words in controls.items():
        control = re.search(rf'<input[^>]* id="{at}"[^>]*>', form)
        assert control, at
        assert f'aria-describedby="{at}-help"' in control[0]
        assert re.search(rf'id="{at}-help">{re.escape(words)}<', form), at


async def test_the_table_of_consents_has_a_column_for_each_that_some_row_has(
    coach: Person, grace: Chart
) -> None:
    async def columns() -> list[str]:
        page = await coach.get(f"/patients/{grace.id}/contact")
        return re.findall(r'<th scope="col" role="columnheader">([^<]+)<', page.text)[1:]

    phones = list(consents_of(BY_NAME["phone_numbers"]).values())
    await grace.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    assert await columns() == phones
    await grace.add("email_addresses", email="grace@example.org")
    assert await columns() == [*phones, *consents_of(BY_NAME["email_addresses"]).values()]


async def test_numbers_addresses_and_ids_are_added_and_shown(coach: Person, grace: Chart) -> None:
    base = f"/patients/{grace.id}/contact"
    await coach.send_form(
        f"{base}/phones",
        phone_number="(415) 555-1234",
        phone_number_type="cell",
        friendly_name="main",
    )
    await coach.send_form(f"{base}/emails", email="grace@example.org")
    answer = await coach.send_form(f"{base}/ids", namespace="ehr", external_id="G-1906-12")
    assert answer.status_code == 303
    page = await coach.get(base)
    for words in ("415-555-1234", "grace@example.org", "G-1906-12"):
        assert words in page.text
    assert not Document(page).mentions("555-555-0000")
    profile = await coach.get(f"/patients/{grace.id}?show=all")
    assert "415-555-1234" in Document(profile).definition("Phone")
    assert Document(profile).row("Never asked about calls, SMS, voicemail")
    assert "G-1906-12" in Document(profile).region("Timeline")


async def test_what_does_not_fit_is_told_at_its_field_and_what_was_typed_stays(
    coach: Person, grace: Chart
) -> None:
    base = f"/patients/{grace.id}/contact"
    answer = await coach.send_form(
        f"{base}/phones", phone_number="12 <b>", phone_number_type="cell", friendly_name="my words"
    )
    assert answer.status_code == 400
    form = Document(answer).form(to=f"{base}/phones")
    assert form.field("phone_number").error
    assert form.field("phone_number").value == "12 <b>"
    assert form.field("friendly_name").value == "my words"


async def test_a_consent_changes_together_with_its_record(
    coach: Person, grace: Chart, database: Database
) -> None:
    phone = await grace.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    action = f"/patients/{grace.id}/contact/phones/{phone}/opted_in_to_sms"
    page = await coach.get(f"/patients/{grace.id}/contact")
    answer = await coach.send_form(action, **hidden(page, action), **consent_form())
    assert answer.status_code == 303
    assert (await row_of(database, grace, "phone_numbers", phone))["opted_in_to_sms"]
    (record,) = await records(database, phone)
    assert (record["consent"], record["given"], record["how"], str(record["received_on"])) == (
        "opted_in_to_sms",
        True,
        "voice",
        "2026-01-05",
    )
    assert record["recorded_by"] == f"worker:{coach.worker_id}"
    after = await coach.get(f"/patients/{grace.id}/contact")
    assert Document(after).row("received 5 January 2026")
    assert Document(after).row("She asked for it.")
    assert Document(after).row("recorded by Emily Smith")


async def test_a_consent_is_yes_no_or_never_asked_and_answered_with_one_press(
    coach: Person, grace: Chart, database: Database, screens: Screens
) -> None:
    phone = await grace.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    noise = await grace.add("phone_numbers", phone_number="415-555-1235", phone_number_type="cell")
    page = await screens(coach)
    await page.goto(f"/patients/{grace.id}/contact")
    number = page.get_by_role("row").filter(
        has=page.get_by_role("rowheader", name="415-555-1234", exact=True)
    )
    calls = number.get_by_role("group", name="Calls", exact=True).first
    yes, no = calls.get_by_role("button", name="Yes"), calls.get_by_role("button", name="No")
    for button in (yes, no):
        await expect(button).to_have_attribute("aria-pressed", "false")
    await expect(number.get_by_test_id("unasked")).to_have_count(5)
    await yes.click()
    await expect(yes).to_have_attribute("aria-pressed", "true")
    await expect(number.get_by_test_id("unasked")).to_have_count(4)
    (record,) = await records(database, phone)
    assert (record["consent"], record["given"], record["how"]) == (
        "opted_in_to_phone",
        True,
        "voice",
    )
    # How it was received can be said before, and Enter in a field answers nothing.
    await page.goto(f"/patients/{grace.id}/contact")
    assert await on_every_screen(page) == []
    await page.set_viewport_size({"width": 1440, "height": 900})
    await number.locator("summary", has_text="Calls").first.click()
    await number.get_by_label("In writing").first.check()
    await number.get_by_label("Note").first.fill("By letter.")
    assert await on_every_screen(page) == []
    await (
        number.get_by_role("group", name="Calls", exact=True)
        .nth(1)
        .get_by_role("button", name="No")
        .click()
    )
    await expect(no).to_have_attribute("aria-pressed", "true")
    stored = [(row["given"], row["how"], row["note"]) for row in await records(database, phone)]
    assert sorted(stored) == [(False, "writing", "By letter."), (True, "voice", "")]
    assert await records(database, noise) == []
    card = Document(await coach.get(f"/patients/{grace.id}")).region("Contact")
    assert "no calls" in card
    assert "Never asked about" in card


async def test_a_consent_whose_record_cannot_be_kept_does_not_change(
    coach: Person, grace: Chart, database: Database
) -> None:
    phone = await grace.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    action = f"/patients/{grace.id}/contact/phones/{phone}/opted_in_to_sms"
    page = await coach.get(f"/patients/{grace.id}/contact")
    async with database.connection() as connection:
        check = f"ALTER TABLE consent_records ADD CONSTRAINT refused CHECK (row_id <> '{phone}')"
        await connection.execute(check)
        try:
            answer = await coach.send_form(action, **hidden(page, action), **consent_form())
        finally:
            await connection.execute("ALTER TABLE consent_records DROP CONSTRAINT refused")
        count = await connection.fetchval(
            "SELECT count(*) FROM changes WHERE environment_id = $1 AND row_id = $2 AND kind ="
            " 'update'",
            *(grace.by.environment_id, phone),
        )
    assert answer.status_code == 500
    assert not (await row_of(database, grace, "phone_numbers", phone))["opted_in_to_sms"]
    assert count == 0
    assert await records(database, phone) == []


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("how", "", "Say how it was received."),
        ("received_on", "2999-01-01", "still to come"),
        ("received_on", "soon", "Give the day"),
        ("given", "", "Say whether the patient consents."),
    ],
)
async def test_a_consent_without_how_and_when_is_refused(
    coach: Person, grace: Chart, database: Database, field: str, value: str, words: str
) -> None:
    phone = await grace.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    action = f"/patients/{grace.id}/contact/phones/{phone}/opted_in_to_sms"
    page = await coach.get(f"/patients/{grace.id}/contact")
    answer = await coach.send_form(action, **hidden(page, action), **consent_form(**{field: value}))
    assert answer.status_code == 400
    form = Document(answer).form(to=action)
    assert words in (form.alert().words if field == "given" else form.field(field).error)
    assert form.field("note").value == "She asked for it."
    assert not (await row_of(database, grace, "phone_numbers", phone))["opted_in_to_sms"]


async def test_nothing_of_another_patient_is_edited(
    coach: Person, grace: Chart, store: Store
) -> None:
    other = await new_patient(store, grace.by.environment_id)
    phone = await other.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    for path in (
        f"phones/{phone}",
        f"phones/{phone}/opted_in_to_sms",
        f"emails/{phone}",
        "phones/nonsense",
    ):
        answer = await coach.send_form(f"/patients/{grace.id}/contact/{path}", **consent_form())
        assert answer.status_code == 404, path


async def test_changes_of_different_fields_are_both_kept(
    coach: Person, grace: Chart, database: Database
) -> None:
    action = f"/patients/{grace.id}/contact/details"
    page = await coach.get(f"/patients/{grace.id}/contact")
    await grace.change("patients", grace.id, city="Oakland", timezone="America/New_York")
    values = details(last_name="Murray Hopper")
    answer = await coach.send_form(action, **hidden(page, action), **values)
    assert answer.status_code == 303
    row = await row_of(database, grace, "patients", grace.id)
    assert (row["last_name"], row["city"], row["timezone"]) == (
        "Murray Hopper",
        "Oakland",
        "America/New_York",
    )
    async with database.connection() as connection:
        fields = await connection.fetchval(
            "SELECT fields FROM changes WHERE environment_id = $1 AND row_id = $2 AND through ="
            " 'portal'",
            *(grace.by.environment_id, grace.id),
        )
    assert fields == ["last_name"]


async def test_a_field_that_two_people_changed_is_shown_from_both_sides(
    coach: Person, grace: Chart, database: Database
) -> None:
    action = f"/patients/{grace.id}/contact/details"
    page = await coach.get(f"/patients/{grace.id}/contact")
    await grace.change("patients", grace.id, city="Oakland")
    clash = await coach.send_form(
        action, **hidden(page, action), **details(city="Berkeley", last_name="Murray")
    )
    assert clash.status_code == 409
    for city in ("Oakland", "Berkeley"):
        assert Document(clash).get("radio", city)
    assert Document(clash).alert("test, on the command line")
    assert (await row_of(database, grace, "patients", grace.id))["last_name"] == "Hopper"
    mine = await coach.send_form(action, **hidden(clash, action), **{"choose.city": "mine"})
    assert mine.status_code == 303
    row = await row_of(database, grace, "patients", grace.id)
    assert (row["city"], row["last_name"]) == ("Berkeley", "Murray")


async def test_the_other_side_can_be_taken_and_a_third_change_is_a_new_clash(
    coach: Person, grace: Chart, database: Database
) -> None:
    action = f"/patients/{grace.id}/contact/details"
    page = await coach.get(f"/patients/{grace.id}/contact")
    await grace.change("patients", grace.id, city="Oakland")
    clash = await coach.send_form(
        action, **hidden(page, action), **details(city="Berkeley", last_name="Murray")
    )
    await grace.change("patients", grace.id, city="San Jose")
    again = await coach.send_form(action, **hidden(clash, action), **{"choose.city": "mine"})
    assert again.status_code == 409
    assert Document(again).get("radio", "San Jose")
    theirs = await coach.send_form(action, **hidden(again, action), **{"choose.city": "theirs"})
    assert theirs.status_code == 303
    row = await row_of(database, grace, "patients", grace.id)
    assert (row["city"], row["last_name"]) == ("San Jose", "Murray")


async def test_a_form_that_was_sent_as_it_was_drawn_changes_nothing(
    coach: Person, grace: Chart, database: Database
) -> None:
    action = f"/patients/{grace.id}/contact/details"
    page = await coach.get(f"/patients/{grace.id}/contact")
    answer = await coach.send_form(action, **hidden(page, action), **details())
    assert answer.status_code == 303
    async with database.connection() as connection:
        count = await connection.fetchval(
            "SELECT count(*) FROM changes WHERE environment_id = $1 AND row_id = $2",
            grace.by.environment_id,
            grace.id,
        )
    assert count == 1  # its creation


async def test_a_consent_is_decided_anew_where_somebody_else_changed_it(
    coach: Person, grace: Chart, store: Store, database: Database
) -> None:
    phone = await grace.add(
        "phone_numbers", phone_number="415-555-1234", phone_number_type="cell", opted_in_to_sms=True
    )
    action = f"/patients/{grace.id}/contact/phones/{phone}/opted_in_to_sms"
    page = await coach.get(f"/patients/{grace.id}/contact")
    await store.update(grace.by, BY_NAME["phone_numbers"], phone, {"friendly_name": "main"}, None)
    assert (
        await coach.send_form(action, **hidden(page, action), **consent_form(given="no"))
    ).status_code == 303
    assert not (await row_of(database, grace, "phone_numbers", phone))["opted_in_to_sms"]
    assert len(await records(database, phone)) == 1


def details(**values: str) -> dict[str, str]:
    """The form of a patient as it was drawn, with what was typed into it."""
    drawn = {
        "first_name": "Grace",
        "last_name": "Hopper",
        "birthday": "1906-12-09",
        "timezone": "America/Los_Angeles",
    }
    blank = dict.fromkeys(
        ("street", "street_line_two", "city", "state", "zip_code", "county", "country"), ""
    )
    return drawn | blank | values


async def test_what_needs_a_consent_ends_with_it_by_the_same_record(
    coach: Person, grace: Chart, database: Database
) -> None:
    opted = {"phone_number_type": "cell", "opted_in_to_sms": True, "automatic_recipient": True}
    phone, noise = [
        await grace.add("phone_numbers", phone_number=f"415-555-123{n}", **opted) for n in (4, 5)
    ]
    action = f"/patients/{grace.id}/contact/phones/{phone}/opted_in_to_sms"
    page = await coach.get(f"/patients/{grace.id}/contact")
    withdrawn = await coach.send_form(
        action, **hidden(page, action), **consent_form(given="no", note="No more of these.")
    )
    assert withdrawn.status_code == 303
    done = Document(await coach.get(withdrawn.headers["location"])).get("status")
    assert "SMS of 415-555-1234: no. Automated SMS was set to No too." in done
    row = await row_of(database, grace, "phone_numbers", phone)
    assert (row["opted_in_to_sms"], row["automatic_recipient"], row["opted_in_to_voicemail"]) == (
        False,
        False,
        False,
    )
    stored = {
        (record["consent"], record["given"], record["note"])
        for record in await records(database, phone)
    }
    assert stored == {
        (name, False, "No more of these.") for name in ("opted_in_to_sms", "automatic_recipient")
    }
    assert (await row_of(database, grace, "phone_numbers", noise))["automatic_recipient"]


async def test_what_needs_a_consent_is_not_given_before_it_and_is_shown_as_not_in_force(
    coach: Person, grace: Chart, database: Database
) -> None:
    address = await grace.add("email_addresses", email="grace@example.org")
    action = f"/patients/{grace.id}/contact/emails/{address}/automatic_recipient"
    page = await coach.get(f"/patients/{grace.id}/contact")
    early = await coach.send_form(action, **hidden(page, action), **consent_form())
    assert early.status_code == 400
    assert "Record the consent to E-mail first" in Document(early).form(to=action).alert()
    assert await records(database, address) == []
    # Another system may say what it likes: the page says what comes of it.
    await grace.add("email_addresses", email="work@example.org", automatic_recipient=True)
    assert Document(await coach.get(f"/patients/{grace.id}/contact")).row(
        "not in force: E-mail is not given"
    )


async def answered(coach: Person, grace: Chart, action: str, answer: str) -> httpx.Response:
    """The page after an answer."""
    page = await coach.get(f"/patients/{grace.id}/contact")
    done = await coach.send_form(action, **hidden(page, action), **consent_form(given=answer))
    return await coach.get(done.headers["location"])


async def taken_back(coach: Person, done: httpx.Response, action: str) -> httpx.Response:
    """What the button to take it back answers with."""
    records = re.findall(r'name="record" value="(\d+)"', done.text)
    assert Document(done).form(to=f"{action}/undo")
    return await coach.send_form(f"{action}/undo", *(("record", each) for each in records))


async def test_an_answer_is_taken_back_as_if_nobody_had_asked_with_what_ended_by_it(
    coach: Person, grace: Chart, database: Database
) -> None:
    opted = {"phone_number_type": "cell", "opted_in_to_sms": True, "automatic_recipient": True}
    phone, noise = [
        await grace.add("phone_numbers", phone_number=f"415-555-123{n}", **opted) for n in (4, 5)
    ]
    here = f"/patients/{grace.id}/contact"

    async def consents() -> list[str]:
        row = await row_of(database, grace, "phone_numbers", phone)
        return [name for name in consents_of(BY_NAME["phone_numbers"]) if row[name]]

    # A refusal with what ended by it.
    sms = f"{here}/phones/{phone}/opted_in_to_sms"
    done = await answered(coach, grace, sms, "no")
    assert await consents() == []
    answer = await taken_back(coach, done, sms)
    assert answer.status_code == 303
    assert "taken back" in Document(await coach.get(answer.headers["location"])).get("status")
    assert await consents() == ["opted_in_to_sms", "automatic_recipient"]
    # An answer that changed nothing of the row: nobody was asked, as before.
    calls = f"{here}/phones/{phone}/opted_in_to_phone"
    profile = f"/patients/{grace.id}"
    for pressed in ("no", "yes"):
        done = await answered(coach, grace, calls, pressed)
        assert (await taken_back(coach, done, calls)).status_code == 303
        assert await consents() == ["opted_in_to_sms", "automatic_recipient"]
        card = Document(await coach.get(profile)).region("Contact")
        assert "no calls" not in card
        assert "Never asked about calls" in card
    # What was recorded stays, with who took it back.
    assert [row["how"] for row in await records(database, phone)].count("undone") == 4
    assert len(await records(database, phone)) == 8
    history = [row.words for row in Document(await coach.get(here)).all("listitem")]
    assert sum("taken back" in words for words in history) == 4
    assert await records(database, noise) == []


async def test_an_answer_is_not_taken_back_after_another(
    coach: Person, grace: Chart, database: Database
) -> None:
    phone = await grace.add("phone_numbers", phone_number="415-555-1234", phone_number_type="cell")
    action = f"/patients/{grace.id}/contact/phones/{phone}/opted_in_to_phone"
    first = await answered(coach, grace, action, "yes")
    second = await answered(coach, grace, action, "no")
    late = await taken_back(coach, first, action)
    assert late.status_code == 409
    assert Document(late).get("alert")
    assert not (await row_of(database, grace, "phone_numbers", phone))["opted_in_to_phone"]
    assert (await taken_back(coach, second, action)).status_code == 303
    assert (await row_of(database, grace, "phone_numbers", phone))["opted_in_to_phone"]
    # The one before it is the newest again, and yet not taken back: something was done since.
    assert (await taken_back(coach, first, action)).status_code == 409
