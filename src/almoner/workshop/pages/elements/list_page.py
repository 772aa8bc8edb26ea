"""The list of a group: its elements in their order, what is wrong with each, and moving and
removing them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from msgspec import Struct
from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.vocabulary.definitions import color_number
from almoner.workshop import drafts
from almoner.workshop.checks import every_problem
from almoner.workshop.design import Phase, ProgramDesign
from almoner.workshop.pages.editor import saving
from almoner.workshop.pages.elements.group import ElementGroup, is_built_in, uses
from almoner.workshop.pages.elements.phase_path import PhasePath, patients_by_phase, phase_path
from almoner.workshop.pages.elements.summaries import summary
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.placeholders import Piece, pieces
from almoner.workshop.titles import titled, titles_in

LIST = "workshop/pages/elements/list.html"


@dataclass(frozen=True, kw_only=True)
class ElementRow:
    """An element in the list. ``place`` is where it stands in the revision that the list was made
    from; ``dot`` the number of its colour, 0 where it has none.
    """

    place: int
    title: str
    name: str
    summary: tuple[Piece, ...]
    dot: int
    problems: int
    path: str
    remove_path: str
    duplicate_path: str


@dataclass(frozen=True, kw_only=True)
class ElementListPage:
    """A group's elements. ``notes`` tell what others changed meanwhile, ``focus`` is the id of what
    gets the focus. ``path`` draws the phases, and is None of all else.
    """

    frame: Frame
    group: ElementGroup
    rows: tuple[ElementRow, ...]
    base: int
    notes: tuple[str, ...]
    message: str
    focus: str
    path: PhasePath | None


@dataclass(frozen=True, kw_only=True)
class RemovePage:
    """The question whether an element shall go, and where it is named."""

    frame: Frame
    group: ElementGroup
    title: str
    uses: tuple[str, ...]
    stays: bool
    base: int
    action: str
    back: str


async def show(visit: Visit, group: ElementGroup) -> Response:
    async with visit.connection() as connection:
        draft = await saving.draft_for_editor(visit, connection, group.title)
        if isinstance(draft, Response):
            return draft
        notes = ("It is removed from the draft.",) if visit.query("removed") else ()
        return await _list(
            visit, connection, group=group, draft=draft, notes=notes, message="", focus=""
        )


async def arrange(visit: Visit, group: ElementGroup) -> Response:
    """Puts the elements into the order that was sent; a button moves one of them up or down."""
    form = await visit.form()
    async with visit.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        order, message = _moved(list(form.texts("item")), form.text("do"))
        saved = await saving.save(
            visit, connection, before, group.ordered(before.design, order), back=group.path
        )
        if isinstance(saved, Response):
            return saved
        if not visit.is_fragment:
            return visit.go(group.path)
        notes = await saving.notes(connection, visit, before.revision, saved)
        return await _list(
            visit,
            connection,
            group=group,
            draft=saved,
            notes=notes,
            message=message,
            focus=_focus(form.text("do"), order),
        )


async def ask(visit: Visit, group: ElementGroup) -> Response:
    """The page that asks before an element is removed."""
    async with visit.connection() as connection:
        draft = await saving.draft_for_editor(visit, connection, group.title)
        if isinstance(draft, Response):
            return draft
        index = index_of(group, draft.design, visit)
        element = group.items(draft.design)[index]
        page = RemovePage(
            frame=await frame(visit, connection, draft),
            group=group,
            title=titled(element),
            uses=uses(draft.design, group, group.name_of(element)),
            stays=is_built_in(element),
            base=draft.revision,
            action=group.link(draft.design, index, "remove"),
            back=group.link(draft.design, index),
        )
        return visit.page("workshop/pages/elements/remove.html", page)


async def remove(visit: Visit, group: ElementGroup) -> Response:
    """Removes an element from the draft."""
    form = await visit.form()
    async with visit.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        index = index_of(group, before.design, visit)
        saved = await saving.save(
            visit, connection, before, group.without(before.design, index), back=group.path
        )
        return saved if isinstance(saved, Response) else visit.go(f"{group.path}?removed=yes")


async def duplicate(visit: Visit, group: ElementGroup) -> Response:
    """Puts a copy behind an element, and opens its editor: the copy has a name of its own, to be
    changed there.
    """
    form = await visit.form()
    async with visit.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        design, name = group.with_copy(before.design, index_of(group, before.design, visit))
        saved = await saving.save(visit, connection, before, design, back=group.path)
        if isinstance(saved, Response):
            return saved
        index = group.find(saved.design, name)
        if index is None:
            return visit.go(group.path)
        path = group.link(saved.design, index)
        return visit.go(f"{path}{'&' if '?' in path else '?'}copied=yes")


def index_of(group: ElementGroup, design: ProgramDesign, visit: Visit) -> int:
    """Where the element stands that the address names. Raises a 404 ApiError where it is not
    there.
    """
    index = group.find(design, visit.path("item"), visit.query("at")) if group.is_list else 0
    if index is None:
        raise problem(
            "not_found",
            f"The draft has no such {group.noun}. Somebody may have renamed or removed it.",
        )
    return index


def _moved(order: list[str], action: str) -> tuple[list[str], str]:
    way, _, place = action.partition(":")
    step = {"up": -1, "down": 1}.get(way, 0)
    if place not in order or not step:
        return order, "The order is saved."
    at = order.index(place)
    to = min(max(at + step, 0), len(order) - 1)
    order.insert(to, order.pop(at))
    return order, f"Now number {to + 1} of {len(order)}."


def _focus(action: str, order: list[str]) -> str:
    """The button that was pressed, on the row where it is now: rows are numbered anew."""
    way, _, place = action.partition(":")
    return f"{way}:{order.index(place)}" if place in order else ""


async def _list(
    visit: Visit,
    connection: Connection,
    group: ElementGroup,
    draft: drafts.Draft,
    notes: tuple[str, ...],
    message: str,
    focus: str,
) -> Response:
    page = ElementListPage(
        frame=await frame(visit, connection, draft),
        group=group,
        rows=rows(group, draft.design),
        base=draft.revision,
        notes=notes,
        message=message,
        focus=focus,
        path=await _path(visit, connection, draft.design) if group.struct is Phase else None,
    )
    return visit.show(LIST, "workshop/pages/elements/rows.html", page)


async def _path(visit: Visit, connection: Connection, design: ProgramDesign) -> PhasePath:
    return phase_path(design.phases, await patients_by_phase(connection, visit.environment_id))


def rows(group: ElementGroup, design: ProgramDesign) -> tuple[ElementRow, ...]:
    """The elements of a group as rows."""
    wrong = Counter(
        problem.path.partition("]")[0]
        for problem in every_problem(design)
        if problem.path.startswith(f"{group.key}[")
    )
    titles = titles_in(design)
    return tuple(
        ElementRow(
            place=index,
            title=titled(element),
            name=group.name_of(element) if group.name_of(element) != titled(element) else "",
            summary=tuple(pieces(summary(element, titles))),
            dot=_dot(element, index),
            problems=wrong[f"{group.key}[{index}"],
            path=group.link(design, index),
            remove_path=group.link(design, index, "remove"),
            duplicate_path=group.link(design, index, "duplicate"),
        )
        for index, element in enumerate(group.items(design))
    )


def _dot(element: Struct, place: int) -> int:
    color: str | None = getattr(element, "color", None)
    return color_number(color, place) if color else 0
