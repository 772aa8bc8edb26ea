"""The audit trail newest first, a page at a time, in a time that does not grow with the trail.

Whatever is asked for, one look examines so many entries at most: where those hold less than a page,
the search says how far back it came, and goes on from there when it is asked again. Writes and
reads are two logs; each is walked by its own index."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from almoner.access.actors import name_sql
from almoner.database import Connection
from almoner.vocabulary.times import iso

_PART: Final = 1_000  # entries that are read at once where all are wanted
EXAMINED: Final = 20_000  # entries of each log that one look examines
# What was refused told of nobody, and is noted beside what was read.
READ_VERBS: Final = ("get", "find", "refuse")
WRITE_VERBS: Final = ("create", "update", "delete")
_READS, _WRITES = 0, 1
_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
_BEHIND_ALL: Final = 2**63 - 1
_BEFORE_ALL: Final = -(2**63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


_PLACE: Final = re.compile(r"(-?\d{1,19})\.(-?\d{1,19})\.(-?\d{1,19})", re.ASCII)


@dataclass(frozen=True)
class AuditQuery:
    """What is asked for; None and blank narrow nothing.

    ``patient`` is a GUID, ``actor`` as the logs have it (``worker:<id>``) or a client's id alone.
    ``begin`` is inclusive, ``end`` is not; both have a time zone."""

    patient: str | None = None
    actor: str = ""
    begin: datetime | None = None
    end: datetime | None = None
    resource: str = ""
    verb: str = ""

    @property
    def narrows(self) -> bool:
        """Whether an index of times alone does not find it."""
        return bool(self.patient or self.actor or self.resource or self.verb)


@dataclass(frozen=True, order=True)
class TrailPlace:
    """A place in the trail: a moment, which log, and the entry's number in it. The order is that of
    time.
    """

    at: datetime
    log: int
    number: int

    def text(self) -> str:
        """For a query parameter: the time in microseconds since 1970 (UTC), the log, its number."""
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}.{self.log}.{self.number}"


@dataclass(frozen=True)
class AuditEntry:
    """A read or a write. ``at`` is in UTC; ``name`` is the name behind ``actor``, or that itself.

    ``patient_ids`` are some of those whom it was about, ``patients`` says how many there are;
    ``row_id`` is None for what read more than a row; ``fields`` are what an update named."""

    place: TrailPlace
    actor: str
    name: str
    through: str
    request_id: str
    verb: str
    resource: str
    row_id: str | None
    patient_ids: tuple[str, ...]
    patients: int
    fields: tuple[str, ...]

    @property
    def at(self) -> datetime:
        return self.place.at

    def json(self) -> dict[str, Any]:
        """The entry for programs; times are ISO 8601 in UTC."""
        return {
            "at": iso(self.at),
            "actor": self.actor,
            "through": self.through,
            "request_id": self.request_id,
            "verb": self.verb,
            "resource": self.resource,
            "row_id": self.row_id,
            "patient_ids": list(self.patient_ids),
            "fields": list(self.fields),
        }


@dataclass(frozen=True)
class AuditPage:
    """A page of the trail. ``follows`` is where to go on, None at the end; ``full``: the page is;
    else the search came that far.
    """

    entries: tuple[AuditEntry, ...]
    follows: TrailPlace | None
    full: bool


def place(text: str) -> TrailPlace | None:
    """The place that an address carries; None where it carries none."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    micros, log, number = map(int, match.groups())
    try:
        return (
            TrailPlace(_EPOCH + timedelta(microseconds=micros), log, number)
            if abs(number) <= _BEHIND_ALL
            else None
        )
    except OverflowError:
        return None


@dataclass(frozen=True)
class _AuditLog:
    """One of the two logs, as its statement is made. ``own`` are the columns that it has besides
    those of both.

    Columns are named wherever they are read: what a change held before and after is for nobody here
    to see."""

    log: int
    table: str
    at: str
    number: str
    own: str
    columns: str
    verb: str
    of_patient: str

    @property
    def read(self) -> str:
        """What is read of it."""
        return (
            f"environment_id, {self.at}, {self.number}, actor, through, request_id, resource,"
            f" row_id, {self.own}"
        )

    def key(self, before: TrailPlace) -> int:
        """What this log's entries at that very moment must be below, so that both logs are one
        order.
        """
        return (
            before.number
            if before.log == self.log
            else _BEHIND_ALL
            if before.log > self.log
            else _BEFORE_ALL
        )


