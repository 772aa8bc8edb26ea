"""Notes: a draft until they are signed, never changed from then on, read by whom a role shows them."""

from __future__ import annotations

from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from almoner.portal.notes.queries import MOST
from almoner.resources import BY_NAME
from tests.people import People, Person
from tests.portal.profiles import Chart, new_patient
from tests.web.document import Document

pytestmark = pytest.mark.usefixtures("program")


def sheet(chart: Chart) -> str:
    return f"/patients/{chart.id}/note"


async def rows(database: Database, chart: Chart, table: str = "notes") -> list[Any]:
    async with database.connection() as connection:
        records: list[Any] = await connection.fetch(
            f"SELECT * FROM {table} WHERE environment_id = $1 AND patient_id = $2"
            " ORDER BY created_at, id",
            chart.by.environment_id,
            chart.id,
        )
    return records


@pytest.fixture
async def grace(environment: int, store: Store, coach: Person) -> Chart:
    """A patient; and somebody else of whom there is a note."""
    noise = await new_patient(store, environment, first_name="Noise")
    await noise.add(
        "notes",
        patient_id=noise.id,
        worker_id=coach.worker_id,
        note_type="progress",
        text="Noise walks.",
    )
    return await new_patient(store, environment)


async def test_a_note_is_a_draft_until_it_is_signed_and_stands_on_the_profile_then(
    coach: Person, people: People, environment: int, grace: Chart, database: Database
) -> None:
    fresh = Document(await coach.get(sheet(grace)))
    assert fresh.field("note_type").value == "progress"
    assert fresh.field("text").value.startswith("How it goes:")
    entry = {"note_type": "progress", "text": "Half a thought"}
    assert (await coach.send_form(sheet(grace), **entry, htmx=True)).status_code == 204
    assert Document(await coach.get(sheet(grace))).field("text").value == "Half a thought"
    async with await people(environment, "coach") as other:
        assert Document(await other.get(sheet(grace))).field("text").value.startswith("How it")
    assert await rows(database, grace) == []
    signed = await coach.send_form(
        sheet(grace), note_type="progress", text="Sleeps better.", pin="on", do="save"
    )
    assert signed.headers["location"] == f"/patients/{grace.id}"
    [note] = await rows(database, grace)
    assert (note["text"], note["pinned"], str(note["worker_id"])) == (
        "Sleeps better.",
        True,
        coach.worker_id,
    )
    profile = Document(await coach.get(f"/patients/{grace.id}"))
    assert "Sleeps better." in profile.region("Timeline")
    assert "pinned" in profile.region("Notes")
    assert not profile.mentions("Noise walks.")
    assert Document(await coach.get(sheet(grace))).field("text").value.startswith("How it goes:")
    blank = await coach.send_form(sheet(grace), note_type="progress", text=" ", do="save")
    assert Document(blank).field("text").error


async def test_a_signed_note_is_added_to_and_pinned_and_never_changed(
    coach: Person, grace: Chart, database: Database
) -> None:
    await coach.send_form(sheet(grace), note_type="progress", text="Sleeps better.", do="save")
    [note] = await rows(database, grace)
    added = Document(await coach.get(f"{sheet(grace)}?adds_to={note['id']}"))
    assert "Sleeps better." in added.main()
    await coach.send_form(
        sheet(grace),
        note_type="progress",
        text="And walks.",
        adds_to=str(note["id"]),
        do="save",
        back=f"/patients/{grace.id}/notes",
    )
    page = Document(await coach.get(f"/patients/{grace.id}/notes"))
    assert "And walks." in page.region("Progress note")
    pin = f"/patients/{grace.id}/notes/{note['id']}/pin"
    await coach.send_form(pin, pin="on")
    assert "pinned" in Document(await coach.get(f"/patients/{grace.id}/notes")).main()
    await coach.send_form(pin, pin="off")
    notes = await rows(database, grace)
    assert [(row["text"], row["pinned"]) for row in notes] == [
        ("Sleeps better.", False),
        ("And walks.", False),
    ]
    assert notes[1]["adds_to_note_id"] == note["id"]
    noise = await coach.get(f"{sheet(grace)}?adds_to={grace.id}")
    assert noise.status_code == 404


async def test_a_pinned_note_stays_in_view_however_many_are_newer(
    coach: Person, grace: Chart, store: Store, database: Database
) -> None:
    await coach.send_form(
        sheet(grace), note_type="progress", text="Deaf on the left.", pin="on", do="save"
    )
    newer = [
        {
            "patient_id": grace.id,
            "worker_id": coach.worker_id,
            "note_type": "progress",
            "text": f"Note {number}",
        }
        for number in range(MOST)
    ]
    await store.load(grace.by, BY_NAME["notes"], newer)
    for path in (f"/patients/{grace.id}", f"/patients/{grace.id}/notes"):
        assert Document(await coach.get(path)).mentions("Deaf on the left."), path


