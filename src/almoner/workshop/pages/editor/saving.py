"""Saving what a designer edited: merged with what others saved meanwhile, or, where both changed
the same, given back to choose.

A conflict is answered by a form that holds everything that was sent, and a choice for each part in
conflict. It goes to the address that the edit went to, so that the edit is made once more and the
choices are laid over it. A choice counts only while the other side still is what was shown: where
somebody saved a third time, what changed is asked again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
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
from almoner.workshop.pages.program_owner import away
from almoner.workshop.shape import by_key

CHOOSE: Final = "choose:"
READ: Final = "read"
# As many saves are looked through for who changed a part; an edit that is older than that is told
# without a name.
_MOST_LOOKED_AT: Final = 20
# Whoever saves while somebody chooses is merged at once; this many in a row means that something
# else is wrong.
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
    """What has to be chosen, and everything that was sent, to be sent again. ``back`` leads away
    without saving.
    """

    choices: tuple[MergeChoice, ...]
    sent: tuple[tuple[str, str], ...]
    action: str
    read: int
    back: str
    frame: Frame | None


async def base_of(connection: Connection, environment_id: int, base: str) -> Draft:
    """The revision that a form was made from, as the form names it. Raises a 404 ApiError where
    there is none such.
    """
    try:
        return await drafts.at(connection, environment_id, parsing.place(base))
    except (ValueError, LookupError):
        raise problem(
            "not_found", "What this form was made from is not there. Load the page again."
        ) from None


async def draft_for_editor(visit: Visit, connection: Connection, part: str) -> Draft | Response:
    """The draft, for an editor of the part that has this name, and that others see who edits it.

    In a test environment there is no draft: the answer is the way to the page that says so.
    """
    if elsewhere := await away(visit, connection):
        return elsewhere
    await drafts.editing(connection, visit.environment_id, visit.worker.worker_id, part)
    return await drafts.current(connection, visit.environment_id)


async def save(
    visit: Visit, connection: Connection, before: Draft, design: ProgramDesign, *, back: str
) -> Draft | Response:
    """Saves a design that was made from ``before``: the draft that it became, or the answer that
    asks to choose (409).

    ``back`` is where somebody goes on who does not want to save after all.
    """
    form = await visit.form()
    if elsewhere := await away(visit, connection):
        return elsewhere
    for _ in range(_MOST_TRIES):
        try:
            saved = await drafts.save(
                connection, visit.environment_id, before.revision, design, author(visit)
            )
        except Conflicted as conflict:
            chosen = await _chosen(visit, connection, form, before, conflict)
            if any(part.path not in chosen for part in conflict.conflicts):
                return await _ask(
                    visit,
                    connection,
                    form=form,
                    before=before,
                    conflict=conflict,
                    chosen=chosen,
                    back=back,
                )
            before, design = conflict.current, resolve(conflict.merged, chosen)
        else:
            return saved.draft
    raise unavailable("Others are saving this very moment. Send it once more.")


async def notes(connection: Connection, visit: Visit, base: int, draft: Draft) -> tuple[str, ...]:
    """What others saved between the revision that an edit began from and the draft that it became,
    as sentences.
    """
    groups: dict[str, dict[str, None]] = {}
    saves = _saves_between(connection, visit.environment_id, base, draft.revision)
    async for revision, before, after in saves:
        if revision.saved_by != author(visit):
            titles = dict.fromkeys(_changed_groups(before, after))
            groups.setdefault(revision.saved_by, {}).update(titles)
    return tuple(
        f"{name} changed {_listed(titles)} meanwhile; both are kept."
        for name, titles in groups.items()
        if titles
    )


async def _saves_between(
    connection: Connection, environment_id: int, base: int, end: int
) -> AsyncIterator[tuple[Revision, ProgramDesign, ProgramDesign]]:
    """The saves between two revisions, the oldest first, each with the program before and after
    it.
    """
    history = await drafts.history(connection, environment_id, _MOST_LOOKED_AT)
    between = [revision for revision in reversed(history) if base < revision.revision < end]
    place = base
    for revision in between:
        before, after = [
            (await drafts.at(connection, environment_id, each)).design
            for each in (place, revision.revision)
        ]
        yield revision, before, after
        place = revision.revision


def author(visit: Visit) -> str:
    """Who saves, as the history of the draft names them."""
    worker = visit.worker
    return full_name(worker.first_name, worker.last_name).strip() or worker.email


def _changed_groups(before: ProgramDesign, after: ProgramDesign) -> Iterable[str]:
    titles = by_key(ProgramDesign)
    for key in dict.fromkeys(
        difference.path.partition(".")[0].partition("[")[0] for difference in compare(before, after)
    ):
        yield titles[key].title if key in titles else key


def _listed(titles: Iterable[str]) -> str:
    *first, last = titles
    return f"{', '.join(first)} and {last}" if first else last


async def _chosen(
    visit: Visit, connection: Connection, form: Form, before: Draft, conflict: Conflicted
) -> Mapping[str, Side]:
    """The choices that were sent, those whose other side is what was shown then."""
    if READ not in form:
        return {}
    read = await base_of(connection, visit.environment_id, form.text(READ))
    now = {part.path: part for part in conflict.conflicts}
    then = {
        part.path: part
        for part in merge(before.design, read.design, conflict.merged.mine).conflicts
    }
    return {
        path: cast(Side, side)
        for path, part in now.items()
        if (side := form.text(f"{CHOOSE}{path}")) in ("theirs", "mine")
        and path in then
        and same(then[path].theirs, part.theirs)
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
    by = await _by(visit, connection, before, conflict)
    again = READ in form
    page = DraftConflictPage(
        choices=tuple(
            _choice(part, number, by, chosen, again)
            for number, part in enumerate(conflict.conflicts)
        ),
        sent=tuple(
            pair
            for pair in form.pairs
            if pair[0] not in ("csrf", READ) and not pair[0].startswith(CHOOSE)
        ),
        action=_address(visit),
        read=conflict.current.revision,
        back=back,
        frame=None if visit.is_fragment else await frame(visit, connection, conflict.current),
    )
    return visit.show(
        "workshop/pages/editor/conflict_page.html", "workshop/pages/editor/conflict.html", page, 409
    )


def _address(visit: Visit) -> str:
    return visit.here_whole


def _choice(
    part: MergeConflict,
    number: int,
    by: Mapping[str, Revision],
    chosen: Mapping[str, Side],
    again: bool,
) -> MergeChoice:
    revision = by.get(part.path)
    side = chosen.get(part.path, "")
    return MergeChoice(
        name=f"conflict-{number}",
        path=part.path,
        where=part.where,
        by=revision.saved_by if revision else "",
        at=revision.saved_at if revision else None,
        theirs=lines(part.theirs),
        mine=lines(part.mine),
        chosen=side,
        error="Choose one of the two." if again and not side else "",
    )


async def _by(
    visit: Visit, connection: Connection, before: Draft, conflict: Conflicted
) -> Mapping[str, Revision]:
    """Who last changed each part that is in conflict."""
    by: dict[str, Revision] = {}
    end = conflict.current.revision + 1
    saves = _saves_between(connection, visit.environment_id, before.revision, end)
    async for revision, earlier, later in saves:
        paths = [difference.path for difference in compare(earlier, later)]
        for part in conflict.conflicts:
            place = part.path.removesuffix(".order")
            if any(path.startswith(place) or place.startswith(path) for path in paths):
                by[part.path] = revision
    return by
