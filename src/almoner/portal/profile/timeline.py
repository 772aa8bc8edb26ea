"""Everything that happened about a patient, newest first: one statement over the collections and
the change log.

Each source is read by its own index from where the page before ended, a page of rows at most, so
that a patient with ten thousand entries costs what one with ten does. What is shown of an entry is
looked up for the entries of the page alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from almoner.access.actors import name_sql
from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.cursors import Cursor
from almoner.portal.calendar.ahead import starts
from almoner.portal.profile.timeline_details import CHANGE_ID, DETAILS, STEP_ID
from almoner.resources import RESOURCES
from almoner.vocabulary import clocks
from almoner.vocabulary.definitions import Rights
from almoner.vocabulary.times import IsoDateTime

PAGE: Final = 30

_LAST_SEQ: Final = 2**63 - 1

# What is still to come stands where it was booked.
_STARTS: Final = starts("asked.zone")
_EVENT_AT: Final = f"CASE WHEN {_STARTS} > now() THEN e.created_at ELSE {_STARTS} END"


@dataclass(frozen=True, kw_only=True)
class _TimelineSource:
    """Where entries come from. ``key``: what orders those of one moment; ``mine``: the condition on
    their table's patient.
    """

    name: str
    table: str
    mine: str
    at: str
    id: str
    key: str = ""
    bound: str = "asked.id"
    also: str = ""


def _collection(
    name: str, alias: str, at: str = "", also: str = "", owner: str = "user_id"
) -> _TimelineSource:
    return _TimelineSource(
        name=name,
        table=f"{name} {alias}",
        mine=f"{alias}.{owner}",
        at=at or f"{alias}.created_at",
        id=f"{alias}.id",
        also=also,
    )


def _declared(resource: Resource) -> _TimelineSource:
    """New rows of a collection, by what its declaration says of whom they are about and which of
    them people see.
    """
    collection, owner = resource.any_reference or ("", resource.patient or "")
    conditions = (f"r.{collection} = 'patients'" if collection else "", resource.presented.where)
    also = " ".join(f"AND {condition}" for condition in conditions if condition)
    at = f"r.{resource.happened or 'created_at'}"
    return _collection(resource.name, "r", at, also, owner)


# What a merge moved is told by the merge; what the API does not show is nobody's change; a number
# is told of by itself, and not as its patient's change as well (decision 103).
_NO_CHANGES: Final = ", ".join(
    f"'{fields}'"
    for fields in ("user_id", "patient_id", "single", *(r.name for r in RESOURCES if r.part_of))
)
_OF_THEIR_OWN: Final = (
    _collection("messages", "m", "m.send_time"),
    _collection("calendar_events", "e", _EVENT_AT),
    _collection(
        "assessment_responses", "a", also="AND a.spec_id <> ALL (asked.hidden_assessments)"
    ),
    _collection("custom_data_type_records", "r", also="AND r.type_name <> ALL (asked.hidden_data)"),
    _collection(
        "notes", "n", "n.signed_at", "AND n.note_type <> ALL (asked.hidden_notes)", "patient_id"
    ),
    _collection("patients", "p", owner="id"),
    _TimelineSource(
        name="patient_merges",
        table="patient_merges g",
        mine="g.kept_id",
        at="g.merged_at",
        id="g.patient_id",
    ),
    _TimelineSource(
        name="interventions",
        table=(
            "care_flows f CROSS JOIN LATERAL json_array_elements(f.care_flow -> 'goals') AS g "
            "CROSS JOIN LATERAL json_array_elements(g.value -> 'interventions') AS i"
        ),
        mine="f.user_id",
        at=IsoDateTime().of_text("i.value ->> 'completed_at'"),
        id=STEP_ID,
        also="AND i.value ->> 'completed_at' IS NOT NULL",
    ),
    _TimelineSource(
        name="changes",
        table="changes c",
        mine="c.patient_id",
        at="c.changed_at",
        id=CHANGE_ID,
        key="c.seq",
        bound="asked.seq",
        also=(
            "AND c.kind <> 'create' AND coalesce(array_to_string(c.fields, ' '), '') NOT IN"
            f" ({_NO_CHANGES}) AND NOT (c.resource ="
            " 'custom_data_type_records' AND EXISTS (SELECT FROM custom_data_type_records r WHERE"
            " r.environment_id = $1 AND r.id = c.row_id AND r.type_name = ANY"
            " (asked.hidden_data))) AND NOT (c.resource = 'assessment_responses' AND EXISTS"
            " (SELECT FROM assessment_responses a WHERE a.environment_id = $1 AND a.id = c.row_id"
            " AND a.spec_id = ANY (asked.hidden_assessments))) AND NOT (c.resource = 'notes' AND"
            " EXISTS (SELECT FROM notes n WHERE n.environment_id = $1 AND n.id = c.row_id AND"
            " n.note_type = ANY (asked.hidden_notes)))"
        ),
    ),
)
_BY_NAME: Final = {
    **{
        resource.name: _declared(resource)
        for resource in RESOURCES
        if resource.tells_of_patients and resource.presented.in_timeline
    },
    **{source.name: source for source in _OF_THEIR_OWN},
}
# Each with a filter of its own.
_APART: Final = ("calendar_events", "messages", "assessment_responses")
# What people did with one another, with where a record and a plan of it begin.
_CARE: Final = (
    *(*_APART, "calls", "visits", "notes", "interventions"),
    *("care_flows", "patients", "patient_merges"),
)
# What each filter shows; ``starred`` is everything that has a star.
FILTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "care": _CARE,
    "all": tuple(_BY_NAME),
    "calls": ("calendar_events",),
    "messages": ("messages",),
    "assessments": ("assessment_responses",),
    "changes": tuple(name for name in _BY_NAME if name not in _CARE),
    "starred": tuple(_BY_NAME),
}


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """Something that happened. ``details`` is what its collection says of it, by column; ``at`` is
    in UTC. ``firing_id``: of the process that did it by itself; blank where somebody did.
    """

    resource: str
    id: str
    at: datetime
    starred: bool
    details: Mapping[str, Any]
    firing_id: str = ""


_NEWEST: Final = Cursor(datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))


def until(day: date, zone: str) -> Cursor:
    """Where the entries of a day, and of all days before it, begin. ``zone`` is an IANA name."""
    return Cursor(clocks.start_of(clocks.shifted(day, 1), zone), UUID(int=0))


def cursor(text: str) -> Cursor | None:
    """The cursor of an address; None where there is none. Raises a 404 ApiError where it is not one
    of ours.
    """
    parsed = Cursor.parse(text)
    if text and parsed is None:
        raise problem("not_found", "This part of the timeline does not exist; begin at its top.")
    return parsed


def _seq(cursor: Cursor) -> int:
    """Up to which number the log's entries of this moment are still to come."""
    return cursor.id.int if cursor.id.int < 2**48 else _LAST_SEQ


