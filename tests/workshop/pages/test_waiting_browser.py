"""What waits, and the access log, as people meet them: with something in them, on a wide screen, in
the dark and on a phone.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from almoner.database import Database
from almoner.workshop import drafts
from almoner.workshop.design import Role
from tests.browsers import Screens, wrong_with
from tests.people import People, Person


@pytest.mark.slow
async def test_filled_pages_are_accessible_and_fit(
    people: People, program: int, database: Database, screens: Screens
) -> None:
    async with (
        await people(program, "designer", first_name="Mia") as designer,
        await people(program, "admin") as admin,
    ):
        await fill(designer, database)
        page = await screens(admin)
        assert await wrong_with(page, "/workshop/publish/waiting", "/admin/access", "/admin") == []
        await page.goto("/workshop/publish/waiting")
        await page.get_by_role("button", name="Refuse").click()
        await (
            page.get_by_role("status")
            .get_by_text("It is refused. Nothing was published")
            .wait_for()
        )


async def fill(designer: Person, database: Database) -> None:
    """A client and a publish that waits."""
    await designer.send_form(
        "/workshop/clients",
        ("scopes", "patients.read"),
        name="Warehouse",
        grant="some",
        shape="documented",
    )
    async with database.connection() as connection:
        now = await drafts.current(connection, designer.environment_id)
        wide = replace(
            now.design, roles=(*now.design.roles, Role(name="designer", may=("administer",)))
        )
        saved = await drafts.save(
            connection, designer.environment_id, now.revision, wide, "Mia Smith"
        )
    fields = {
        "revision": str(saved.draft.revision),
        "live": "1",
        "lock": "0",
        "message": "For the winter",
    }
    assert (
        await designer.send_form("/workshop/publish", ("accept", "roles"), **fields)
    ).status_code == 303
