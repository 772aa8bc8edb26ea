"""What stands around every page of the Workshop: the groups of the program with their counts, and
the state of the draft.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.access.environments import is_for_tests
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.workshop import drafts
from almoner.workshop.design import ProgramDesign
from almoner.workshop.shape import members

# The members of a program that have a page, in the order of the side; the title is the member's
# own.
GROUPS: Final = tuple(member for member in members(ProgramDesign) if member.attribute != "name")
_TOOLS: Final = (
    (
        "Clients",
        "/workshop/clients",
        "SELECT count(*) FROM clients WHERE environment_id = $1 AND disabled_at IS NULL",
    ),
    (
        "Webhooks",
        "/workshop/webhooks",
        "SELECT count(*) FROM subscriptions WHERE environment_id = $1",
    ),
    (
        "Integrations",
        "/workshop/integrations",
        "SELECT count(*) FROM integrations WHERE environment_id = $1 AND enabled",
    ),
    (
        "Process hooks",
        "/workshop/process-hooks",
        "SELECT count(*) FROM process_hooks WHERE environment_id = $1",
    ),
    (
        "Process webhooks",
        "/workshop/process-webhooks",
        "SELECT count(*) FROM process_webhooks WHERE environment_id = $1",
    ),
    (
        "Environments",
        "/workshop/environments",
        "SELECT count(*) FROM environments WHERE $1 IN (id, test_of)",
    ),
)


@dataclass(frozen=True)
class SideItem:
    """A line at the side. ``count`` is None where there is nothing to count."""

    title: str
    path: str
    count: int | None
    here: bool


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The frame as templates see it. ``saved_at`` is None before the first save; ``others`` are
    names and what they edit.
    """

    designs: bool
    groups: tuple[SideItem, ...]
    tools: tuple[SideItem, ...]
    live_version: int
    differs: bool
    saved_at: datetime | None
    others: tuple[tuple[str, str], ...]


async def frame(visit: Visit, connection: Connection, draft: drafts.Draft | None = None) -> Frame:
    """The frame of this page. ``draft`` is handed in where the page has read it already."""
    designs = "design" in visit.rights.may and not await is_for_tests(
        connection, visit.environment_id
    )
    here = visit.here
    if designs and draft is None:
        draft = await drafts.current(connection, visit.environment_id)
    tools = []
    if "integrate" in visit.rights.may:
        for title, path, count in _TOOLS:
            number = await connection.fetchval(count, visit.environment_id)
            tools.append(SideItem(title, path, number, _is_below(here, path)))
    return Frame(
        designs=designs,
        groups=_groups(draft.design, here) if designs and draft else (),
        tools=tuple(tools),
        live_version=visit.program.version,
        differs=bool(draft and await drafts.differs(connection, visit.environment_id, draft)),
        saved_at=draft.saved_at if draft else None,
        others=(
            tuple(
                await drafts.others_editing(
                    connection, visit.environment_id, visit.worker.worker_id
                )
            )
            if designs
            else ()
        ),
    )


def path_of(group: str) -> str:
    """The address of a group's page."""
    return f"/workshop/{group}"


def _groups(design: ProgramDesign, here: str) -> tuple[SideItem, ...]:
    return tuple(
        SideItem(
            member.title,
            path_of(member.key),
            _count(getattr(design, member.attribute)),
            _is_below(here, path_of(member.key)),
        )
        for member in GROUPS
    )


def _count(value: Any) -> int | None:
    return len(value) if isinstance(value, tuple) else None


def _is_below(here: str, path: str) -> bool:
    return here == path or here.startswith(f"{path}/")