async def entries(
    connection: Connection,
    environment_id: int,
    patient_id: str,
    rights: Rights,
    zone: str,
    show: str,
    after: Cursor | None,
) -> tuple[list[TimelineEntry], Cursor | None]:
    """A page of the timeline behind ``after``, and where the next one begins (None at the end).

    ``show`` is one of FILTERS; ``zone`` what SQL is given for the patient's zone, where an
    appointment without a time begins its day."""
    before = after or _NEWEST
    rows = await connection.fetch(
        _STATEMENTS[show],
        *(environment_id, patient_id, before.at, before.id, PAGE + 1, _seq(before)),
        *(list(rights.hidden_assessments), list(rights.hidden_data), zone),
        list(rights.hidden_notes),
    )
    page = [
        TimelineEntry(
            resource=r["resource"],
            id=r["id"],
            at=r["at"],
            starred=r["starred"],
            details=(details := msgspec.json.decode(r["details"] or "{}")),
            firing_id=r["firing_id"] or details.get("firing_id") or "",
        )
        for r in rows[:PAGE]
    ]
    more = len(rows) > PAGE
    return page, Cursor(page[-1].at, UUID(page[-1].id)) if more else None


async def changes_between(
    connection: Connection,
    environment_id: int,
    patient_id: str,
    *,
    rights: Rights,
    zone: str,
    before: Cursor | None,
    since: datetime | None,
    most: int,
) -> Sequence[Mapping[str, Any]]:
    """What the filter of changes shows before ``before`` and after ``since``, the newest first:
    ``at``, the collection ``of`` and the ``row_id`` that changed, and by whom through what.

    ``before`` None: from the newest; ``since`` None: to the oldest; ``most`` rows at most."""
    upto = before or _NEWEST
    return await connection.fetch(
        _CHANGES_BETWEEN,
        *(environment_id, patient_id, upto.at, upto.id, most, _seq(upto)),
        *(list(rights.hidden_assessments), list(rights.hidden_data), zone),
        *(list(rights.hidden_notes), since),
    )


async def star(
    connection: Connection,
    environment_id: int,
    patient_id: str,
    resource: str,
    row_id: str,
    by: str,
) -> bool:
    """Puts a star at an entry of this patient; False where they have none such. Doing it again
    changes nothing.
    """
    source = _BY_NAME.get(resource)
    if source is None:
        return False
    theirs = (
        f"{source.table.split()[1]}.environment_id = $1 AND {source.mine} = $2 AND {source.id} = $3"
    )
    exists = f"SELECT 1 FROM {source.table} WHERE {theirs} LIMIT 1"
    if not await connection.fetchval(exists, environment_id, patient_id, row_id):
        return False
    await connection.execute(
        "INSERT INTO timeline_stars (environment_id, patient_id, resource, row_id, starred_by)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        *(environment_id, patient_id, resource, row_id, by),
    )
    return True


