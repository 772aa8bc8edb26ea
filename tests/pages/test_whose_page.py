"""What holds on every page, looked at on each: whose record it is stays said, and no id is there
twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import expect

import almoner
from almoner.access import reset_links
from almoner.access.grants import EVERYTHING
from almoner.access.worker_events import By
from almoner.app import PAGES
from almoner.data_api.store import Store
from almoner.database import Database
from tests.browsers import Screens, violations
from tests.cases import quick
from tests.pages.forms import forms_of
from tests.pages.inhabited import inhabited
from tests.pages.walking import addresses
from tests.people import People, Person
from tests.portal.merging import merge
from tests.web.document import Document

# What ends the session that walks.
_ENDS = re.compile(r"^/(sign-out|reset|sign-in|session)")
_ABOUT_A_PATIENT = re.compile(r"^/(patients/[0-9a-f]{8}-|calendar/events/|calendar/new\?patient=)")
# Asked with something: pages that show more, and a workshop's editors.
_MORE = (
    "/patients/{patient}/assessments/new?spec=weekly_check_in",
    "/patients/{patient}/records/new?type=medication",
    "/calendar/new?patient={patient}",
    "/workshop/assessments/intake_assessment",
    "/workshop/assessments/weekly_check_in?open=question.0.1",
    "/workshop/custom_data_types/medication",
    "/workshop/care_flows/Getting%20started",
    "/workshop/message_templates/Welcome",
    "/workshop/phases/intake",
    "/workshop/history/1",
    "/workshop/restore?state=1",
)


@pytest.fixture(scope="module")
async def everybody(people: People, database: Database, store: Store) -> AsyncIterator[Person]:
    """Somebody to whom every page is open, one of whose patients is two records that were
    merged.
    """
    async with await inhabited(people, database, store, "kiwi-whose", 24) as person:
        yield person


@pytest.fixture(scope="module")
async def other(database: Database, everybody: Person) -> str:
    """Another patient."""
    async with database.connection() as connection:
        patient_id: str = await connection.fetchval(
            "SELECT id::text FROM patients WHERE environment_id = $1 AND id <> $2 ORDER BY id"
            " LIMIT 1",
            *(everybody.environment_id, everybody.patient_id),
        )
    return patient_id


@pytest.fixture(scope="module")
async def documents(everybody: Person, database: Database, other: str) -> dict[str, str]:
    """Every whole page there is, by the address that led to it: each opened, and each form on one
    of a patient's sent empty.
    """
    texts: dict[str, str] = {}
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE worker_accounts SET password_hash = 'x' WHERE worker_id = $1",
            everybody.worker_id,
        )
        by = By("test", "test", EVERYTHING)
        invited = await reset_links.make(
            connection, everybody.environment_id, everybody.worker_id, by
        )
    await _open(everybody, reset_links.path(invited), texts)
    await _open(everybody, f"/patients/{everybody.patient_id}/merge/{other}", texts)
    merged = await merge(everybody, everybody.patient_id, other, wins="kept", sure="on")
    assert merged.status_code == 303, merged.text
    for page in PAGES:
        if "GET" in page.methods and not page.background and not _ENDS.match(page.path):
            for address in await addresses(database, everybody, page, [everybody.patient_id]):
                await _open(everybody, address, texts)
    for path in _MORE:
        await _open(everybody, path.format(patient=everybody.patient_id), texts)
    for address, text in list(texts.items()):
        if _ABOUT_A_PATIENT.match(address):
            for form in forms_of(text):
                await _send_empty(everybody, urlsplit(form.action or address).path, texts)
    conflict = await everybody.send_form(
        f"/patients/{everybody.patient_id}/contact/details",
        ("updated_at", "2018-09-12T01:27:32+00:00"),
        ("was.first_name", '"Somebody"'),
        ("first_name", "Somebody else"),
    )
    assert conflict.status_code == 409
    _keep(f"/patients/{everybody.patient_id}/conflict", conflict, texts)
    return texts


async def _open(person: Person, address: str, texts: dict[str, str]) -> None:
    _keep(address, await person.get(address), texts)


async def _send_empty(person: Person, path: str, texts: dict[str, str]) -> None:
    if (
        f"POST {path}" not in texts
        and not _ENDS.match(path)
        and path not in ("/patients", "/patients/search")
    ):
        _keep(f"POST {path}", await person.send_form(path), texts)


def _keep(address: str, answer: httpx.Response, texts: dict[str, str]) -> None:
    # What could not be done has a page that is about nothing but that.
    if answer.text.startswith("<!doctype html>") and not Document(answer).main().node.css(".alone"):
        texts[address] = answer.text


async def test_every_page_of_a_patient_says_whose_it_is(documents: dict[str, str]) -> None:
    about = {
        address for address in documents if _ABOUT_A_PATIENT.match(address.removeprefix("POST "))
    }
    without = sorted(address for address in about if "data-patient-bar" not in documents[address])
    assert not without, without
    routes = {
        page.path
        for page in PAGES
        if page.path.startswith("/patients/{id}") and "GET" in page.methods and not page.background
    }
    parts = ("/timeline", "/before/", "/header")
    assert len(about) >= len([path for path in routes if not any(part in path for part in parts)])


async def test_a_page_about_no_patient_has_no_bar(documents: dict[str, str]) -> None:
    for address in ("/inbox", "/patients", "/calendar", "/admin", "/workshop"):
        assert "data-patient-bar" not in documents[address], address


def test_no_field_of_a_form_takes_an_id_of_the_frame_of_every_page() -> None:
    root = Path(almoner.__file__).parent
    frame = [root / f"pages/templates/{name}.html" for name in ("shell", "top", "notices")]
    taken = {name for file in frame for name in re.findall(r'\sid="([^"{]+)"', file.read_text())}
    assert {"again", "find", "main"} <= taken
    faults = [
        f"{file.relative_to(root)}: {name}"
        for file in root.rglob("*.html")
        for name, rest in re.findall(r'forms\.\w+\("(\w+)"(.*?)\) \}\}', file.read_text())
        if name in taken and '"id":' not in rest
    ]
    assert not faults, faults


async def test_no_id_is_on_a_page_twice(documents: dict[str, str]) -> None:
    twice = {}
    for address, text in documents.items():
        ids = Counter(re.findall(r'\sid="([^"]+)"', text))
        if again := [id_ for id_, number in ids.items() if number > 1]:
            twice[address] = again
    assert not twice, twice
    assert len(documents) > 60


# Whatever can have the focus, from the end of the page to its beginning and back: what of it the bar
# above, or what stands at the foot of a telephone, lies over.
_COVERED = """() => {
  const over = [...document.querySelectorAll("[data-patient-bar], .at-foot, .sticky-foot")], found = [];
  const fields = [...document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary)")]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".visually-hidden"));
  scrollTo(0, document.documentElement.scrollHeight);
  for (const one of [...fields.toReversed(), ...fields]) {
    one.focus();
    if (document.activeElement !== one) continue;
    const at = one.getBoundingClientRect();
    for (const bar of over) {
      const { top, bottom, height } = bar.getBoundingClientRect();
      if (height && !bar.contains(one) && at.height > 1 && at.top < bottom - 1 && at.bottom > top + 1)
        found.push(`${bar.className}: ${one.outerHTML.slice(0, 120)}`);
    }
  }
  return found;
}"""


@pytest.mark.parametrize("width", quick([1440, 375], 1))
async def test_the_bar_stays_in_view_and_covers_nothing_that_has_the_focus(
    width: int, everybody: Person, documents: dict[str, str], screens: Screens
) -> None:
    page = await screens(everybody, width=width)
    for path in ("", "/contact", "/care-flows", "/assessments/new?spec=weekly_check_in"):
        await page.goto(f"/patients/{everybody.patient_id}{path}")
        assert await page.evaluate(_COVERED) == [], path
        await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        box = await page.locator("[data-patient-bar]").bounding_box()
        assert box is not None
        assert (round(box["y"]), box["height"] < 100) == (0, True), path


async def test_what_is_done_most_is_at_the_foot_of_every_page_of_a_patient_on_a_telephone(
    everybody: Person, documents: dict[str, str], screens: Screens
) -> None:
    page = await screens(everybody, width=375)
    here = f"/patients/{everybody.patient_id}"
    for path in (
        "/contact",
        "/records/new?type=medication",
        "/assessments/new?spec=weekly_check_in",
    ):
        await page.goto(f"{here}{path}")
        foot = page.get_by_role("navigation", name="What can be begun")
        box = await foot.bounding_box()
        assert box is not None
        assert (box["y"] + box["height"], box["width"]) == (900, 375), path
        # What a form keeps in view stands above it.
        for buttons in await page.locator(".sticky-foot").all():
            above = await buttons.bounding_box()
            assert above is not None
            assert above["y"] + above["height"] <= box["y"] + 1, path
        assert await page.evaluate(_COVERED) == [], path
    await foot.locator("summary").click()
    assert await violations(page) == []
    await foot.get_by_role("link", name="Care flows").click()
    await expect(page.get_by_role("heading", name="Care flows", exact=True)).to_be_visible()
    await page.get_by_role("link", name="Call", exact=True).click()
    await expect(page.get_by_role("heading", name="Call with")).to_be_visible()
    # On the profile it is once, in its head.
    await page.goto(here)
    await expect(page.get_by_role("link", name="Text")).to_have_count(1)
    page = await screens(everybody, width=1440)
    await page.goto(f"{here}/contact")
    await expect(page.get_by_role("navigation", name="What can be begun")).to_have_count(0)


async def test_phase_and_coach_are_changed_in_the_bar_of_any_page(
    everybody: Person, documents: dict[str, str], screens: Screens
) -> None:
    page = await screens(everybody, width=375)
    await page.goto(f"/patients/{everybody.patient_id}/tasks")
    bar, body = page.locator("[data-patient-bar]"), await page.locator("main").bounding_box()
    await bar.get_by_title("Change the phase").click()
    await expect(page.get_by_label("Phase after")).to_be_focused()
    # What is open lies over the page, and neither over the bar nor in its place.
    assert await page.locator("main").bounding_box() == body
    opened, above = await bar.locator(".popover").bounding_box(), await bar.bounding_box()
    assert opened is not None
    assert above is not None
    assert opened["y"] >= above["y"] + above["height"]
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await expect(bar.locator(".popover")).to_have_count(0)
    await expect(bar.get_by_title("Change the phase")).to_be_focused()
    await bar.get_by_title("Change the coach").click()
    coach_choice = page.get_by_role("combobox", name="Coach")
    await coach_choice.fill("nobody")
    await coach_choice.press("Enter")
    await page.get_by_role("button", name="Assign").click()
    await expect(bar.get_by_title("Change the coach")).to_have_text("nobody yet")
    await expect(bar.get_by_title("Change the coach")).to_be_focused()
    assert page.url.endswith("/tasks")


async def test_a_page_of_what_a_patient_has_not_or_of_what_went_wrong_says_whose_it_is(
    everybody: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, nothing = f"/patients/{everybody.patient_id}", "00000000-0000-4000-8000-000000000000"
    gone = [f"{here}/{part}/{nothing}" for part in ("records", "assessments", "conversations")]
    pages = {
        path: await everybody.get(path) for path in (*gone, f"{here}/records/new?type=nothing")
    }

    async def fails(*_: object, **__: object) -> object:
        raise RuntimeError

    monkeypatch.setattr("almoner.portal.collections.page.rows", fails)
    pages["fails"] = await everybody.get(f"{here}/contact")
    assert {path: answer.status_code for path, answer in pages.items()} == dict.fromkeys(
        pages, 404
    ) | {"fails": 500}
    assert [
        path for path, answer in pages.items() if answer.text.count('id="patient-bar"') != 1
    ] == []
    # Where nobody is found, nobody's bar is there.
    assert not Document(await everybody.get(f"/patients/{nothing}")).node.css("#patient-bar")
