"""The history of a program: its versions and the saves of its draft, to be read and to be
restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.errors import problem
from almoner.pages import parsing
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop import drafts, versions
from almoner.workshop.drafts import Draft, Revision
from almoner.workshop.pages.changes import ElementChanges, grouped
from almoner.workshop.pages.editor.saving import author
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.program_owner import away
from almoner.workshop.pages.program_prose import ProseGroup, groups
from almoner.workshop.pages.program_states import DRAFT, ProgramState, state
from almoner.workshop.versions import Version

_FOLDER: Final = "workshop/pages/history"
_PATH: Final = "/workshop/history"
_RESTORE: Final = "/workshop/restore"
_FEW_SAVES: Final = 30
_MOST_SAVES: Final = 1000


@dataclass(frozen=True, kw_only=True)
class HistoryPage:
    """The versions and the saves, the newest first. ``has_more``: there are older saves."""

    frame: Frame
    versions: tuple[Version, ...]
    saves: tuple[Revision, ...]
    has_more: bool
    current: int


@dataclass(frozen=True, kw_only=True)
class VersionPage:
    """A whole version, to be read."""

    frame: Frame
    version: Version
    name: str
    groups: tuple[ProseGroup, ...]
    is_live: bool


@dataclass(frozen=True, kw_only=True)
class RestorePage:
    """What restoring does to the draft. ``moved``: somebody saved after this page was opened."""

    frame: Frame
    target: ProgramState
    draft: Draft
    elements: tuple[ElementChanges, ...]
    moved: bool


async def show(visit: Visit) -> Response:
    limit = _MOST_SAVES if visit.query("saves") == "all" else _FEW_SAVES
    async with visit.connection() as connection:
        draft = await drafts.current(connection, visit.environment_id)
        saves = await drafts.history(connection, visit.environment_id, limit + 1)
        context = HistoryPage(
            frame=await frame(visit, connection, draft),
            versions=await versions.list_versions(connection, visit.environment_id),
            saves=saves[:limit],
            has_more=len(saves) > limit,
            current=draft.revision,
        )
    return visit.page(f"{_FOLDER}/history.html", context)


async def show_version(visit: Visit) -> Response:
    async with visit.connection() as connection:
        state_of_version = await state(connection, visit.environment_id, visit.path("version"))
        version = None
        if (number := parsing.whole(state_of_version.reference)) is not None:
            version = await versions.find(connection, visit.environment_id, number)
        if version is None:
            raise problem("not_found", "There is no such version of this program.")
        newest = await versions.newest(connection, visit.environment_id)
        context = VersionPage(
            frame=await frame(visit, connection),
            version=version,
            name=state_of_version.design.name,
            groups=groups(state_of_version.design),
            is_live=newest is not None and newest.number == version.number,
        )
    return visit.page(f"{_FOLDER}/version.html", context)


async def ask(visit: Visit) -> Response:
    """Asks whether to restore, and says what of the draft that replaces."""
    return await _restoring(visit, visit.query("state"), moved=False)


async def restore(visit: Visit) -> Response:
    form = await visit.form()
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        target = await state(connection, visit.environment_id, form.text("state"))
        async with connection.transaction():
            await drafts.hold(connection, visit.environment_id)
            draft = await drafts.current(connection, visit.environment_id)
            is_same = form.text("revision") == str(draft.revision)
            if is_same:
                by, number = author(visit), target.reference.removeprefix("save-")
                make = drafts.restore if number == target.reference else drafts.restore_save
                if target.reference != DRAFT:
                    await make(connection, visit.environment_id, parsing.place(number), by)
    if not is_same:
        return await _restoring(visit, target.reference, moved=True)
    return visit.go("/workshop?done=restored")


async def _restoring(visit: Visit, reference: str, moved: bool) -> Response:
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        restored = await state(connection, visit.environment_id, reference)
        draft = await drafts.current(connection, visit.environment_id)
        elements = grouped(draft.design, restored.design)
        context = RestorePage(
            frame=await frame(visit, connection, draft),
            target=restored,
            draft=draft,
            elements=elements,
            moved=moved,
        )
    return visit.page(f"{_FOLDER}/restore.html", context, 409 if moved else 200)


ROUTES: Final = (
    PageRoute(_PATH, show, may="design"),
    PageRoute(f"{_PATH}/{{version}}", show_version, may="design"),
    PageRoute(_RESTORE, ask, may="design"),
    PageRoute(_RESTORE, restore, may="design", methods=("POST",)),
)