async def unstar(
    connection: Connection, environment_id: int, patient_id: str, resource: str, row_id: str
) -> None:
    """Takes the star away again."""
    await connection.execute(
        "DELETE FROM timeline_stars WHERE environment_id = $1 AND patient_id = $2 AND resource = $3"
        " AND row_id = $4",
        *(environment_id, patient_id, resource, row_id),
    )


# What is asked for, with its types: not every statement asks for all of it.
_ASKED: Final = (
    "WITH asked AS (SELECT $3::timestamptz AS at, $4::uuid AS id, $6::bigint AS seq,"
    " $7::text[] AS hidden_assessments, $8::text[] AS hidden_data, $9::text AS zone,"
    " $10::text[] AS hidden_notes)"
)


def _statement(names: tuple[str, ...], starred: bool) -> str:
    sources = " UNION ALL ".join(_selected(_BY_NAME[name], starred) for name in names)
    details = " ".join(
        f"WHEN '{name}' THEN (SELECT to_json(row_of) FROM ({_details_sql(name)}) AS row_of)"
        for name in names
    )
    return (
        f"{_ASKED}, page AS"
        f" (SELECT * FROM ({sources}) AS entries ORDER BY at DESC, id DESC LIMIT $5) SELECT"
        " page.resource, page.id::text, page.at, EXISTS (SELECT FROM timeline_stars s WHERE"
        " s.environment_id = $1 AND s.patient_id = $2 AND s.resource = page.resource AND s.row_id"
        f" = page.id) AS starred, (SELECT x.firing_id::text FROM process_effects x WHERE"
        " x.environment_id = $1 AND x.row_id = page.id AND x.resource = page.resource AND"
        " x.resource <> 'patients' LIMIT 1) AS firing_id,"
        f" CASE page.resource {details} END::text AS details FROM page ORDER BY"
        " page.at DESC, page.id DESC"
    )


def _details_sql(name: str) -> str:
    return (
        DETAILS.get(name)
        or f"SELECT t.* FROM {name} t WHERE t.environment_id = $1 AND t.id = page.id"
    )


def _changes_between() -> str:
    """Each change with who made it: a new row's is the log's of the same moment."""
    sources = " UNION ALL ".join(
        _selected(_BY_NAME[name], starred=False, since=True) for name in FILTERS["changes"]
    )
    of_log = (
        "SELECT c.resource AS of, c.row_id::text AS row_id, c.actor, c.through FROM changes c"
        " WHERE c.environment_id = $1"
    )
    return (
        f"{_ASKED} SELECT page.at, coalesce(logged.of, page.resource) AS of, logged.row_id,"
        f" logged.actor, logged.through, {name_sql('logged.actor')} AS name"
        f" FROM (SELECT * FROM ({sources}) AS entries ORDER BY at DESC, id DESC LIMIT $5) AS page"
        f" LEFT JOIN LATERAL (({of_log} AND page.resource = 'changes' AND c.patient_id = $2 AND"
        f" c.changed_at = page.at AND c.kind <> 'create' AND {CHANGE_ID} = page.id LIMIT 1) UNION"
        f" ALL ({of_log} AND page.resource <> 'changes' AND c.changed_at = page.at AND"
        " c.row_id = page.id AND c.kind = 'create' LIMIT 1)) AS logged ON true"
        " ORDER BY page.at DESC, page.id DESC"
    )


def _selected(source: _TimelineSource, starred: bool, since: bool = False) -> str:
    key = source.key or source.id
    alias = source.table.split()[1]
    stars = (
        f" AND {source.id} IN (SELECT s.row_id FROM timeline_stars s WHERE s.environment_id = $1"
        f" AND s.patient_id = $2 AND s.resource = '{source.name}')"
    )
    between = f" AND ($11::timestamptz IS NULL OR {source.at} > $11)"
    select = (
        f"SELECT '{source.name}' AS resource, {source.id} AS id, {source.at} AS at FROM"
        f" {source.table} WHERE {alias}.environment_id = $1 AND {source.mine} = $2 AND"
        f" ({source.at}, {key}) < ($3, {source.bound}) {source.also}{stars if starred else ''}"
        f"{between if since else ''}"
        f" ORDER BY {source.at} DESC, {key} DESC LIMIT $5"
    )
    # A parameter is compared with the index; what is read out of a table in between is not.
    for name, parameter in _PARAMETERS.items():
        select = select.replace(name, parameter)
    return f"({select})"


_PARAMETERS: Final = {
    "asked.id": "$4",
    "asked.seq": "$6",
    "asked.hidden_assessments": "$7::text[]",
    "asked.hidden_data": "$8::text[]",
    "asked.zone": "$9::text",
    "asked.hidden_notes": "$10::text[]",
}
_STATEMENTS: Final = {show: _statement(names, show == "starred") for show, names in FILTERS.items()}
_CHANGES_BETWEEN: Final = _changes_between()
