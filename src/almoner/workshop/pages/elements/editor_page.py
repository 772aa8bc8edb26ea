"""The editor of an element: its form, derived from the declaration, beside what a coach will see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.filters import counted
from almoner.pages.visit import Form, Visit
from almoner.workshop.checks import every_problem, problems
from almoner.workshop.design import MessageTemplate, ProgramDesign
from almoner.workshop.drafts import Draft
from almoner.workshop.pages.editor import saving
from almoner.workshop.pages.editor.controls import MemberControl, Sources, fields_of, placed, sources
from almoner.workshop.pages.editor.form import Read, completed, of_value, read, written
from almoner.workshop.pages.editor.items import Acted, acted
from almoner.workshop.pages.elements.group import ElementGroup, shown_name
from almoner.workshop.pages.elements.list_page import index_of
from almoner.workshop.pages.elements.previews import ElementPreview, preview
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.placeholders import PLACEHOLDERS

_FOLDER: Final = "workshop/pages/elements"
# The hidden value that tells a preview which element of the group it is about; blank where that is new.
PLACE: Final = "element:place"
EDITED_ELSEWHERE: Final = "assessments"
_COPIED: Final = "This is the copy. It is saved in the draft already, under a name of its own: change what shall be different."


@dataclass(frozen=True, kw_only=True)
class FormStatus:
    """What a page says of a form: that it is saved, or why not; what others did; where the focus goes.

    ``spoken`` is for readers of the screen; ``unsaved`` tells that the form holds what is not saved.
    """

    saved: str = ""
    refused: str = ""
    notes: tuple[str, ...] = ()
    spoken: str = ""
    focus: str = ""
    unsaved: bool = False


@dataclass(frozen=True, kw_only=True)
class EditorPage:
    """The form of an element and its preview. ``remove_path`` is blank where there is nothing to remove.

    ``placeholders`` are those that its text may hold, with what each stands for; empty where it is no message.
    """

    frame: Frame
    group: ElementGroup
    title: str
    fields: tuple[MemberControl, ...]
    problems: str
    base: int
    action: str
    preview_path: str
    place: str
    remove_path: str
    told: FormStatus
    preview: ElementPreview
    placeholders: Mapping[str, str]


@dataclass(frozen=True)
class ElementPreviewPage:
    preview: ElementPreview


@dataclass(frozen=True)
class _Opened:
    """An element that is open: the draft that its form was made from, and where it stands there; None where it is new."""

    group: ElementGroup
    draft: Draft
    index: int | None
    form: Form
    told: FormStatus = field(default_factory=FormStatus)


async def show(visit: Visit, group: ElementGroup) -> Response:
    """The editor of an element that is there."""
    async with visit.parts.database.connection() as connection:
        draft = await saving.draft_for_editor(visit, connection, group.title)
        if isinstance(draft, Response):
            return draft
        index = index_of(group, draft.design, visit)
        told = FormStatus()
        if (base := parsing.whole(visit.query("saved"), -1)) is not None:
            told = FormStatus(saved=_saved(draft), notes=await saving.notes(connection, visit, base, draft))
        elif visit.query("copied"):
            told = FormStatus(notes=(_COPIED,))
        form = written(group.items(draft.design)[index])
        return await _editor(visit, connection, _Opened(group, draft, index, form, told))


async def new(visit: Visit, group: ElementGroup) -> Response:
    """The editor of an element that is not there yet."""
    async with visit.parts.database.connection() as connection:
        draft = await saving.draft_for_editor(visit, connection, group.title)
        if isinstance(draft, Response):
            return draft
        return await _editor(visit, connection, _Opened(group, draft, None, Form(())))


async def save(visit: Visit, group: ElementGroup) -> Response:
    """Saves an element in the draft; or does what a button of one of its lists asks for, without saving."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        is_new = "item" not in visit.request.path_params and group.is_list
        open_one = _Opened(group, before, None if is_new else index_of(group, before.design, visit), form)
        if form.text("do"):
            return await _editor(visit, connection, _after(open_one, acted(form, form.text("do"))))
        found = read(form, group.struct)
        if found.errors:
            return await _editor(visit, connection, _refused(open_one, found), 422, found.errors)
        element = of_value(group.struct, found.value)
        design = group.put(before.design, open_one.index, element)
        back = group.path if open_one.index is None else group.link(before.design, open_one.index)
        saved = await saving.save(visit, connection, before, design, back=back)
        if isinstance(saved, Response):
            return saved
        return await _after_save(visit, connection, open_one, saved, group.name_of(element))


