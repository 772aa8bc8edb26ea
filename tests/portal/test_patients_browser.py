"""The patients' pages in a browser: found with the keyboard alone, and without a violation of WCAG at any width."""

from __future__ import annotations

import pytest

from almoner.data_api.store import Actor, Store
from almoner.resources import BY_NAME
from tests.browsers import Screens, violations
from tests.people import People

NAMES = (
    ("Grace", "Hopper"),
    ("Märta", "Åkesson-Nilsdotter"),
    ("Juan Carlos", "de Oñate y Salazar"),
    ("太郎", "山田"),
    ("Gracie", "Hoper"),
)


async def made(store: Store, by: Actor) -> list[str]:
    given = {"timezone": "US/Pacific", "birthday": "1906-12-09"}
    return [
        (
            await store.create(
                by,
                BY_NAME["patients"],
                given
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
    ids = await made(store, inside)
    async with await people(program, "coach") as coach:
        page = await screens(coach)
        await page.goto("/patients")
        await page.keyboard.press("/")
        await page.wait_for_function("document.activeElement.id === 'find'")
        await page.keyboard.type("akeson")
        await page.wait_for_selector("#found .hit")
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


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (1440, True), (375, False), (375, True)])
async def test_no_page_breaks_the_rules_of_access_or_its_width(
    people: People, program: int, store: Store, inside: Actor, screens: Screens, width: int, dark: bool
) -> None:
    ids = await made(store, inside)
    async with await people(program, "coach") as coach:
        page = await screens(coach, width=width, dark=dark)
        about = f"/patients/{ids[0]}"
        for path in ("/patients", "/patients/new", f"{about}/phase", f"{about}/merge", f"{about}/merge/{ids[4]}"):
            await page.goto(path)
            assert await violations(page) == [], path
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        await page.goto("/patients")
        await page.fill("#find", "hop")
        await page.wait_for_selector("#found .hit")
        assert await violations(page) == []
        await page.keyboard.press("ArrowDown")
