"""The patients' pages in a browser: found with the keyboard alone, and without a violation of WCAG
at any width.
"""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.resources import BY_NAME
from tests.browsers import Screens, on_every_screen, violations, wrong_with
from tests.people import People

NAMES = (
    ("Grace", "Hopper"),
    ("Märta", "Åkesson-Nilsdotter"),
    ("Juan Carlos", "de Oñate y Salazar"),
    ("太郎", "山田"),
    ("Gracie", "Hoper"),
)


async def new_patients(store: Store, by: Actor) -> list[str]:
    body = {"timezone": "US/Pacific", "birthday": "1906-12-09"}
    return [
        (
            await store.create(
                by,
                BY_NAME["patients"],
                body
                | {
                    "first_name": first,
                    "last_name": last,
                    "phase": ("intake", "active_coaching")[n % 2],
                    "phone": f"415-555-000{n}",
                },
            )
        ).id
        for n, (first, last) in enumerate(NAMES)
    ]


async def test_a_patient_is_found_with_the_keyboard_alone(
    people: People, program: int, store: Store, inside: Actor, screens: Screens
) -> None:
    ids = await new_patients(store, inside)
    async with await people(program, "coach") as coach:
        page = await screens(coach)
        await page.goto("/patients")
        await page.keyboard.press("/")
        await page.wait_for_function("document.activeElement.id === 'find'")
        await page.keyboard.type("akeson")
        await page.wait_for_selector("#search-results .hit")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/patients/{ids[1]}")
        await page.goto("/patients")
        await page.keyboard.press("/")
        await page.wait_for_function("document.activeElement.id === 'find'")
        await page.keyboard.type("hoper")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#results-title")
        assert "2 patients fit" in await page.inner_text("#results-title")


@pytest.mark.slow
async def test_no_form_breaks_the_rules_of_access_or_its_width(
    people: People, program: int, store: Store, inside: Actor, screens: Screens
) -> None:
    ids = await new_patients(store, inside)
    async with await people(program, "coach") as coach:
        about = f"/patients/{ids[0]}"
        forms = ("/patients/new", f"{about}/phase", f"{about}/merge", f"{about}/merge/{ids[4]}")
        assert await wrong_with(await screens(coach), *forms) == []


@pytest.mark.slow
async def test_what_a_search_finds_breaks_no_rule_of_access_and_fits(
    people: People, program: int, store: Store, inside: Actor, screens: Screens
) -> None:
    await new_patients(store, inside)
    async with await people(program, "coach") as coach:
        page = await screens(coach)
        await page.goto("/patients")
        await page.fill("#find", "hop")
        await page.wait_for_selector("#search-results .hit")
        assert await on_every_screen(page) == []


async def test_a_choice_of_many_is_typed_into_and_sent_as_chosen(
    people: People, program: int, screens: Screens
) -> None:
    page = await screens(await people(program, "coach"))
    await page.goto("/patients/new")
    language = page.get_by_role("combobox", name="Primary language")
    select = page.locator("select[name=primary_language]")
    fits = page.get_by_role("listbox", name="What fits").get_by_role("option")
    await language.fill("VIÊTN")
    await expect(fits).to_have_text(["Vietnamese"])
    await language.press("Enter")
    await expect(language).to_have_value("Vietnamese")
    await expect(select).to_have_value("vietnamese")
    await language.fill("nowhere")
    await expect(fits).to_have_count(0)
    await language.press("Escape")
    await expect(language).to_have_value("Vietnamese")
    await language.press("ArrowDown")
    await language.press("ArrowUp")
    assert await violations(page) == []
    await language.press("Enter")
    await expect(select).to_have_value("spanish")


async def test_what_is_missing_in_a_choice_of_many_is_said_where_it_is_seen(
    people: People, program: int, screens: Screens
) -> None:
    page = await screens(await people(program, "coach"))
    await page.goto("/account")
    await page.evaluate(
        """() => {
          document.querySelector("main").innerHTML = '<form><label for="who">Who</label><select'
            + ' id="who" required><option value="">Choose</option></select><button>Go</button></form>';
          for (let n = 1; n < 20; n++) who.add(new Option(`Worker ${n}`, n));
          document.dispatchEvent(new Event("almoner-page"));
        }"""
    )
    box = page.get_by_role("combobox", name="Who")
    await page.get_by_role("button", name="Go").click()
    await expect(box).to_be_focused()
    assert await box.evaluate("(box) => box.validationMessage")
    await box.fill("worker 12")
    await box.press("Enter")
    assert await box.evaluate("(box) => box.validity.valid")
    assert await page.locator("main form").evaluate("(form) => form.checkValidity()")
