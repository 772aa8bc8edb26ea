"""The audit trail: a page at a time, narrowed, and as a file of what is narrowed to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
from starlette.responses import Response

from almoner.access import audit_search
from almoner.access.actors import through
from almoner.access.audit_search import AuditEntry, AuditPage
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.answer_audit import FilePart, packed
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.portal.admin_audit.filters import (
    RESOURCE_OPTIONS,
    VERB_OPTIONS,
    Actors,
    Filters,
    actors,
    filters,
)
from almoner.portal.patients.find import PatientMatch as Patient
from almoner.portal.patients.find import find
from almoner.resources import BY_NAME
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.times import iso
from almoner_files import csv_text

_FOLDER: Final = "portal/admin_audit"
_PATH: Final = "/admin/audit"
_SIZE: Final = 50
_PART: Final = 1_000  # entries of a file that are read at once
_NAMED: Final = 3  # patients of an entry whom a line names
_SUGGESTED: Final = 8
_RESOURCE: Final = "audit_trail"
_VERBS: Final[Mapping[str, str]] = {
    "get": "opened",
    "find": "listed",
    "create": "created",
    "update": "changed",
    "delete": "deleted",
    "refuse": "was refused",
}
# Reads that are of no collection.
_HOUSE: Final[Mapping[str, str]] = {"audit_trail": "the audit trail", "changes": "the change feed"}
_COLUMNS: Final = (
    "at",
    "actor",
    "name",
    "through",
    "verb",
    "resource",
    "row_id",
    "patient_ids",
    "fields",
    "request_id",
)
_PATIENT_NAMES: Final = f"""
SELECT p.id::text, {full_name_sql("p")} FROM patients p
WHERE p.environment_id = $1 AND {patient_access.OF_WORKER} AND p.id = ANY ($3::uuid[])
"""


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """An entry in words. ``patients`` are (id, name), the name empty where it may not be seen;
    ``others`` counts the rest.
    """

    entry: AuditEntry
    who: str
    did: str
    what: str
    fields: str
    through: str
    patients: tuple[tuple[str, str], ...]
    others: int


@dataclass(frozen=True)
class Lines:
    """A part of the list. ``older`` is the address of what follows, blank at the end; ``reached``
    is how far a search came.
    """

    lines: tuple[AuditRow, ...]
    older: str
    older_page: str
    reached: datetime | None


@dataclass(frozen=True, kw_only=True)
class TrailPage:
    """The page. ``patient`` is the name of the one asked for, where the visitor may see it."""

    filters: Filters
    actors: Actors
    patient: str
    names_patients: bool
    list: Lines
    resources: tuple[tuple[str, str], ...] = RESOURCE_OPTIONS
    verbs: tuple[tuple[str, str], ...] = VERB_OPTIONS


@dataclass(frozen=True)
class PatientsPage:
    """Patients who were looked for by name, to narrow the trail to one."""

    text: str
    matches: list[Patient]


async def show(visit: Visit) -> Response:
    asked = filters(visit.query, visit.worker.timezone)
    async with visit.connection() as connection:
        lines = Lines((), "", "", None) if asked.errors else await _lines(visit, connection, asked)
        names = await _names(
            visit, connection, [asked.query.patient] if asked.query.patient else []
        )
        known = await actors(connection, visit.environment_id)
    page = TrailPage(
        filters=asked,
        actors=known,
        patient=next(iter(names.values()), ""),
        names_patients=_sees_patients(visit),
        list=lines,
    )
    return visit.page(f"{_FOLDER}/trail.html", page, 400 if asked.errors else 200)


async def show_more(visit: Visit) -> Response:
    """What follows, put below what is shown. A search that has not filled a page yet asks for it by
    itself.
    """
    asked = filters(visit.query, visit.worker.timezone)
    if not visit.is_fragment or asked.errors:
        return visit.go(asked.address(_PATH, before=visit.query("before")))
    async with visit.connection() as connection:
        return visit.fragment(f"{_FOLDER}/lines.html", await _lines(visit, connection, asked))


async def find_patient(visit: Visit) -> Response:
    """Patients of a name, by POST: what is searched must not stand in an address."""
    if not _sees_patients(visit):
        raise problem(
            "forbidden",
            "Your role does not show patients. Narrow the trail by a patient's id instead.",
        )
    text = (await visit.form()).text("find").strip()
    async with visit.connection() as connection:
        matches = (
            await find(
                connection, visit.environment_id, patient_access.only_of(visit), text, _SUGGESTED
            )
            if text
            else []
        )
    return visit.page(f"{_FOLDER}/patients.html", PatientsPage(text, matches))


async def back(visit: Visit) -> Response:
    """Where an answer to a form is loaded again: the trail."""
    return visit.go(_PATH)


async def export(visit: Visit) -> Response:
    form = await visit.form()
    asked = filters(form.text, visit.worker.timezone)
    if asked.errors:
        return visit.go(asked.address(_PATH))
    if visit.is_led:
        return visit.file_is_ready()
    as_json = form.text("format") == "ndjson"
    narrowed = ", ".join(name for name, _ in asked.pairs) or "nothing"
    async with visit.connection() as connection:
        detail = f"as {'NDJSON' if as_json else 'CSV'}, narrowed by {narrowed}"
        await visit.record_event(connection, "audit trail exported", detail)
    now = datetime.now(UTC)
    name = f"audit-{visit.worker.environment}-{now:%Y%m%dT%H%M%SZ}.{'ndjson' if as_json else 'csv'}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    kind = "application/x-ndjson" if as_json else "text/csv; charset=utf-8"
    return visit.stream(_file(visit, audit_search.until(asked.query, now), as_json), headers, kind)


async def _file(
    visit: Visit, query: audit_search.AuditQuery, as_json: bool
) -> AsyncIterator[FilePart]:
    """The trail a part at a time, each over a connection that is given back before the part is
    sent.
    """
    if not as_json:
        yield FilePart(csv_text.heading(_COLUMNS).encode())
    before: audit_search.TrailPlace | None = None
    while True:
        async with visit.connection() as connection:
            entries, before = await audit_search.whole(
                connection, visit.environment_id, query, before, _PART
            )
        lines = b"".join(map(_json_line if as_json else _csv_line, entries))
        patients = packed(audit_search.patients_of(entries))
        yield FilePart(lines, patients, _RESOURCE if patients else "")
        if before is None:
            return


def _json_line(entry: AuditEntry) -> bytes:
    values = {"at": iso(entry.at), **{name: getattr(entry, name) for name in _COLUMNS[1:]}}
    return msgspec.json.encode(values) + b"\n"


def _csv_line(entry: AuditEntry) -> bytes:
    ids, fields = " ".join(entry.patient_ids), " ".join(entry.fields)
    row_id = entry.row_id
    values = (
        iso(entry.at),
        entry.actor,
        entry.name,
        entry.through,
        entry.verb,
        entry.resource,
        row_id,
        ids,
        fields,
    )
    return csv_text.line((*values, entry.request_id)).encode()


async def _lines(visit: Visit, connection: Connection, asked: Filters) -> Lines:
    before = audit_search.place(visit.query("before"))
    result = await audit_search.search(
        connection,
        visit.environment_id,
        query=asked.query,
        before=before,
        size=_SIZE,
        most_ids=_NAMED,
    )
    patient_ids = audit_search.patients_of(result.entries)
    names = await _names(visit, connection, patient_ids)
    return _in_words(visit, result, names, asked)


def _in_words(visit: Visit, result: AuditPage, names: Mapping[str, str], asked: Filters) -> Lines:
    lines = tuple(_line(entry, names, visit.worker.worker_id) for entry in result.entries)
    if result.follows is None:
        return Lines(lines, "", "", None)
    place = result.follows.text()
    reached = None if result.full else result.follows.at
    return Lines(
        lines,
        asked.address(f"{_PATH}/more", before=place),
        asked.address(_PATH, before=place),
        reached,
    )


def _line(entry: AuditEntry, names: Mapping[str, str], own_id: str) -> AuditRow:
    resource = BY_NAME.get(entry.resource)
    did = _VERBS.get(entry.verb, entry.verb)
    if entry.verb == "refuse":
        what = f"by the {entry.through}"
    elif entry.resource in _HOUSE:
        did, what = "looked at", _HOUSE[entry.resource]
    elif entry.verb == "find" or resource is None:
        what = resource.title.lower() if resource else entry.resource.replace("_", " ")
    else:
        what = f"{'an' if resource.singular[:1] in 'aeio' else 'a'} {resource.singular}"
    titles = {field.name: field.title for field in resource.fields} if resource else {}
    fields = (titles.get(name) or name.replace("_", " ") for name in entry.fields)
    return AuditRow(
        entry=entry,
        who="You" if entry.actor == f"worker:{own_id}" else _actor(entry),
        did=did,
        what=what,
        fields=", ".join(field[:1].lower() + field[1:] for field in fields),
        through=through(entry.through),
        patients=tuple((patient_id, names.get(patient_id, "")) for patient_id in entry.patient_ids),
        others=max(entry.patients - len(entry.patient_ids), 0),
    )


def _actor(entry: AuditEntry) -> str:
    return "Whoever runs the server" if entry.name == "operator" else entry.name


def _sees_patients(visit: Visit) -> bool:
    return "give_care" in visit.rights.may


async def _names(
    visit: Visit, connection: Connection, patient_ids: tuple[str, ...] | list[str]
) -> dict[str, str]:
    """The names of these patients, of those whom the visitor may see."""
    if not patient_ids or not _sees_patients(visit):
        return {}
    return dict(
        await connection.fetch(
            _PATIENT_NAMES, visit.environment_id, patient_access.only_of(visit), list(patient_ids)
        )
    )


ROUTES: Final = (
    PageRoute(_PATH, show, may="administer", shows=_RESOURCE),
    PageRoute(f"{_PATH}/more", show_more, may="administer", shows=_RESOURCE),
    PageRoute(
        f"{_PATH}/patients", find_patient, may="administer", methods=("POST",), repeatable=True
    ),
    PageRoute(f"{_PATH}/patients", back, may="administer"),
    PageRoute(f"{_PATH}/export", export, may="administer", methods=("POST",)),
    PageRoute(f"{_PATH}/export", back, may="administer"),
)
