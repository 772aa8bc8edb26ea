"""While a worker is away, what is theirs to do is in the inbox of who covers them, and no longer."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from almoner.vocabulary.times import iso
from tests.people import People
from tests.portal.test_inbox import EASTERN, Clinic, clinic, counts, days, form_of, names, step
from tests.web.document import Document

__all__ = ["clinic"]


async def away(clinic: Clinic, cover: str, first: int = 0) -> str:
    """The other coach is away for a week from so many days on; returns where their absences are."""
    day = datetime.now(EASTERN).date() + timedelta(days=first)
    path = f"/calendar/hours/{clinic.other.worker_id}"
    fields = {
        "from_day": day.isoformat(),
        "to_day": (day + timedelta(days=7)).isoformat(),
        "cover": cover,
    }
    answer = await clinic.other.send_form(f"{path}/absences", **fields)
    assert answer.status_code == 303
    return path


async def test_what_waits_of_a_worker_who_is_away_waits_for_their_cover_until_they_are_back(
    clinic: Clinic, people: People, program: int
) -> None:
    third = await people(program, "coach", first_name="Tessa", last_name="Third")
    theirs = await clinic.patient("Theirs", clinic.other)
    await clinic.flow(
        theirs,
        step("For nobody", days(-2)),
        step("For Otto", days(-1), worker_id=clinic.other.worker_id),
        step("For Tessa", days(-1), worker_id=third.worker_id),
    )
    wrote = await clinic.patient("Wrote", clinic.other)
    await clinic.message(wrote, "Hello?")
    alarmed = await clinic.patient("Alarmed", clinic.other)
    await clinic.make("alerts", patient_id=alarmed["id"], alert_type="x", text="Call.")
    mention = {"alert_type": "mention", "for_worker_id": clinic.other.worker_id}
    await clinic.make("alerts", patient_id=wrote["id"], text="Look here.", **mention)
    await clinic.make("worker_tasks", title="Ring", worker_id=clinic.other.worker_id)
    await clinic.flow(await clinic.patient("Of Tessa", third), step("Noise", days(-2)))
    assert counts((await clinic.me.get("/inbox")).text) == {"all": "0"}

    path = await away(clinic, clinic.me.worker_id)
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"now": "2", "late": "1", "today": "1", "all": "4"}
    assert "Look here. · for Otto Other" in Document(page).row("Wrote")
    assert Document(page).testid("cover").mentions("Otto Other is away until")
    late = Document(page).row("Theirs")
    assert "For Otto" in late
    assert "For Tessa" not in late
    taken = await clinic.me.send_form(
        "/inbox/alert-take", htmx=True, **form_of(page, "/inbox/alert-take")
    )
    assert Document(taken).row("taken by you")
    # Who is away has their own list all the same, and nobody else has it.
    assert counts((await clinic.other.get("/inbox")).text)["all"] == "4"
    assert names((await third.get("/inbox")).text) == ["Of Tessa Hopper", "Theirs Hopper"]

    hours = await clinic.other.get(path)
    assert Document(hours).mentions("Covered by Emily Smith")
    remove = re.search(r'action="([^"]+/remove)"', hours.text)
    assert remove is not None
    assert (await clinic.other.send_form(remove[1])).status_code == 303
    assert counts((await clinic.me.get("/inbox")).text) == {"all": "0"}
    await third.aclose()


async def test_an_absence_to_come_and_one_without_a_cover_divert_nothing(clinic: Clinic) -> None:
    await clinic.flow(await clinic.patient("Theirs", clinic.other), step("Late", days(-2)))
    await away(clinic, clinic.me.worker_id, first=3)
    await away(clinic, "")
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"all": "0"}
    assert Document(page).lacks("testid", "cover")


async def test_nobody_covers_themselves_or_is_made_up(clinic: Clinic) -> None:
    path = f"/calendar/hours/{clinic.other.worker_id}/absences"
    day = iso(datetime.now(UTC))[:10]
    for cover in (clinic.other.worker_id, "nonsense"):
        answer = await clinic.other.send_form(path, from_day=day, cover=cover)
        assert answer.status_code == 400
        assert Document(answer).field("cover").error


async def test_who_sees_their_own_patients_alone_or_none_covers_nobody(
    clinic: Clinic, people: People, program: int
) -> None:
    path = f"/calendar/hours/{clinic.other.worker_id}"
    for role in ("community_health_worker", "billing"):
        person = await people(program, role, first_name="Nora")
        offered = Document(await clinic.other.get(path)).field("cover").options
        assert clinic.me.worker_id in offered
        assert person.worker_id not in offered
        day = iso(datetime.now(UTC))[:10]
        answer = await clinic.other.send_form(
            f"{path}/absences", from_day=day, cover=person.worker_id
        )
        assert answer.status_code == 400
        assert Document(answer).field("cover").error
        await person.aclose()


async def test_a_cover_who_is_away_too_is_covered_in_turn_and_never_in_a_circle(
    clinic: Clinic, people: People, program: int
) -> None:
    third = await people(program, "coach", first_name="Tessa", last_name="Third")
    await clinic.flow(await clinic.patient("Theirs", clinic.other), step("Late", days(-2)))
    await away(clinic, third.worker_id)
    assert names((await third.get("/inbox")).text) == ["Theirs Hopper"]
    day = datetime.now(EASTERN).date()
    path = f"/calendar/hours/{third.worker_id}"
    offered = Document(await third.get(path)).field("cover").options
    assert "Otto Other, away " in offered[clinic.other.worker_id]
    span = {"from_day": day.isoformat(), "to_day": (day + timedelta(days=7)).isoformat()}
    circle = await third.send_form(f"{path}/absences", cover=clinic.other.worker_id, **span)
    assert circle.status_code == 400
    assert "nobody would be there" in Document(circle).field("cover").error
    assert names((await clinic.me.get("/inbox")).text) == []
    onward = await third.send_form(f"{path}/absences", cover=clinic.me.worker_id, **span)
    assert onward.status_code == 303
    assert names((await clinic.me.get("/inbox")).text) == ["Theirs Hopper"]
    await third.aclose()


async def test_who_is_away_all_the_while_without_a_cover_covers_nobody(
    clinic: Clinic, people: People, program: int
) -> None:
    third = await people(program, "coach", first_name="Tessa", last_name="Third")
    day = datetime.now(EASTERN).date()
    span = {"from_day": day.isoformat(), "to_day": (day + timedelta(days=2)).isoformat()}
    theirs = f"/calendar/hours/{clinic.other.worker_id}/absences"
    assert (await clinic.other.send_form(theirs, **span)).status_code == 303
    mine = f"/calendar/hours/{third.worker_id}/absences"
    refused = await third.send_form(mine, cover=clinic.other.worker_id, **span)
    assert refused.status_code == 400
    assert "nobody would be there" in Document(refused).field("cover").error
    longer = span | {"to_day": (day + timedelta(days=9)).isoformat()}
    taken = await third.send_form(mine, cover=clinic.other.worker_id, **longer)
    assert taken.status_code == 303
    await third.aclose()