async def show_preview(visit: Visit, group: ElementGroup) -> Response:
    """What a coach would see, of a form as it stands. Nothing is saved."""
    form = await visit.form()
    async with visit.parts.database.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
    at, items = form.text(PLACE) if group.is_list else "0", group.items(before.design)
    index = parsing.whole(at, high=len(items) - 1)
    design = group.put(before.design, index, completed(group.struct, read(form, group.struct).value))
    made = preview(group, design, len(items) if index is None else index, visit.worker.timezone)
    return visit.fragment(f"{_FOLDER}/preview.html", ElementPreviewPage(made))


def _after(open_one: _Opened, done: Acted) -> _Opened:
    told = FormStatus(spoken=done.told, focus=done.focus, unsaved=True)
    return _Opened(open_one.group, open_one.draft, open_one.index, done.form, told)


def _refused(open_one: _Opened, found: Read) -> _Opened:
    number = len(found.errors)
    said = f"Nothing is saved yet: {counted(number, 'field')} {'has' if number == 1 else 'have'} to be mended first."
    told = FormStatus(refused=said, spoken=said, focus=next(iter(found.errors)), unsaved=True)
    return _Opened(open_one.group, open_one.draft, open_one.index, open_one.form, told)


async def _after_save(visit: Visit, connection: Connection, open_one: _Opened, saved: Draft, name: str) -> Response:
    """The editor of what was saved, under the name that it has now. Somebody else may have removed it since."""
    group, base = open_one.group, open_one.draft.revision
    expected = len(group.items(open_one.draft.design)) if open_one.index is None else open_one.index
    index = group.find(saved.design, name, str(expected)) if group.is_list else 0
    if index is None:
        return visit.go(group.path)
    path = group.link(saved.design, index)
    if open_one.index is None or not visit.is_fragment:
        return visit.go(f"{path}{'&' if '?' in path else '?'}saved={base}")
    told = FormStatus(saved=_saved(saved), notes=await saving.notes(connection, visit, base, saved), spoken=_saved(saved))
    element = group.items(saved.design)[index]
    # The items of its lists keep their numbers where they can, and so the focus its place.
    form = open_one.form if of_value(group.struct, read(open_one.form, group.struct).value) == element else written(element)
    response = await _editor(visit, connection, _Opened(group, saved, index, form, told))
    response.headers["HX-Replace-Url"] = path
    return response


def _fields(open_one: _Opened, known: Sources, errors: Mapping[str, str]) -> tuple[MemberControl, ...]:
    fields = fields_of(open_one.group.struct, open_one.form, known, errors=errors)
    if open_one.group.key == EDITED_ELSEWHERE:
        # It begins with its names; what is inside of it has an editor of its own.
        return tuple(one for one in fields if one.control not in ("part", "parts"))
    return fields


def _saved(draft: Draft) -> str:
    number = len(problems(draft.design))
    if not number:
        return "Saved as a draft."
    things = f"{counted(number, 'thing')} {'is' if number == 1 else 'are'}"
    return f"Saved as a draft; {things} to be mended before it can be published."


def _designed(group: ElementGroup, design: ProgramDesign, index: int | None, found: Read) -> ProgramDesign | None:
    """The design with the form's element in it; None where the form is no element yet."""
    if found.errors:
        return None
    return group.put(design, index, of_value(group.struct, found.value))


async def _editor(
    visit: Visit, connection: Connection, open_one: _Opened, status: int = 200, errors: Mapping[str, str] | None = None
) -> Response:
    group, draft, index, form = open_one.group, open_one.draft, open_one.index, open_one.form
    design = _designed(group, draft.design, index, read(form, group.struct))
    place = len(group.items(draft.design)) if index is None else index
    # A form that is new and blank is not told yet what is missing in it.
    is_begun = index is not None or bool(form.pairs)
    at = placed(every_problem(design), group.place(place), form) if design is not None and is_begun else {}
    told = {**at, **(errors or {})}
    items = group.items(draft.design)
    seen = group.put(draft.design, index, completed(group.struct, read(form, group.struct).value))
    page = EditorPage(
        frame=await frame(visit, connection, draft),
        group=group,
        title=(shown_name(items[index]) if group.is_list else group.title) if index is not None else f"New {group.one}",
        fields=_fields(open_one, sources(design or draft.design), told),
        problems=told.get("", ""),
        base=draft.revision,
        action=f"/workshop/add/{group.key}" if index is None else group.link(draft.design, index, "save"),
        preview_path=f"/workshop/preview/{group.key}",
        remove_path=group.link(draft.design, index, "remove") if group.is_list and index is not None else "",
        told=open_one.told,
        place="" if index is None else str(index),
        preview=preview(group, seen, place, visit.worker.timezone),
        placeholders=PLACEHOLDERS if group.struct is MessageTemplate else {},
    )
    return visit.show(f"{_FOLDER}/editor.html", f"{_FOLDER}/form.html", page, status)
