"""A designer's day, from an empty program to an answer that the API refuses, in one browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browsers import Screens, violations
from tests.changes.writing import until_true
from tests.conftest import Api, Callers
from tests.people import People


async def _phase(page: Page) -> None:
    side = page.get_by_role("navigation", name="Workshop")
    await side.get_by_role("link", name="Phases").click()
    await page.get_by_role("link", name="New phase").first.click()
    await page.get_by_label("Name in the API").fill("intake")
    await page.get_by_label("Title").fill("Intake")
    await page.get_by_role("button", name="Save").click()
    # Who goes on before it is saved is brought back by the answer.
    await expect(page.locator(".saved")).to_be_visible()


async def _assessment(page: Page) -> None:
    """An assessment with one section."""
    await (
        page.get_by_role("navigation", name="Workshop")
        .get_by_role("link", name="Assessments")
        .click()
    )
    await page.get_by_role("link", name="New assessment").first.click()
    await page.get_by_label("Id in the API").fill("pain")
    await page.get_by_label("Name", exact=False).last.fill("Pain today")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("link", name="Add the first section").click()
    await page.get_by_label("Heading").fill("How it is today")
    await page.locator("#edit").get_by_role("button", name=re.compile("^(Add|Save)")).click()


async def _question(page: Page, label: str, kind: str) -> None:
    await page.locator("#begin-0, #add-0").first.click()
    await page.locator("#label").fill(label)
    await page.locator("#kind").select_option(kind)


async def _questions(page: Page) -> None:
    """How strong the pain is, which counts; and where, which is asked only when it is strong."""
    await _question(page, "How strong is it?", "scale")
    await page.get_by_label("Lowest").fill("0")
    await page.get_by_label("Highest").fill("10")
    await page.get_by_label("Weight in the score").fill("2")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("#row-0-0")).to_be_visible()
    await _question(page, "Where is it?", "choice")
    await page.locator("[id='choices.0']").fill("Knee")
    await page.locator("[id='choices.1']").fill("Back")
    await page.locator("[id='shown_when.question']").select_option("how_strong_is_it")
    await page.locator("[id='shown_when:test']").select_option("above")
    await page.locator("[id='shown_when.above']").fill("3")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(
        page.get_by_role("listitem").get_by_text("shown when How strong is it? is above 3")
    ).to_be_visible()


async def _score(page: Page) -> None:
    await page.locator("#open-scoring").click()
    form = page.locator("#edit")
    await form.get_by_label("Scoring").check()
    await form.get_by_role("button", name="Add band").click()
    for name, value in (("name", "strong"), ("low", "10"), ("high", "20")):
        await form.locator(f"[id='scoring.bands.0.{name}']").fill(value)
    await form.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator("#open-scoring")).to_be_visible()


async def _publish(page: Page) -> None:
    await page.get_by_role("link", name="Publish", exact=True).click()
    await page.get_by_label("What changed").fill("The first form")
    await page.get_by_role("button", name="Publish", exact=True).click()
    await expect(page.get_by_role("status").get_by_text("Version 1").first).to_be_visible(
        timeout=60_000
    )


async def _patient(api: Api) -> str:
    """The id of a new patient. What was published is taken up by a server within two seconds."""
    body = {
        "phase": "intake",
        "timezone": "US/Pacific",
        "first_name": "Grace",
        "last_name": "H",
        "birthday": "1906-12-09",
    }
    answer = await api.post("/v1/patients", json=body)

    async def taken() -> bool:
        nonlocal answer
        answer = answer if answer.status_code == 200 else await api.post("/v1/patients", json=body)
        return answer.status_code == 200

    await until_true(taken, "the server takes up what was published")
    return str(answer.json()["id"])


async def _answered(api: Api, patient: str, model: dict[str, Any]) -> Any:
    return await api.post(
        "/v1/assessment_responses", json={"spec_id": "pain", "user_id": patient, "model": model}
    )


@pytest.mark.slow
async def test_from_an_empty_program_to_an_answer_that_is_refused(
    people: People, environment: int, screens: Screens, callers: Callers
) -> None:
    async with await people(environment, "designer") as person:
        page = await screens(person)
        await page.goto("/workshop")
        assert await violations(page) == []
        await _phase(page)
        await _assessment(page)
        await _questions(page)
        await _score(page)
        preview = page.locator("#preview")
        await expect(preview.get_by_role("radiogroup", name="Where is it?")).to_have_count(0)
        await preview.get_by_role("radio", name="7").check(force=True)
        await expect(preview.get_by_role("radiogroup", name="Where is it?")).to_be_visible()
        await expect(page.locator("#preview-score")).to_have_text("score 14 · strong")
        await _publish(page)
    async with await callers(environment) as api:
        patient = await _patient(api)
        good = await _answered(api, patient, {"how_strong_is_it": 7, "where_is_it": "Knee"})
        bad = await _answered(api, patient, {"how_strong_is_it": 11, "where_is_it": "Elbow"})
        hidden = await _answered(api, patient, {"how_strong_is_it": 2, "where_is_it": "Knee"})
    assert good.status_code == 200
    assert [(e["extra"]["path"], e["extra"]["spec_version"]) for e in bad.json()["errors"]] == [
        (".model.how_strong_is_it", 1),
        (".model.where_is_it", 1),
    ]
    [refused] = hidden.json()["errors"]
    assert (refused["extra"]["path"], refused["extra"]["rule"]) == (
        ".model.where_is_it",
        "not_asked",
    )
