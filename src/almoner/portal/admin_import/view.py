"""What the pages of an import see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from almoner.data_api.declare import Resource
from almoner.imports import rows
from almoner.imports.results import Result
from almoner.imports.rows import ImportRow, RowProblem
from almoner.imports.sources import documents, fields_of, targets
from almoner.patient_merges.duplicates import Likely
from almoner.portal.admin_import.constants import Constants
from almoner.vocabulary.times import TIMEZONES
from almoner_files import kinds, mapping
from almoner_files.days import NOTATIONS, example
from almoner_files.delimited import SourceRow
from almoner_files.mapping import EXTERNAL_ID
from almoner_files.mapping import Mapping as Columns

PREVIEW: Final = 20
STATES: Final = {
    rows.MAPPING: "to be mapped",
    rows.CHECKING: "being checked",
    rows.CHECKED: "checked",
    rows.WRITING: "being written",
    rows.DONE: "written",
    rows.UNDOING: "being taken back",
    rows.UNDONE: "taken back",
    rows.REMOVED: "not written",
}
# What is done with a row that may be somebody who is here; of somebody of whom an earlier line is,
# there is nobody to change yet.
CHOICES: Final = (
    ("skip", "Leave out"),
    ("update", "Change the one who is here"),
    ("create", "Create anyway"),
)
CHOICES_IN_FILE: Final = (CHOICES[0], CHOICES[2])
# Outcomes in the order in which they are told.
OUTCOMES: Final = (
    *("created", "updated", "unchanged", "skipped", "refused"),
    *("taken back", "left"),
)
# Days as people write the last of January.
DAYS: Final = tuple((notation, example(notation)) for notation in NOTATIONS)


def size_words(size: int) -> str:
    """A number of bytes for people."""
    return f"{size // 1024} KiB" if size < 1_048_576 else f"{size / 1_048_576:.3g} MiB"


@dataclass(frozen=True, kw_only=True)
class ImportsPage:
    """The form, as it was sent where something is wrong with it, and the imports so far."""

    choices: Sequence[tuple[str, str]]
    collection: str
    namespace: str
    error: str
    past: Sequence[ImportRow]
    titles: Mapping[str, str]
    limit: int
    limit_words: str
    kinds: Sequence[str]
    most_rows: int
    states: Mapping[str, str]


@dataclass(frozen=True)
class ColumnChoice:
    """A column, what stands in it at first, and the field that it goes into; ``options`` are those
    that it could go into.
    """

    name: str
    sample: str
    chosen: str
    options: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class MappingPage:
    """An import whose columns are looked at; ``timezones`` are those to choose from, none where the
    collection has no times.
    """

    row: ImportRow
    title: str
    columns: Sequence[ColumnChoice]
    preview: Sequence[SourceRow]
    dates: str
    dates_hint: str
    notations: Sequence[tuple[str, str]]
    timezone: str
    timezones: Sequence[tuple[str, str]]
    existing: str
    missing: Sequence[str]
    every: Constants


@dataclass(frozen=True, kw_only=True)
class DuplicateRow:
    """A row of the file that may be somebody who is here, beside them; or, where ``likely`` is
    None, somebody of whom the line ``earlier`` is. ``why`` is in words, ``choices`` what can be
    done.
    """

    line: int
    name: str
    likely: Likely | None
    earlier: int
    why: str
    choices: Sequence[tuple[str, str]]
    choice: str


@dataclass(frozen=True, kw_only=True)
class StatePage:
    """An import that is under way, checked, written or taken back. ``more`` problems are in the
    file alone.
    """

    row: ImportRow
    title: str
    state: str
    counts: Sequence[tuple[str, int]]
    problems: Sequence[RowProblem]
    more: int
    duplicates: Sequence[DuplicateRow]
    all_duplicates: int
    written: Sequence[tuple[str, str]]
    left: Sequence[Result]
    may_be_undone: bool
    has_bad_rows: bool
    writes: int


@dataclass(frozen=True)
class ImportProgressPart:
    """How far an import is."""

    row: ImportRow
    state: str


def columns(resource: Resource, mapped: Columns, first: SourceRow | None) -> list[ColumnChoice]:
    """Each column with the fields that it may go into, by what people call them."""
    fields = [(field.name, field.title) for field in targets(resource)]
    listed = []
    for name, target in mapped.columns.items():
        members = [
            (f"{field.name}.{part}", f"{field.title}: {part}")
            for field in documents(resource)
            for part in [name.removeprefix(f"{field.name}.")]
        ]
        options = [
            ("", "Left out"),
            *fields,
            *members,
            (EXTERNAL_ID, "Id in the other system"),
        ]
        sample = "" if first is None else str(first.values.get(name, ""))
        listed.append(ColumnChoice(name, sample, target.field if target else "", options))
    return listed


def missing(resource: Resource, mapped: Columns) -> list[str]:
    """The fields that a new row needs, that no column goes into and that have no value for all."""
    there = {target.field.partition(".")[0] for target in mapped.columns.values() if target}
    there |= mapped.constants.keys()
    needed = [field for field in targets(resource) if field.required]
    return [field.title for field in needed if field.name not in there]


def may_be_undone(row: ImportRow) -> bool:
    """Whether what was written can be taken back still."""
    ended = row.ended_at
    day = timedelta(seconds=rows.DAY)
    return row.state == rows.DONE and ended is not None and datetime.now(UTC) - ended < day


def counted(row: ImportRow) -> list[tuple[str, int]]:
    """How many rows came to what, in the order in which that is told."""
    return [(outcome, row.counts[outcome]) for outcome in OUTCOMES if row.counts.get(outcome)]


def timezones(resource: Resource) -> list[tuple[str, str]]:
    """Of whose clocks the times of a file may be; none where it can have none."""
    if not fields_of(resource).of_kind(kinds.TIME):
        return []
    return [(zone, zone) for zone in sorted(TIMEZONES)]


def dates_hint(resource: Resource, columns: Columns, rows: Sequence[SourceRow]) -> str:
    """That the days of these rows may be meant otherwise than the mapping reads them; blank where
    they may not.
    """
    samples = [row.values for row in rows if not row.broken]
    others = mapping.other_notations(columns, samples, fields_of(resource))
    return " ".join(f"{day} may be written like {example(other)} too." for other, day in others)
