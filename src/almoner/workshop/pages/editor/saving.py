"""Saving what a designer edited: merged with what others saved meanwhile, or, where both changed the same, given back to choose.

A conflict is answered by a form that holds everything that was sent, and a choice for each part in conflict. It goes to the
address that the edit went to, so that the edit is made once more and the choices are laid over it. A choice counts only while the
other side still is what was shown: where somebody saved a third time, what changed is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem, unavailable
from almoner.merging.three_way import Side, same
from almoner.pages import parsing
from almoner.pages.visit import Form, Visit
from almoner.vocabulary.names import full_name
from almoner.workshop import drafts
from almoner.workshop.compare import compare
from almoner.workshop.design import ProgramDesign
from almoner.workshop.drafts import Conflicted, Draft, Revision
from almoner.workshop.merge import MergeConflict, merge, resolve
from almoner.workshop.pages.editor.value_lines import ValueLine, lines
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.shape import by_key

CHOOSE: Final = "choose:"
SEEN: Final = "seen"
# As many saves are looked through for who changed a part; an edit that is older than that is told without a name.
_MOST_LOOKED_AT: Final = 20
# Whoever saves while somebody chooses is merged at once; this many in a row means that something else is wrong.
_MOST_TRIES: Final = 5


@dataclass(frozen=True, kw_only=True)
class MergeChoice:
    """A part that both changed, as the form shows it. ``chosen`` is blank until somebody
    chose, ``by`` where it is not known who changed the other side."""

    name: str
    path: str
    where: str
    by: str
    at: datetime | None
    theirs: tuple[ValueLine, ...]
    mine: tuple[ValueLine, ...]
    chosen: str
    error: str


@dataclass(frozen=True, kw_only=True)
class DraftConflictPage:
    """What has to be chosen, and everything that was sent, to be sent again. ``back`` leads away without saving."""

    choices: tuple[MergeChoice, ...]
    sent: tuple[tuple[str, str], ...]
    action: str
    seen: int
    back: str
    frame: Frame | None


async def base_of(connection: Connection, environment_id: int, base: str) -> Draft:
    """The revision that a form was made from, as the form names it. Raises a 404 ApiError where there is none such."""
    try:
        return await drafts.at(connection, environment_id, parsing.place(base))
    except (ValueError, LookupError):
        raise problem("not_found", "What this form was made from is not there. Load the page again.") from None


async def draft_for_editor(visit: Visit, connection: Connection, part: str) -> Draft | Response:
    """The draft, for an editor of the part that has this name, and that others see who edits it.

    In a test environment there is no draft: the answer is the way to the page that says so.
    """
    if await _is_for_tests(visit, connection):
        return visit.go("/workshop")
    await drafts.editing(connection, visit.environment_id, visit.worker.worker_id, part)
    return await drafts.current(connection, visit.environment_id)


async def save(visit: Visit, connection: Connection, before: Draft, design: ProgramDesign, *, back: str) -> Draft | Response:
    """Saves a design that was made from ``before``: the draft that it became, or the answer that asks to choose (409).

    ``back`` is where somebody goes on who does not want to save after all.
    """
    form = await visit.form()
    if await _is_for_tests(visit, connection):
        return visit.go("/workshop")
    for _ in range(_MOST_TRIES):
        try:
            saved = await drafts.save(connection, visit.environment_id, before.revision, design, author(visit))
        except Conflicted as conflict:
            chosen = await _chosen(visit, connection, form, before, conflict)
            if any(one.path not in chosen for one in conflict.conflicts):
                return await _ask(visit, connection, form=form, before=before, conflict=conflict, chosen=chosen, back=back)
            before, design = conflict.current, resolve(conflict.merged, chosen)
        else:
            return saved.draft
    raise unavailable("Others are saving this very moment. Send it once more.")


async def _is_for_tests(visit: Visit, connection: Connection) -> bool:
    """Whether programs of another environment are tested in this one: it has no draft of its own."""
    return await connection.fetchval("SELECT test_of FROM environments WHERE id = $1", visit.environment_id) is not None


async def notes(connection: Connection, visit: Visit, base: int, draft: Draft) -> tuple[str, ...]:
    """What others saved between the revision that an edit began from and the draft that it became, as sentences."""
    between = [
        one
        for one in await drafts.history(connection, visit.environment_id, _MOST_LOOKED_AT)
        if base < one.revision < draft.revision
    ]
    groups: dict[str, dict[str, None]] = {}
    before = await drafts.at(connection, visit.environment_id, base) if between else draft
    for one in reversed(between):
        after = await drafts.at(connection, visit.environment_id, one.revision)
        if one.saved_by != author(visit):
            groups.setdefault(one.saved_by, {}).update(dict.fromkeys(_changed_groups(before.design, after.design)))
        before = after
    return tuple(f"{name} changed {_listed(titles)} meanwhile; both are kept." for name, titles in groups.items() if titles)


def author(visit: Visit) -> str:
    """Who saves, as the history of the draft names them."""
    worker = visit.worker
    return full_name(worker.first_name, worker.last_name).strip() or worker.email


def _changed_groups(before: ProgramDesign, after: ProgramDesign) -> Iterable[str]:
    titles = by_key(ProgramDesign)
    for key in dict.fromkeys(one.path.partition(".")[0].partition("[")[0] for one in compare(before, after)):
        yield titles[key].title if key in titles else key


def _listed(titles: Iterable[str]) -> str:
    *first, last = titles
    return f"{', '.join(first)} and {last}" if first else last


async def _chosen(visit: Visit, connection: Connection, form: Form, before: Draft, conflict: Conflicted) -> Mapping[str, Side]:
    """The choices that were sent, those whose other side is what was shown then."""
    if SEEN not in form:
        return {}
    shown = await base_of(connection, visit.environment_id, form.text(SEEN))
    now = {one.path: one for one in conflict.conflicts}
    then = {one.path: one for one in merge(before.design, shown.design, conflict.merged.mine).conflicts}
    return {
        path: cast(Side, side)
        for path, one in now.items()
        if (side := form.text(f"{CHOOSE}{path}")) in ("theirs", "mine") and path in then and same(then[path].theirs, one.theirs)
    }


async def _ask(
    visit: Visit,
    connection: Connection,
    form: Form,
    before: Draft,
    conflict: Conflicted,
    chosen: Mapping[str, Side],
    back: str,
) -> Response:
    by = await _by(visit, connection, before, conflict.conflicts)
    again = SEEN in form
    page = DraftConflictPage(
        choices=tuple(_choice(one, number, by, chosen, again) for number, one in enumerate(conflict.conflicts)),
        sent=tuple(pair for pair in form.pairs if pair[0] not in ("csrf", SEEN) and not pair[0].startswith(CHOOSE)),
        action=_address(visit),
        seen=conflict.current.revision,
        back=back,
        frame=None if visit.is_fragment else await frame(visit, connection, conflict.current),
    )
    return visit.show("workshop/pages/editor/conflict_page.html", "workshop/pages/editor/conflict.html", page, 409)


def _address(visit: Visit) -> str:
    return visit.here_whole


def _choice(one: MergeConflict, number: int, by: Mapping[str, Revision], chosen: Mapping[str, Side], again: bool) -> MergeChoice:
    revision = by.get(one.path)
    side = chosen.get(one.path, "")
    return MergeChoice(
        name=f"conflict-{number}",
        path=one.path,
        where=one.where,
        by=revision.saved_by if revision else "",
        at=revision.saved_at if revision else None,
        theirs=lines(one.theirs),
        mine=lines(one.mine),
        chosen=side,
        error="Choose one of the two." if again and not side else "",
    )


async def _by(visit: Visit, connection: Connection, before: Draft, conflicts: Iterable[MergeConflict]) -> Mapping[str, Revision]:
    """Who last changed each part that is in conflict."""
    between = [
        one for one in await drafts.history(connection, visit.environment_id, _MOST_LOOKED_AT) if one.revision > before.revision
    ]
    found: dict[str, Revision] = {}
    earlier = before.design
    for one in reversed(between):
        later = (await drafts.at(connection, visit.environment_id, one.revision)).design
        paths = [difference.path for difference in compare(earlier, later)]
        for conflict in conflicts:
            place = conflict.path.removesuffix(".order")
            if any(path.startswith(place) or place.startswith(path) for path in paths):
                found[conflict.path] = one
        earlier = later
    return found
