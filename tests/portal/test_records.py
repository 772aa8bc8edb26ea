"""Custom records in the portal: tables in words, forms with every error at its field, two people at
one record.
"""

from __future__ import annotations

import html
import re
from decimal import Decimal

import pytest

from almoner.database import Database
from tests.conftest import new_environment
from tests.people import People, Person
from tests.portal.chart import NEWER, Chart, decoded, text_of, until
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("chart")

BODY = {
    "name": "Metformin",
    "dose": 500,
    "daily": True,
    "since": "2026-08-02",
    "taken_at": "2026-08-02T14:20:31Z",
    "form": "tablet",
}


def path(patient: str, rest: str = "") -> str:
    return f"/patients/{patient}/records{rest}"


async def medicine(chart: Chart, patient: str, **body: object) -> str:
    return await chart.make(
        "custom_data_type_records", user_id=patient, type_name="medicine", body={**BODY, **body}
    )


def fields_of(page: str) -> dict[str, str]:
    """The form as a browser would send it: hidden fields, boxes and what is chosen in them."""
    form = page.partition('<form class="card"')[2]
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = {
            key: html.unescape(text) for key, text in re.findall(r'(\w[\w-]*)="([^"]*)"', tag)
        }
        if attributes.get("type") != "radio" or " checked" in tag:
            fields[attributes["name"]] = attributes.get("value", "")
    fields.pop("csrf")
    return fields


async def test_a_table_puts_numbers_days_and_yes_in_words_newest_first(
    coach: Person, chart: Chart
) -> None:
    patient, noise = await chart.patient(), await chart.patient("Noise")
    await medicine(chart, noise, name="Noise")
    await medicine(chart, patient)
    await medicine(chart, patient, name="Aspirin", daily=False, dose=0.5)
    page = await coach.get(path(patient))
    read = text_of(page.text)
    assert not Document(page).mentions("Noise")
    assert read.index("Aspirin") < read.index("Metformin")
    assert Document(page).row("Metformin 500 yes 2 Aug 2026 2 Aug 2026 07:20 (you: 10:20) tablet")
    assert Document(page).row("Aspirin 0.5 no")
    assert Document(page).get("cell", "500").attribute("data-side") == "Dose"
    assert Document(page).heading("Locked away")


async def test_a_record_is_created_from_its_form(coach: Person, chart: Chart) -> None:
    patient = await chart.patient()
    page = await coach.get(path(patient, "/new?type=medicine"))
    assert page.status_code == 200
    fields = {
        **fields_of(page.text),
        "body.name": "Metformin",
        "body.dose": "2.5",
        "body.daily": "no",
        "body.taken_at": "2026-08-02T10:20",
    }
    done = await coach.send_form(path(patient), **fields)
    assert done.headers["location"] == path(patient, "?type=medicine")
    [row] = await chart.rows("custom_data_type_records", patient)
    assert decoded(row["body"]) == {
        "name": "Metformin",
        "dose": 2.5,
        "daily": False,
        "taken_at": "2026-08-02T14:20:00.000000+00:00",
    }


