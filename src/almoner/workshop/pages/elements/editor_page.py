"""The editor of an element: its form, derived from the declaration, beside what a coach will see of
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.filters import counted
from almoner.pages.objects.views import Link
from almoner.pages.visit import Form, Visit
from almoner.processes.lacking import lacking
from almoner.workshop.checks import every_problem, problems
from almoner.workshop.design import MessageTemplate, ProgramDesign
from almoner.workshop.drafts import Draft
from almoner.workshop.pages.automation.reading import lacking_links
from almoner.workshop.pages.editor import saving
from almoner.workshop.pages.editor.chosen_kind import begun
from almoner.workshop.pages.editor.condition_values import condition_values, trigger_values
from almoner.workshop.pages.editor.controls import fields_of
from almoner.workshop.pages.editor.field_errors import placed
from almoner.workshop.pages.editor.form import Read, blank, completed, of_value, read, written
from almoner.workshop.pages.editor.items import Acted, acted
from almoner.workshop.pages.editor.member_control import MemberControl
from almoner.workshop.pages.editor.sources import Sources, sources
from almoner.workshop.pages.elements.group import ElementGroup
from almoner.workshop.pages.elements.list_page import index_of
from almoner.workshop.pages.elements.previews import ElementPreview, preview
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.placeholders import PLACEHOLDERS
from almoner.workshop.process_design import Process
from almoner.workshop.titles import titled

_FOLDER: Final = "workshop/pages/elements"
# The hidden value that tells a preview which element of the group it is about; blank where that is
# new.
PLACE: Final = "element:place"
EDITED_ELSEWHERE: Final = "assessments"
_COPIED: Final = (
    "This is the copy. It is saved in the draft already, under a name of its own: change what shall"
    " be different."
)


@dataclass(frozen=True, kw_only=True)
class FormStatus:
    """What a page says of a form: that it is saved, or why not; what others did; where the focus
    goes.

    ``spoken`` is for readers of the screen; ``unsaved`` tells that the form holds what is not
    saved."""

    saved: str = ""
    refused: str = ""
    notes: tuple[str, ...] = ()
    spoken: str = ""
    focus: str = ""
    unsaved: bool = False


@dataclass(frozen=True, kw_only=True)
class EditorPage:
    """The form of an element, its preview, and what it needs that the environment does not have.
    ``remove_path`` is blank where there is nothing to remove.

    ``placeholders`` are those that its text may hold, with what each stands for; empty where it is
    no message."""

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
    status: FormStatus
    preview: ElementPreview
    lacking: Sequence[tuple[str, Link | None]]
    placeholders: Mapping[str, str]


@dataclass(frozen=True)
class ElementPreviewPage:
    """``lacking``: what the element needs that the environment does not have."""

    preview: ElementPreview
    lacking: Sequence[tuple[str, Link | None]]


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """An element that is open: the draft that its form was made from, and where it stands there;
    None where it is new.
    """

    group: ElementGroup
    draft: Draft
    index: int | None
    form: Form
    status: FormStatus = field(default_factory=FormStatus)


async def show(visit: Visit, group: ElementGroup) -> Response:
    """The editor of an element that is there."""
    async with visit.connection() as connection:
        draft = await saving.draft_for_editor(visit, connection, group.title)
        if isinstance(draft, Response):
            return draft
        index = index_of(group, draft.design, visit)
        status = FormStatus()
        if (base := parsing.whole(visit.query("saved"), -1)) is not None:
            status = FormStatus(
                saved=_saved(draft), notes=await saving.notes(connection, visit, base, draft)
            )
        elif visit.query("copied"):
            status = FormStatus(notes=(_COPIED,))
        form = written(group.items(draft.design)[index])
        return await _editor(
            visit,
            connection,
            _Opened(group=group, draft=draft, index=index, form=form, status=status),
        )


async def new(visit: Visit, group: ElementGroup) -> Response:
    """The editor of an element that is not there yet."""
    async with visit.connection() as connection:
        draft = await saving.draft_for_editor(visit, connection, group.title)
        if isinstance(draft, Response):
            return draft
        return await _editor(
            visit,
            connection,
            _Opened(group=group, draft=draft, index=None, form=blank(group.struct)),
        )


async def save(visit: Visit, group: ElementGroup) -> Response:
    """Saves an element in the draft; or does what a button of one of its lists asks for, without
    saving.
    """
    form = await visit.form()
    async with visit.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        is_new = "item" not in visit.request.path_params and group.is_list
        opened = _Opened(
            group=group,
            draft=before,
            index=None if is_new else index_of(group, before.design, visit),
            form=form,
        )
        if form.text("do"):
            return await _editor(
                visit,
                connection,
                _after(opened, acted(begun(group.struct, form), form.text("do"))),
            )
        sent = read(form, group.struct)
        if sent.errors:
            return await _editor(visit, connection, _refused(opened, sent), 422, sent.errors)
        element = of_value(group.struct, sent.value)
        design = group.put(before.design, opened.index, element)
        back = group.path if opened.index is None else group.link(before.design, opened.index)
        saved = await saving.save(visit, connection, before, design, back=back)
        if isinstance(saved, Response):
            return saved
        return await _after_save(visit, connection, opened, saved, group.name_of(element))


async def show_preview(visit: Visit, group: ElementGroup) -> Response:
    """What a coach would see, of a form as it stands. Nothing is saved."""
    form = await visit.form()
    async with visit.connection() as connection:
        before = await saving.base_of(connection, visit.environment_id, form.text("base"))
        element = completed(group.struct, read(form, group.struct).value)
        lacks = await _lacking(visit, connection, element)
    at, items = form.text(PLACE) if group.is_list else "0", group.items(before.design)
    index = parsing.whole(at, high=len(items) - 1)
    design = group.put(before.design, index, element)
    view = preview(group, design, len(items) if index is None else index, visit.worker.timezone)
    return visit.fragment(f"{_FOLDER}/preview.html", ElementPreviewPage(view, lacks))


async def _lacking(
    visit: Visit, connection: Connection, element: Any
) -> list[tuple[str, Link | None]]:
    if not isinstance(element, Process):
        return []
    needs = await lacking(connection, visit.environment_id, [element])
    return lacking_links(visit, needs[element.name])


def _after(opened: _Opened, done: Acted) -> _Opened:
    status = FormStatus(spoken=done.message, focus=done.focus, unsaved=True)
    return _Opened(
        group=opened.group, draft=opened.draft, index=opened.index, form=done.form, status=status
    )


def _refused(opened: _Opened, sent: Read) -> _Opened:
    number = len(sent.errors)
    message = (
        f"Nothing is saved yet: {counted(number, 'field')} {'has' if number == 1 else 'have'} to be"
        " mended first."
    )
    status = FormStatus(
        refused=message, spoken=message, focus=next(iter(sent.errors)), unsaved=True
    )
    return _Opened(
        group=opened.group, draft=opened.draft, index=opened.index, form=opened.form, status=status
    )


async def _after_save(
    visit: Visit, connection: Connection, opened: _Opened, saved: Draft, name: str
) -> Response:
    """The editor of what was saved, under the name that it has now. Somebody else may have removed
    it since.
    """
    group, base = opened.group, opened.draft.revision
    expected = len(group.items(opened.draft.design)) if opened.index is None else opened.index
    index = group.find(saved.design, name, str(expected)) if group.is_list else 0
    if index is None:
        return visit.go(group.path)
    path = group.link(saved.design, index)
    if opened.index is None or not visit.is_fragment:
        return visit.go(f"{path}{'&' if '?' in path else '?'}saved={base}")
    status = FormStatus(
        saved=_saved(saved),
        notes=await saving.notes(connection, visit, base, saved),
        spoken=_saved(saved),
    )
    element = group.items(saved.design)[index]
    # The items of its lists keep their numbers where they can, and so the focus its place.
    form = (
        opened.form
        if of_value(group.struct, read(opened.form, group.struct).value) == element
        else written(element)
    )
    response = await _editor(
        visit, connection, _Opened(group=group, draft=saved, index=index, form=form, status=status)
    )
    response.headers["HX-Replace-Url"] = path
    return response


def _sources(design: ProgramDesign) -> Sources:
    return {**sources(design), **condition_values(design), **trigger_values(design)}


def _fields(
    opened: _Opened, known: Sources, errors: Mapping[str, str]
) -> tuple[MemberControl, ...]:
    # What is laid out on a page of its own is not there yet where an element begins with its names.
    return tuple(
        control
        for control in fields_of(opened.group.struct, opened.form, known, errors=errors)
        if control.member.widget != "outline"
    )


def _saved(draft: Draft) -> str:
    number = len(problems(draft.design))
    if not number:
        return "Saved as a draft."
    things = f"{counted(number, 'thing')} {'is' if number == 1 else 'are'}"
    return f"Saved as a draft; {things} to be mended before it can be published."


async def _editor(
    visit: Visit,
    connection: Connection,
    opened: _Opened,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
) -> Response:
    group, draft, index, form = opened.group, opened.draft, opened.index, opened.form
    sent = read(form, group.struct)
    # There is none where the form is no element yet; the preview has what could be read of it.
    whole = None if sent.errors else of_value(group.struct, sent.value)
    design = None if whole is None else group.put(draft.design, index, whole)
    previewed = design or group.put(draft.design, index, completed(group.struct, sent.value))
    place = len(group.items(draft.design)) if index is None else index
    # A form that is new and blank is not told yet what is missing in it.
    is_begun = index is not None or bool(form.pairs)
    at = (
        placed(every_problem(design), group.place(place), form)
        if design is not None and is_begun
        else {}
    )
    errors_by_name = {**at, **(errors or {})}
    items = group.items(draft.design)
    page = EditorPage(
        frame=await frame(visit, connection, draft),
        group=group,
        title=(
            (titled(items[index]) if group.is_list else group.title)
            if index is not None
            else f"New {group.noun}"
        ),
        fields=_fields(opened, _sources(design or draft.design), errors_by_name),
        problems=errors_by_name.get("", ""),
        base=draft.revision,
        action=(
            f"/workshop/add/{group.key}"
            if index is None
            else group.link(draft.design, index, "save")
        ),
        preview_path=f"/workshop/preview/{group.key}",
        remove_path=(
            group.link(draft.design, index, "remove") if group.is_list and index is not None else ""
        ),
        status=opened.status,
        place="" if index is None else str(index),
        preview=preview(group, previewed, place, visit.worker.timezone),
        lacking=await _lacking(visit, connection, group.items(previewed)[place]),
        placeholders=PLACEHOLDERS if group.struct is MessageTemplate else {},
    )
    return visit.show(f"{_FOLDER}/editor.html", f"{_FOLDER}/form.html", page, status)
