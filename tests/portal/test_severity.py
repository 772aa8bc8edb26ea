"""Answers whose score asks for somebody wait in the inbox until one of them takes it."""

from __future__ import annotations

import pytest

from almoner.data_api.batch_rows import BatchRequest
from almoner.data_api.declare import Verb
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from almoner.vocabulary.fields import Shape
from tests.people import People
from tests.portal.test_inbox import Clinic, Row, clinic, counts, form_of, names
from tests.web.document import Document

__all__ = ["clinic"]

LOW = {"low_mood": "nearly every day", "lost_interest": "nearly every day"}
WELL = {"low_mood": "never", "lost_interest": "some days"}
WORDS = "Mood check: 6 · needs follow-up"


async def answered(clinic: Clinic, patient: Row, model: Row) -> Row:
    return await clinic.make(
        "assessment_responses", user_id=patient["id"], spec_id="mood_check", model=model
    )


async def inbox(clinic: Clinic) -> str:
    return (await clinic.me.get("/inbox")).text


async def test_a_score_that_asks_for_somebody_stays_until_it_is_taken_and_says_by_whom(
    clinic: Clinic,
) -> None:
    grace, well = await clinic.patient("Grace", clinic.me), await clinic.patient("Ada", clinic.me)
    await answered(clinic, await clinic.patient("Olga", clinic.other), LOW)
    response = await answered(clinic, grace, LOW)
    await answered(clinic, well, WELL)
    # That she is well a moment later takes nothing back.
    await answered(clinic, grace, WELL)
    await clinic.me.get(f"/patients/{grace['id']}/assessments/{response['id']}")
    page = await inbox(clinic)
    assert names(page) == ["Grace Hopper"]
    assert counts(page) == {"now": "1", "all": "1"}
    assert WORDS in Document(page).row("needs somebody")

    refused = await clinic.me.send_form(
        "/inbox/snooze", htmx=True, patient=grace["id"], row="0", until="tomorrow"
    )
    assert refused.status_code == 409
    assert Document(refused).status("take that first")
    taking = form_of(page, "/inbox/alert-take")
    taken = await clinic.me.send_form("/inbox/alert-take", htmx=True, **taking)
    assert "taken by you" in Document(taken).row(WORDS)
    assert "taken just now" in Document(taken).row(WORDS)
    again = await clinic.other.send_form("/inbox/alert-take", htmx=True, **taking)
    assert again.status_code in (404, 409)
    fields = form_of(taken.text, "/inbox/alert-return")
    back = await clinic.me.send_form("/inbox/alert-return", htmx=True, **fields)
    assert Document(back).row("needs somebody")


async def test_answers_in_error_and_those_that_a_role_hides_ask_nobody(
    clinic: Clinic, people: People
) -> None:
    grace = await clinic.patient("Grace")
    response = await answered(clinic, grace, LOW)
    assert names(await inbox(clinic)) == ["Grace Hopper"]
    helper = await people(clinic.me.environment_id, "community_health_worker")
    await answered(clinic, await clinic.patient("Hilda", helper), LOW)
    hidden = await helper.get("/inbox")
    assert not Document(hidden).mentions("Mood check")
    assert counts(hidden.text) == {"all": "0"}
    await helper.aclose()
    by = Actor(clinic.me.environment_id, f"worker:{clinic.me.worker_id}", "portal", "", whole=True)
    error = {"entered_in_error_at": "2026-01-01T00:00:00Z"}
    await clinic.store.update(
        by, BY_NAME["assessment_responses"], response["id"], dict(error), None
    )
    assert names(await inbox(clinic)) == []


@pytest.mark.parametrize(("existing", "waiting"), [("refuse", 1), ("keep", 0)])
async def test_a_batch_tells_of_new_answers_and_a_load_of_old_ones_tells_nobody(
    clinic: Clinic, existing: str, waiting: int
) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    request = BatchRequest(
        verb=Verb.CREATE,
        rows=[
            {"user_id": grace["id"], "spec_id": "mood_check", "model": model}
            for model in (LOW, WELL)
        ],
        shape=Shape.STORED,
        atomic=True,
        on_existing=existing,
    )
    by = Actor(clinic.me.environment_id, "client:ehr", "api", "test")
    resource = BY_NAME["assessment_responses"]
    await clinic.store.write_many(by, resource, request, lambda rows: b"")
    page = await inbox(clinic)
    assert len(names(page)) == waiting
