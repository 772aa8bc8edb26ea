"""Views of the panel that workers have saved: those of an erased person go, and no others."""

from __future__ import annotations

from typing import Any

import msgspec

from almoner.erasure.person import Terms
from almoner.erasure.traces import VIEWS, patterns_of_views
from almoner.portal.panel.panel_view import PanelFilter, PanelView
from tests.changes.writing import environment_of

KNOWN = Terms(["grace@example.org"], [('"Grace"', '"De Hopper"')])
# Titles of views, and what their filter asks for.
GONE = {
    ("One", "de hopper"),
    ("Two", "the De Hopper family"),
    ("Three", "grace@example.org"),
    ("Grace De Hopper", "12"),
    ("de hopper, grace: labs", "12"),
}
STAY = {
    ("Grace period", "12"),
    ("Five", "Hoppers"),
    ("De Hopper road", "12"),
    ("Grace and others", "de hoppering"),
}


async def test_a_saved_view_of_an_erased_person_goes_and_no_other(connection: Any) -> None:
    for owner in (await environment_of(connection), await environment_of(connection)):
        worker = await connection.fetchval(
            "INSERT INTO workers (environment_id, id, email, first_name, last_name, timezone)"
            " VALUES ($1, gen_random_uuid(), 'a@example.org', 'Ann', 'Lee', 'UTC') RETURNING id",
            owner,
        )
        for title, value in GONE | STAY:
            view = PanelView(every=(PanelFilter("name", "contains", value),))
            await connection.execute(
                "INSERT INTO panel_views (environment_id, id, worker_id, title, view)"
                " VALUES ($1, gen_random_uuid(), $2, $3, $4)",
                *(owner, worker, title, msgspec.json.encode(view).decode()),
            )
    await connection.execute(
        f"DELETE FROM panel_views WHERE {VIEWS}", owner, *patterns_of_views(KNOWN)
    )
    left = await connection.fetch(
        "SELECT title, count(*) AS number FROM panel_views WHERE worker_id = $1 GROUP BY title",
        worker,
    )
    assert {row["title"] for row in left} == {title for title, _ in STAY}
    assert (
        await connection.fetchval(
            "SELECT count(*) FROM panel_views WHERE environment_id <> $1 AND title = 'One'", owner
        )
        > 0
    )