async def test_every_error_stands_at_its_field_and_what_was_typed_stays(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    refused = await coach.send_form(
        path(patient),
        ("body.dose", "many"),
        ("body.since", "2026-02-30"),
        ("body.name", ""),
        type="medicine",
    )
    assert refused.status_code == 400
    for name in ("name", "dose", "since"):
        assert Document(refused).field(f"body.{name}").error, name
    assert Document(refused).field("body.dose").value == "many"
    assert Document(refused).field("body.since").value == "2026-02-30"
    assert "Fill this in." in Document(refused).field("body.name").error
    assert await chart.rows("custom_data_type_records", patient) == []


async def test_a_time_that_the_clocks_skip_or_pass_twice_is_never_moved_in_silence(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    here = path(patient)
    sent = {
        "type": "medicine",
        "body.name": "Metformin",
        "body.dose": "7,5",
        "body.since": "2026-08-02",
        "body.form": "tablet",
    }
    skipped = await coach.send_form(here, **sent, **{"body.taken_at": "2027-03-14T02:30"})
    assert skipped.status_code == 400
    assert (
        "02:30 does not exist on Sunday 14 March in US Eastern: the clocks go forward from 02:00 to"
        " 03:00." in Document(skipped).field("body.taken_at").error
    )
    assert Document(skipped).field("body.taken_at").value == "14 Mar 2027 02:30"
    asked = await coach.send_form(here, **sent, **{"body.taken_at": "2026-11-01T01:30"})
    assert asked.status_code == 400
    offered = re.findall(r'value="([^"]+)"> (First|Second): 01:30 E[DS]T', asked.text)
    assert offered == [
        ("2026-11-01T05:30:00.000000+00:00", "First"),
        ("2026-11-01T06:30:00.000000+00:00", "Second"),
    ]
    answer = await coach.send_form(
        here, ("body.taken_at", "2026-11-01T01:30"), ("body.taken_at", offered[1][0]), **sent
    )
    assert answer.status_code == 303
    assert Document(await coach.get(answer.headers["location"])).get("cell", "7.5")
    record = re.search(
        rf"{here}/([0-9a-f-]{{36}})", (await coach.get(answer.headers["location"])).text
    )
    assert record is not None
    # The form shows which of the two it is, and leaves it so.
    form = Document(await coach.get(f"{here}/{record[1]}"))
    assert form.field("body.taken_at").values[1:] == [offered[1][0]]


async def test_what_nobody_touched_stays_to_the_second(coach: Person, chart: Chart) -> None:
    patient = await chart.patient()
    record = await medicine(chart, patient)
    page = await coach.get(path(patient, f"/{record}"))
    assert "made with version 1" in Document(page).testid("bar")
    before = decoded((await chart.row("custom_data_type_records", record))["body"])
    done = await coach.send_form(
        path(patient, f"/{record}"), **{**fields_of(page.text), "body.dose": "850"}
    )
    assert done.status_code == 303, done.text
    assert decoded((await chart.row("custom_data_type_records", record))["body"]) == {
        **before,
        "dose": 850,
    }


async def test_a_number_of_many_digits_stays_as_it_was_sent(
    coach: Person, chart: Chart, database: Database
) -> None:
    patient = await chart.patient()
    record = await medicine(chart, patient, dose=Decimal("36.600000000000001"))
    page = await coach.get(path(patient, f"/{record}"))
    done = await coach.send_form(
        path(patient, f"/{record}"), **{**fields_of(page.text), "body.name": "Metformin XR"}
    )
    assert done.status_code == 303, done.text
    async with database.connection() as connection:
        body = await connection.fetchval(
            "SELECT body::text FROM custom_data_type_records WHERE id = $1", record
        )
    assert '"dose":36.600000000000001' in body
    assert "Metformin XR" in body


async def test_two_people_keep_both_their_changes_and_decide_where_they_clash(
    coach: Person, people: People, chart: Chart
) -> None:
    patient = await chart.patient()
    record = await medicine(chart, patient)
    mine = fields_of((await coach.get(path(patient, f"/{record}"))).text)
    colleague = await people(chart.environment, "coach", first_name="Ada")
    await colleague.send_form(
        path(patient, f"/{record}"), **{**mine, "body.dose": "850", "body.daily": "no"}
    )
    clash = await coach.send_form(
        path(patient, f"/{record}"), **{**mine, "body.dose": "1000", "body.name": "Glucophage"}
    )
    assert clash.status_code == 409
    read = Document(clash)
    assert read.get("group", "Dose")
    assert read.get("radio", "850")
    assert read.get("radio", "1000")
    assert decoded((await chart.row("custom_data_type_records", record))["body"])["dose"] == 850
    again = {
        name: html.unescape(text)
        for name, text in re.findall(
            r'<input type="hidden" name="([^"]*)" value="([^"]*)"', clash.text
        )
    }
    again.pop("csrf", None)
    done = await coach.send_form(
        path(patient, f"/{record}"), **{**again, "choose.body.dose": "mine"}
    )
    assert done.status_code == 303, done.text
    body = decoded((await chart.row("custom_data_type_records", record))["body"])
    assert (body["dose"], body["daily"], body["name"]) == (1000, False, "Glucophage")


async def test_a_type_of_one_record_shows_it_and_leads_to_its_form(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    await coach.send_form(path(patient), ("body.payer", "Acme"), type="cover")
    read = Document(await coach.get(path(patient)))
    assert "Insurer Acme" in read.region("Insurance")
    assert "made with version 1" in read.definition("Last change")
    [row] = await chart.rows("custom_data_type_records", patient)
    assert (await coach.get(path(patient, "/new?type=cover"))).headers["location"] == path(
        patient, f"/{row['id']}"
    )
    twice = await coach.send_form(path(patient), ("body.payer", "Other"), type="cover")
    assert twice.status_code == 400
    assert Document(twice).alert("has it already")
    assert Document(twice).field("body.payer").value == "Other"


async def test_a_record_of_an_older_version_is_saved_by_the_newest(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    record = await medicine(chart, patient)
    await chart.publish(NEWER)
    page = await until(coach, path(patient, f"/{record}"), "is checked against version 2")
    read = Document(page)
    assert "These values have no field any more" in read.testid("left-over")
    assert read.testid("left-over").definition("form").words == "tablet"
    assert read.field("Brand")
    assert Document(await coach.get(path(patient))).get("cell", "form: tablet (no longer a field)")
    done = await coach.send_form(
        path(patient, f"/{record}"), **{**fields_of(page), "body.brand": "Acme"}
    )
    assert done.status_code == 303, done.text
    row = await chart.row("custom_data_type_records", record)
    assert row["version"] == 2
    assert decoded(row["body"])["brand"] == "Acme"
    assert "form" not in decoded(row["body"])


async def test_a_long_table_leads_on(coach: Person, chart: Chart) -> None:
    patient = await chart.patient()
    for number in range(55):
        await medicine(chart, patient, name=f"Pill {number}")
    assert len(re.findall(r"Pill \d+", (await coach.get(path(patient))).text)) == 10
    page = await coach.get(path(patient, "?type=medicine"))
    assert re.findall(r"Pill (\d+)", page.text)[:2] == ["54", "53"]
    older = re.search(r'href="([^"]*before=[^"]*)"', page.text)
    assert older
    assert re.findall(r"Pill (\d+)", (await coach.get(html.unescape(older[1]))).text) == [
        "4",
        "3",
        "2",
        "1",
        "0",
    ]


async def test_a_role_sees_neither_hidden_types_nor_patients_of_others(
    people: People, coach: Person, chart: Chart
) -> None:
    helper = await people(chart.environment, "helper")
    own, others = await chart.patient(coach_id=helper.worker_id), await chart.patient("Noise")
    hidden = await chart.make(
        "custom_data_type_records", user_id=own, type_name="locked", body={"word": "Locked word"}
    )
    theirs = await medicine(chart, others)
    page = await helper.get(path(own))
    assert page.status_code == 200
    assert not Document(page).mentions("Locked")
    assert Document(await coach.get(path(own))).link("Locked word")
    for refused in (
        await helper.get(path(own, "?type=locked")),
        await helper.get(path(own, "/new?type=locked")),
        await helper.get(path(own, f"/{hidden}")),
        await helper.send_form(path(own), ("body.word", "x"), type="locked"),
        await helper.send_form(path(own, f"/{hidden}"), ("body.word", "x")),
        await helper.get(path(others)),
        await helper.get(path(others, f"/{theirs}")),
        await helper.get(path(own, f"/{theirs}")),
        await helper.send_form(path(others), ("body.name", "x"), type="medicine"),
        await helper.send_form(path(own, f"/{theirs}"), ("body.name", "x")),
    ):
        assert refused.status_code == 404
    assert (
        decoded((await chart.row("custom_data_type_records", theirs))["body"])["name"]
        == "Metformin"
    )


async def test_another_environment_sees_nothing(
    people: People, chart: Chart, database: Database
) -> None:
    patient = await chart.patient()
    record = await medicine(chart, patient)
    away = Chart(await new_environment(database), database, chart.store)
    await away.publish()
    stranger = await people(away.environment, "coach")
    for address in ("", "/new?type=medicine", f"/{record}"):
        assert (await stranger.get(path(patient, address))).status_code == 404
    assert (
        await stranger.send_form(path(patient, f"/{record}"), ("body.name", "x"))
    ).status_code == 404


async def test_a_record_tells_its_history_from_what_to_what_and_by_whom(
    coach: Person, chart: Chart
) -> None:
    patient = await chart.patient()
    noise, record = await medicine(chart, patient, name="Noise"), await medicine(chart, patient)
    for row, dose in ((noise, "1"), (record, "850")):
        page = await coach.get(path(patient, f"/{row}"))
        await coach.send_form(
            path(patient, f"/{row}"),
            **{**fields_of(page.text), "body.dose": dose, "body.daily": "no"},
        )
    page = await coach.get(path(patient, f"/{record}"))
    history = Document(page).region("History")
    assert history.row("Dose: 500 to 850")
    assert history.row("Daily: yes to no")
    assert history.row("by Emily Smith in the portal")
    assert history.row("Recorded")
    assert history.row("by test on the command line")
    assert history.words.index("Changed") < history.words.index("Recorded")
    assert "500 to 1 " not in history