async def test_what_is_added_to_an_addendum_is_added_to_its_note_and_has_a_draft_of_its_own(
    coach: Person, grace: Chart, database: Database
) -> None:
    await coach.send_form(sheet(grace), note_type="progress", text="Sleeps better.", do="save")
    [note] = await rows(database, grace)
    to_note = f"{sheet(grace)}?adds_to={note['id']}"
    # A plain draft is none of what is added, and the other way round.
    await coach.send_form(sheet(grace), note_type="progress", text="A plain draft", do="close")
    adding = Document(await coach.get(to_note))
    assert adding.field("text").value != "A plain draft"
    assert adding.heading("Addendum to “Progress note”")
    addendum = {"note_type": "progress", "adds_to": str(note["id"])}
    await coach.send_form(sheet(grace), **addendum, text="And walks.", do="close")
    assert Document(await coach.get(to_note)).field("text").value == "And walks."
    plain = Document(await coach.get(sheet(grace)))
    assert plain.field("text").value == "A plain draft"
    assert plain.lacks("heading", "Addendum to “Progress note”")
    await coach.send_form(sheet(grace), **addendum, text="And walks.", do="save")
    added = (await rows(database, grace))[1]
    addendum["adds_to"] = str(added["id"])
    await coach.send_form(sheet(grace), **addendum, text="And swims.", do="save")
    assert (await rows(database, grace))[2]["adds_to_note_id"] == note["id"]
    page = Document(await coach.get(f"/patients/{grace.id}/notes"))
    assert "And swims." in page.region("Progress note")
    await coach.send_form(f"/patients/{grace.id}/errors/{note['id']}", reason="No", do="enter")
    refused = await coach.send_form(sheet(grace), **addendum, text="And runs.", do="save")
    assert "error" in (Document(refused).field("text").error or "")
    # What was added holds, and is no note that there is not.
    profile = Document(await coach.get(f"/patients/{grace.id}"))
    assert "And walks." in profile.region("Notes")


async def test_a_mention_is_a_row_in_the_inbox_of_whoever_is_called_so(
    coach: Person, people: People, environment: int, grace: Chart, database: Database
) -> None:
    async with (
        await people(environment, "coach", first_name="Ruth", last_name="Adler") as ruth,
        await people(environment, "coach", first_name="Ruth", last_name="Baum") as other,
        await people(environment, "designer", first_name="Lesley") as designer,
    ):
        refusals = {"@Ruth": "several", "@Nobody": "called", "@Lesley": "roles"}
        for text, why in refusals.items():
            answer = await coach.send_form(
                sheet(grace), note_type="progress", text=f"Ask {text} please", do="save"
            )
            assert why in Document(answer).field("text").error, text
        assert await rows(database, grace) == []
        await coach.send_form(
            sheet(grace),
            note_type="progress",
            text="Ask @ruth adler please, not ada@example.org",
            do="save",
        )
        [alert] = await rows(database, grace, "alerts")
        assert (alert["alert_type"], str(alert["for_worker_id"])) == ("mention", ruth.worker_id)
        # What the note says is the note's alone.
        assert "please" not in alert["text"]
        assert Document(await ruth.get("/inbox")).mentions(alert["text"])
        for noise in (other, coach):
            assert not Document(await noise.get("/inbox")).mentions(alert["text"])
        assert (await designer.get(f"/patients/{grace.id}/notes")).status_code == 403


async def test_a_type_that_a_role_hides_is_nowhere_to_be_read(
    coach: Person, people: People, environment: int, grace: Chart, database: Database
) -> None:
    await coach.send_form(sheet(grace), note_type="supervision", text="Of supervision", do="save")
    await coach.send_form(sheet(grace), note_type="progress", text="Of progress", do="save")
    notes = {row["text"]: row["id"] for row in await rows(database, grace)}
    hidden = notes["Of supervision"]
    await coach.send_form(f"/patients/{grace.id}/notes/{hidden}/pin", pin="on")
    async with await people(environment, "community_health_worker") as nurse:
        await grace.change("patients", grace.id, coach_id=nurse.worker_id)
        for path in ("", "/notes"):
            page = Document(await nurse.get(f"/patients/{grace.id}{path}"))
            assert page.mentions("Of progress"), path
            assert not page.mentions("Of supervision"), path
            assert not page.mentions("Supervision"), path
        assert (
            "supervision" not in Document(await nurse.get(sheet(grace))).field("note_type").options
        )
        answer = await nurse.get(f"{sheet(grace)}?adds_to={hidden}")
        assert answer.status_code == 404
    assert Document(await coach.get(f"/patients/{grace.id}")).mentions("Of supervision")