_LOGS: Final = (
    _AuditLog(
        log=_READS,
        table="audit_reads",
        at="read_at",
        number="id",
        own="verb, patients",
        columns=(
            "verb, row_id::text AS row_id, patients AS packed, NULL::uuid AS patient_id,"
            " '{}'::text[] AS fields"
        ),
        verb="verb",
        # As the two indexes have it.
        of_patient=(
            "(length(patients) = 16 AND patients = uuid_send({0}::uuid) OR length(patients) > 16"
            " AND almoner_ids(patients) @> ARRAY[{0}::uuid])"
        ),
    ),
    _AuditLog(
        log=_WRITES,
        table="changes",
        at="changed_at",
        number="seq",
        own="kind, patient_id, fields",
        columns=(
            "kind AS verb, row_id::text AS row_id, NULL::bytea AS packed, patient_id,"
            " coalesce(fields, '{}') AS fields"
        ),
        verb="kind",
        of_patient="patient_id = {0}::uuid",
    ),
)


async def search(
    connection: Connection,
    environment_id: int,
    query: AuditQuery,
    before: TrailPlace | None,
    size: int,
    most_ids: int,
    examined: int = EXAMINED,
) -> AuditPage:
    """The next ``size`` entries behind ``before`` (None: from the newest), each with ``most_ids``
    patient ids at most.
    """
    start = before or TrailPlace(query.end or _NEVER, _READS, _BEFORE_ALL)
    begin = query.begin or _BEGINNING
    entries: list[AuditEntry] = []
    borders: list[TrailPlace] = []
    for log in _LOGS:
        if query.verb and query.verb not in (READ_VERBS if log.log == _READS else WRITE_VERBS):
            continue
        statement, arguments = _statement(
            log,
            environment_id,
            query=query,
            begin=begin,
            start=start,
            limit=size + 1,
            most_ids=most_ids,
            examined=examined,
        )
        rows = await connection.fetch(statement, *arguments)
        entries += [_entry(log, row, query.patient) for row in rows]
        if len(rows) <= size and query.narrows and not query.patient:
            border = await connection.fetchrow(
                _border(log), environment_id, begin, start.at, log.key(start), examined - 1
            )
            if border is not None:
                borders.append(TrailPlace(border[0], log.log, border[1]))
    # What lies behind the place that the slower of both logs came to is not known to be whole yet.
    border = max(borders, default=None)
    known = sorted(
        (entry for entry in entries if border is None or entry.place >= border),
        key=lambda entry: entry.place,
        reverse=True,
    )
    if len(known) > size:
        return AuditPage(tuple(known[:size]), known[size - 1].place, True)
    return AuditPage(tuple(known), border, False)


async def newest(
    connection: Connection, environment_id: int, query: AuditQuery, limit: int
) -> list[AuditEntry]:
    """The newest entries, at most ``limit`` of them, each with every patient id, however far back
    they lie.
    """
    entries: list[AuditEntry] = []
    place: TrailPlace | None = None
    while len(entries) < limit:
        part, place = await whole(
            connection, environment_id, query, place, min(limit - len(entries), _PART)
        )
        entries += part
        if place is None:
            break
    return entries


async def whole(
    connection: Connection,
    environment_id: int,
    query: AuditQuery,
    before: TrailPlace | None,
    size: int,
) -> tuple[Sequence[AuditEntry], TrailPlace | None]:
    """A part of the trail for a file: every patient id of each entry; and where to go on, None at
    the end.
    """
    page = await search(
        connection, environment_id, query=query, before=before, size=size, most_ids=2**31 - 1
    )
    return page.entries, page.follows


def until(query: AuditQuery, now: datetime) -> AuditQuery:
    """The same with an end, so that what is noted while it is read is not read along."""
    return query if query.end is not None and query.end < now else replace(query, end=now)


def patients_of(entries: Iterable[AuditEntry]) -> tuple[str, ...]:
    """Every patient that these entries tell of, once."""
    return tuple(dict.fromkeys(patient_id for entry in entries for patient_id in entry.patient_ids))


