"""The values of a collection's fields as people read them: on pages, in the timeline, beside each
other in a merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from almoner.data_api.declare import PATIENT, Resource
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.patient import Patient
from almoner.portal.value_words import Zones, in_unit, kind_in_words, without_units
from almoner.vocabulary.choices import Choice, ProgramName
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import MISSING, Field
from almoner.vocabulary.kinds import Consent, Ref, Word
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.times import Timezone

# What the ids of these collections are told by: the names of workers.
OF_WORKERS: Final = ("workers", "calendars")
NOBODY_KNOWN: Final = "somebody who is not known any more"
_NAMES: Final = f"""
SELECT w.id::text, k.id::text AS calendar, {full_name_sql("w")} AS name FROM workers w
LEFT JOIN calendars k ON k.environment_id = w.environment_id AND k.worker_id = w.id
WHERE w.environment_id = $1 AND (w.id = ANY ($2::uuid[]) OR w.id IN (
  SELECT c.worker_id FROM calendars c WHERE c.environment_id = $1 AND c.id = ANY ($2::uuid[])))
"""


@dataclass(frozen=True)
class Speaking:
    """What values are put in words with. ``zones`` are whose clocks moments are told by; ``names``
    are workers' names by their ids and by those of their calendars."""

    program: Program
    zones: Zones
    names: Mapping[str, str]
    patient_id: str


def in_words(field: Field, value: Any, speaking: Speaking) -> str:
    """A JSON value of a field in words; blank where there is none."""
    kind = field.kind
    if isinstance(kind, Consent) and isinstance(value, bool):
        return "given" if value else "not given"
    if not isinstance(value, str) or not value:
        return kind_in_words(kind, value, speaking.zones)
    if isinstance(kind, ProgramName):
        return speaking.program.title(kind.of, value)
    if isinstance(kind, Ref) and kind.to in OF_WORKERS:
        return speaking.names.get(value, NOBODY_KNOWN)
    if isinstance(kind, Ref) and kind.to == "calendar_events":
        return "planned"
    if kind == PATIENT or field.name == "welkin_id":
        return "this patient" if value == speaking.patient_id else "another patient"
    if isinstance(kind, Ref):
        return ""  # an id says nothing to people
    if isinstance(kind, Timezone):
        return value.replace("_", " ")
    if isinstance(kind, Choice | Word):
        return kind.in_words(value)
    return kind_in_words(kind, value, speaking.zones)


def in_sentence(title: str) -> str:
    """The title of a field within a sentence: ``SMS``, ``calls``."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def people(fields: Iterable[Field], *rows: Mapping[str, Any]) -> Iterator[str]:
    """The ids of workers and calendars that these rows name, whose names their words need."""
    for field in fields:
        if isinstance(field.kind, Ref) and field.kind.to in OF_WORKERS:
            yield from (value for row in rows if isinstance(value := row.get(field.name), str))


async def names_of(
    connection: Connection, environment_id: int, ids: Iterable[str]
) -> dict[str, str]:
    """The names of workers by these ids, which are theirs or those of their calendars: one query,
    or none.
    """
    worker_ids = list(set(ids))
    if not worker_ids:
        return {}
    rows = await connection.fetch(_NAMES, environment_id, worker_ids)
    return {row[key]: row["name"] for row in rows for key in ("id", "calendar") if row[key]}


async def speaking(
    visit: Visit,
    connection: Connection,
    patient: Patient | None,
    fields: Iterable[Field],
    *rows: Mapping[str, Any],
) -> Speaking:
    """What these fields of rows about the patient, None where they are about none, are put in
    words with.
    """
    names = await names_of(connection, visit.environment_id, people(fields, *rows))
    mine = visit.worker.timezone
    zones = Zones(patient.timezone if patient else mine, mine)
    return Speaking(visit.program, zones, names, patient.id if patient else "")


@dataclass(frozen=True)
class Fact:
    """What a row says in a field, in words; ``line`` is what it says among others in a line."""

    title: str
    words: str
    line: str


def facts(fields: Iterable[Field], row: Mapping[str, Any], speaking: Speaking) -> Iterator[Fact]:
    """What a row says in these fields; without what is blank, or as it is where nobody said
    anything. A number has its unit beside it.
    """
    every = tuple(fields)
    for field in without_units(every):
        value = row.get(field.name)
        words = in_unit(in_words(field, value, speaking), field, row, every)
        if words and (field.default is MISSING or value != field.default):
            line = f"{field.title}: {words}" if field.titled else words
            yield Fact(field.title, words, field.title if words == "yes" else line)


def in_line(facts: Iterable[Fact], before: str = "") -> str:
    """Facts in a line, behind what stands there before."""
    return " · ".join(filter(None, (before, *(fact.line for fact in facts))))


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A field of two rows, in words. ``differs``: both say something, and not the same."""

    name: str
    title: str
    first: str
    second: str
    differs: bool


def compare_rows(
    fields: Iterable[Field], first: Mapping[str, Any], second: Mapping[str, Any], speaking: Speaking
) -> Iterator[Compared]:
    """These fields of both rows (JSON values by name), but for those of which neither says
    anything.
    """
    for field in fields:
        values = [row.get(field.name) for row in (first, second)]
        known = [value not in (None, "", []) for value in values]
        if any(known):
            words = [in_words(field, value, speaking) for value in values]
            yield Compared(
                name=field.name,
                title=field.title,
                first=words[0],
                second=words[1],
                differs=all(known) and values[0] != values[1],
            )


def value_fields(resource: Resource, section: str = "") -> tuple[Field, ...]:
    """What a row says, in all of it or in a section, beside whom it is about and what the database
    notes at each row.
    """
    apart = ("id", "updated_at", "created_at", resource.patient)
    fields = resource.by_section[section] if section else resource.fields
    return tuple(
        f for f in fields if f.stored and f.returned and f.kind != PATIENT and f.name not in apart
    )
