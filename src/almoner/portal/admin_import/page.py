"""Import: a file is uploaded, its columns are mapped, all that is wrong and all who may be here are
shown, then it is written as work that goes on by itself, and can be taken back for a day.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from almoner.access import worker_events
from almoner.data_api.declare import Resource
from almoner.errors import ApiError, problem
from almoner.imports import checking, rows, sources
from almoner.imports.rows import CHECK, UNDO, WRITE, ImportPart, ImportRow
from almoner.imports.sources import IMPORTED
from almoner.pages.answer_audit import FilePart
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal.admin.withheld import withheld
from almoner.portal.admin_import import constants, view
from almoner.portal.admin_import.checked import state_page
from almoner.portal.admin_import.view import ImportProgressPart, ImportsPage, MappingPage
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.times import TIMEZONES
from almoner_files import mapping
from almoner_files.bad_rows import BadRowsText, ending_of
from almoner_files.days import NOTATIONS
from almoner_files.mapping import Mapping as Columns

_FOLDER: Final = "portal/admin_import"
_PATH: Final = "/admin/import"
_CHOICES: Final = ("skip", "update", "create")


async def show(visit: Visit) -> Response:
    return await _form(visit, "patients", mapping.NAMESPACE)


async def upload(visit: Visit) -> Response:
    """Takes a file apart, and keeps it sealed until it is written, or for a day."""
    form = await visit.form()
    name = form.text("collection")
    namespace = form.text("namespace").strip() or mapping.NAMESPACE
    resource = IMPORTED.get(name)
    try:
        if resource is None or withheld(visit.rights, resource):
            raise problem("bad_request", "Choose a collection that your role sees whole.")
        kind, content = _content(visit, form)
        uploaded = await asyncio.to_thread(
            sources.read,
            content,
            f"The file{kind}",
            resource,
            namespace=namespace,
            timezone=visit.worker.timezone,
            most=visit.parts.import_rows,
        )
    except ApiError as refused:
        words = " ".join(each.detail for each in refused.problems)
        return await _form(visit, name, namespace, words)
    async with visit.transaction() as connection:
        import_id = await rows.add(
            connection,
            visit.parts.box,
            visit.environment_id,
            worker_id=visit.worker.worker_id,
            collection=name,
            kind=kind,
            parts=uploaded.parts,
            columns=uploaded.columns,
        )
    return visit.go(f"{_PATH}/{import_id}")


async def show_import(visit: Visit) -> Response:
    row = await _import(visit)
    if row.state == rows.MAPPING or (row.state == rows.CHECKED and visit.query("columns")):
        return await _mapping(visit, row)
    return visit.page(f"{_FOLDER}/state.html", await state_page(visit, row))


async def show_progress(visit: Visit) -> Response:
    row = await _import(visit)
    part = ImportProgressPart(row, view.STATES[row.state])
    headers = {} if row.is_under_way else {"HX-Refresh": "true"}
    return visit.fragment(f"{_FOLDER}/progress.html", part, headers=headers)


async def check(visit: Visit) -> Response:
    """Keeps which column is which field, and has every row checked."""
    row, form = await _import(visit), await visit.form()
    resource = IMPORTED[row.collection]
    async with visit.connection() as connection:
        every = await constants.to_fill_in(visit, connection, resource)
    values, errors = constants.read(every, form)
    columns = replace(_chosen(resource, _columns(row), form), constants=values)
    if errors:
        return await _mapping(visit, replace(row, columns=columns.as_values()), errors)
    parts = [part.rows for part in await _parts(visit, row)]
    repeated = await asyncio.to_thread(checking.repeated, parts, columns)
    is_of_people = row.collection == "patients"
    alike = await asyncio.to_thread(checking.alike, parts, columns) if is_of_people else ()
    choices = {checking.EXISTING: "keep" if form.text("existing") == "keep" else "update"}
    async with visit.transaction() as connection:
        await rows.begin(
            connection,
            visit.environment_id,
            row.id,
            CHECK,
            columns=columns,
            choices=choices,
            repeated=repeated,
            alike=alike,
        )
    return visit.go(f"{_PATH}/{row.id}")


async def write(visit: Visit) -> Response:
    """Has what was checked written, each row once."""
    row, form = await _import(visit), await visit.form()
    choices = dict(row.choices)
    for name, value in form.pairs:
        line = name.removeprefix("line-")
        if name.startswith("line-") and line.isascii() and value in _CHOICES:
            choices[line] = value
    if form.text("others") in _CHOICES:
        choices["default"] = form.text("others")
    await _begin(visit, row, WRITE, "data import begun", choices)
    return visit.go(f"{_PATH}/{row.id}")


async def take_back(visit: Visit) -> Response:
    row = await _import(visit)
    if view.may_be_undone(row):
        await _begin(visit, row, UNDO, "data import taken back")
    return visit.go(f"{_PATH}/{row.id}")


async def remove(visit: Visit) -> Response:
    """Deletes what was uploaded before it is written."""
    row = await _import(visit)
    if row.state in (rows.MAPPING, rows.CHECKED):
        async with visit.transaction() as connection:
            await rows.forget(connection, visit.environment_id, row.id)
    return visit.go(_PATH)


async def bad_rows(visit: Visit) -> Response:
    """The rows that are not taken, with the reasons, to be mended and fed again."""
    row = await _import(visit)
    ending = ending_of(f"file{row.kind}")
    text = BadRowsText(ending)
    lines = []
    for part in await _parts(visit, row):
        reasons: dict[int, list[str]] = {}
        for each in part.checked.problems if part.checked else ():
            words = f"{each.column}: {each.reason}" if each.column else each.reason
            reasons.setdefault(each.line, []).append(words)
        lines += [text.row(r, reasons[r.line]) for r in part.rows if r.line in reasons]
    if not lines:
        raise problem("not_found", "No row of this import was refused, or it was deleted since.")
    headers = {"Content-Disposition": f'attachment; filename="{row.collection}.bad{ending}"'}
    body = FilePart("".join(lines).encode())
    return visit.file(body, headers, "application/octet-stream", visit.actor, "portal")


async def _begin(
    visit: Visit,
    row: ImportRow,
    step: str,
    event: worker_events.Kind,
    choices: dict[str, str] | None = None,
) -> None:
    async with visit.transaction() as connection:
        begun = await rows.begin(connection, visit.environment_id, row.id, step, choices=choices)
        if begun:
            await visit.record_event(
                connection, event, f"{row.rows:,} rows into {row.collection}, import {row.id}"
            )


def _content(visit: Visit, form: Form) -> tuple[str, bytes]:
    """The ending and the bytes of what was uploaded. The name itself may tell of somebody, and goes
    nowhere.
    """
    pasted = form.text("pasted")
    if pasted.strip() and not form.text("content"):
        first = pasted.partition("\n")[0]
        return ".tsv" if "\t" in first else ".csv", pasted.encode()
    kind = f".{form.text('name').rpartition('.')[2].lower()}"
    if kind not in sources.KINDS:
        raise problem("bad_request", f"Choose a file that ends in {', '.join(sources.KINDS)}.")
    try:
        content = base64.b64decode(form.text("content"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise problem("bad_request", "The file did not arrive whole. Choose it again.") from None
    if not content:
        raise problem("bad_request", "The file is empty.")
    if len(content) > visit.parts.import_bytes:
        raise problem(
            "bad_request",
            f"The file is longer than {view.size_words(visit.parts.import_bytes)}, three quarters"
            " of ALMONER_BODY_LIMIT. Part it, or load it with almoner-client import.",
        )
    return kind, content


def _chosen(resource: Resource, columns: Columns, form: Form) -> Columns:
    """The mapping as the form has it; a field that two columns name goes to the first."""
    taken: set[str] = set()
    chosen = {}
    for place, name in enumerate(columns.columns):
        path = form.text(f"column-{place}")
        target = sources.target_of(resource, path, columns.namespace) if path else None
        chosen[name] = target if target and path not in taken else None
        taken.add(path)
    dates = form.text("dates")
    known = dates if dates in NOTATIONS else columns.dates
    zone = form.text("timezone")
    timezone = zone if zone in TIMEZONES else columns.timezone
    return replace(columns, columns=chosen, dates=known, timezone=timezone)


def _columns(row: ImportRow) -> Columns:
    if row.columns is None:
        raise problem("not_found", "What was uploaded is deleted. Upload it again.")
    return mapping.of_values(row.columns)


async def _mapping(
    visit: Visit, row: ImportRow, errors: Mapping[str, str] | None = None
) -> Response:
    """The columns; ``errors`` are of what is to be the same for every row, by field."""
    resource, columns = IMPORTED[row.collection], _columns(row)
    async with visit.connection() as connection:
        every = await constants.to_fill_in(visit, connection, resource)
        part = await rows.part(connection, visit.parts.box, visit.environment_id, row.id, 0)
    first = part.rows if part else []
    page = MappingPage(
        row=row,
        title=resource.title,
        columns=view.columns(resource, columns, first[0] if first else None),
        preview=first[: view.PREVIEW],
        dates=columns.dates,
        dates_hint=view.dates_hint(resource, columns, first),
        notations=view.DAYS,
        timezone=columns.timezone,
        timezones=view.timezones(resource),
        existing=checking.existing_of(row.choices),
        missing=view.missing(resource, columns),
        every=constants.controls(every, columns, errors or {}),
    )
    return visit.page(f"{_FOLDER}/mapping.html", page, 400 if errors else 200)


async def _parts(visit: Visit, row: ImportRow) -> Sequence[ImportPart]:
    async with visit.connection() as connection:
        key = (connection, visit.parts.box, visit.environment_id, row.id)
        places = await rows.places(connection, visit.environment_id, row.id)
        parts = [await rows.part(*key, place) for place in places]
    return [part for part in parts if part is not None]


async def _import(visit: Visit) -> ImportRow:
    import_id = Guid().decode(visit.path("import"), "", [])
    if import_id is None:
        raise problem("not_found", "There is no import with this id.")
    async with visit.connection() as connection:
        row = await rows.get(connection, visit.environment_id, import_id)
    if withheld(visit.rights, IMPORTED[row.collection]):
        raise problem("forbidden", "Your role does not see all of what this import is about.")
    return row


async def _form(visit: Visit, collection: str, namespace: str, error: str = "") -> Response:
    async with visit.connection() as connection:
        past = await rows.newest(connection, visit.environment_id)
    limit = visit.parts.import_bytes
    page = ImportsPage(
        choices=[
            (resource.name, resource.title)
            for resource in IMPORTED.values()
            if not withheld(visit.rights, resource)
        ],
        collection=collection,
        namespace=namespace,
        error=error,
        past=past,
        titles={resource.name: resource.title for resource in IMPORTED.values()},
        limit=limit,
        limit_words=view.size_words(limit),
        kinds=sources.KINDS,
        most_rows=visit.parts.import_rows,
        states=view.STATES,
    )
    return visit.page(f"{_FOLDER}/import.html", page, 400 if error else 200)


_IMPORT_PATH: Final = f"{_PATH}/{{import}}"
ROUTES: Final = (
    PageRoute(_PATH, show, may="administer"),
    PageRoute(_PATH, upload, may="administer", methods=("POST",)),
    PageRoute(_IMPORT_PATH, show_import, may="administer"),
    PageRoute(f"{_IMPORT_PATH}/check", check, may="administer", methods=("POST",)),
    PageRoute(f"{_IMPORT_PATH}/write", write, may="administer", methods=("POST",)),
    PageRoute(f"{_IMPORT_PATH}/undo", take_back, may="administer", methods=("POST",)),
    PageRoute(f"{_IMPORT_PATH}/remove", remove, may="administer", methods=("POST",)),
    PageRoute(f"{_IMPORT_PATH}/bad", bad_rows, may="administer"),
    PageRoute(f"{_IMPORT_PATH}/progress", show_progress, may="administer", background=True),
)