def _statement(
    log: _AuditLog,
    environment_id: int,
    query: AuditQuery,
    begin: datetime,
    start: TrailPlace,
    limit: int,
    most_ids: int,
    examined: int,
) -> tuple[str, list[Any]]:
    arguments: list[Any] = [environment_id, begin, start.at, log.key(start), limit, most_ids]

    def parameter(value: Any) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    conditions = _conditions(log, query, parameter)
    span = (
        f"environment_id = $1 AND {log.at} >= $2 AND ({log.at}, {log.number}) < ($3::timestamptz,"
        " $4::bigint)"
    )
    ordered = f"ORDER BY {log.at} DESC, {log.number} DESC"
    if query.patient:
        # An index finds them, however long the log is. Materialised, so that it is what is walked,
        # and never the whole log for the sake of its order.
        source = f"(SELECT {log.read} FROM theirs WHERE {' AND '.join([span, *conditions])}) AS l"
        theirs = (
            f"SELECT {log.read} FROM {log.table} WHERE environment_id = $1 AND {log.at} >= $2"
            f" AND {log.at} <= $3::timestamptz AND {conditions[0]}"
        )
        lead = f"WITH theirs AS MATERIALIZED ({theirs}) "
    elif conditions:
        inner = (
            f"SELECT {log.read} FROM {log.table} WHERE {span} {ordered} LIMIT {parameter(examined)}"
        )
        source, lead = (
            f"(SELECT {log.read} FROM ({inner}) AS near WHERE {' AND '.join(conditions)}) AS l",
            "",
        )
    else:
        source, lead = f"(SELECT {log.read} FROM {log.table} WHERE {span}) AS l", ""
    picked = (
        f"SELECT {log.at} AS at, {log.number} AS number, actor, through, request_id, resource,"
        f" {log.columns} FROM {source}"
    )
    ids = "CASE WHEN e.patient_id IS NULL THEN almoner_ids(e.packed) ELSE ARRAY[e.patient_id] END"
    return (
        (
            f"{lead}SELECT e.at, e.number, e.actor, {name_sql('e.actor')} AS name, e.through,"
            " e.request_id, e.verb, e.resource, e.row_id, ids.every[1:$6]::text[] AS patient_ids,"
            f" coalesce(cardinality(ids.every), 0) AS patients, e.fields FROM ({picked} {ordered}"
            f" LIMIT $5) AS e CROSS JOIN LATERAL (SELECT {ids} AS every) AS ids ORDER BY e.at DESC,"
            " e.number DESC"
        ),
        arguments,
    )


def _conditions(log: _AuditLog, query: AuditQuery, parameter: Callable[[Any], str]) -> list[str]:
    conditions = []
    if query.patient:
        conditions.append(log.of_patient.format(parameter(query.patient)))
    if query.actor:
        conditions.append(
            f"actor = ANY ({parameter([query.actor, f'client:{query.actor.lower()}'])}::text[])"
        )
    if query.resource:
        conditions.append(f"resource = {parameter(query.resource)}")
    if query.verb:
        conditions.append(f"{log.verb} = {parameter(query.verb)}")
    return conditions


def _border(log: _AuditLog) -> str:
    """Parameters: environment, begin, the place to begin behind (moment, number), how many entries
    to leave out.
    """
    return (
        f"SELECT {log.at}, {log.number} FROM {log.table} WHERE environment_id = $1 AND {log.at} >="
        f" $2 AND ({log.at}, {log.number}) < ($3::timestamptz, $4::bigint) ORDER BY {log.at} DESC,"
        f" {log.number} DESC OFFSET $5 LIMIT 1"
    )


def _entry(log: _AuditLog, row: Any, patient: str | None) -> AuditEntry:
    # Who asks for one patient is told of that one alone, whomever else a list held.
    return AuditEntry(
        place=TrailPlace(row["at"], log.log, row["number"]),
        actor=row["actor"],
        name=row["name"],
        through=row["through"],
        request_id=row["request_id"],
        verb=row["verb"],
        resource=row["resource"],
        row_id=row["row_id"],
        patient_ids=tuple(row["patient_ids"] or ()) if patient is None else (patient,),
        patients=row["patients"],
        fields=tuple(row["fields"]),
    )
