"""What merging two records of one person would do: what moves, what clashes, and what speaks
against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.patient_merges import merge as merging
from almoner.patient_merges.merge import Clash
from almoner.patient_merges.same_contacts import SameContact, same_contacts
from almoner.patient_merges.sql import COUNTS, DRAFTS
from almoner.portal.patient import Patient
from almoner.portal.values import compare_rows, speaking, value_fields
from almoner.resources import RESOURCES
from almoner.resources.external_ids import external_ids
from almoner.resources.patients import patients
from almoner.vocabulary import clocks

SURVIVOR: Final = "kept"
OTHER: Final = "other"
# What coaches call the rows of a collection.
TITLES: Final = {resource.name: resource.things for resource in RESOURCES}
_SINGULAR: Final = {
    resource.name: f"{resource.thing[:1].upper()}{resource.thing[1:]}" for resource in RESOURCES
}


@dataclass(frozen=True, kw_only=True)
class Value:
    """A field of both records, in words. ``differs``: somebody has to choose, since both say
    something.
    """

    name: str
    title: str
    survivor: str
    other: str
    differs: bool
    takes: str


@dataclass(frozen=True, kw_only=True)
class RowClash:
    """Two rows of which the kept record can have one, in words. ``name`` is what the form calls the
    choice.
    """

    name: str
    title: str
    survivor: str
    other: str
    of: Clash


@dataclass(frozen=True)
class Aside:
    """An assessment that a worker has begun on both records. ``saved_at``, in UTC: of the other
    one's.
    """

    title: str
    worker: str
    saved_at: datetime


@dataclass(frozen=True, kw_only=True)
class MergePreview:
    """All that a merge would do: ``moves`` are titles of collections with how many rows of the
    other record.

    ``asides`` are drafts of which both stay. ``refusals`` tell of numbers and addresses that both
    have, with unlike consents. ``doubts`` say what speaks against one person; ``unlike``: so much
    that it must be confirmed."""

    values: Sequence[Value]
    moves: Sequence[tuple[str, int]]
    clashes: Sequence[RowClash]
    asides: Sequence[Aside]
    refusals: Sequence[str]
    doubts: Sequence[str]
    unlike: bool

    @property
    def digest(self) -> str:
        """Of what somebody decides by: where it is another one, the records are not those that were
        looked at.
        """
        looked_at = (self.values, self.clashes, self.asides, self.refusals, self.doubts)
        return hashlib.sha256(msgspec.json.encode(looked_at)).hexdigest()


async def preview(
    visit: Visit, connection: Connection, survivor: Patient, other: Patient
) -> MergePreview:
    """What merging ``other`` into ``kept`` would do, as things are now."""
    mine, theirs = [
        await merging.row_of(connection, visit.environment_id, record.id)
        for record in (survivor, other)
    ]
    counts = await connection.fetch(COUNTS, visit.environment_id, other.id)
    moves = [
        (counted_title(row["name"], row["number"]), row["number"])
        for row in counts
        if row["number"]
    ]
    drafts = await connection.fetch(DRAFTS, visit.environment_id, survivor.id, other.id)
    moving = sum(not row["both"] for row in drafts)
    title = "Unfinished assessment" if moving == 1 else "Unfinished assessments"
    drafts_moving = [(title, moving)] if moving else []
    asides = [
        Aside(spec_title(visit, row["spec_id"]), row["worker"], row["saved_at"])
        for row in drafts
        if row["both"]
    ]
    doubts = await _doubts(visit, connection, survivor, other)
    ids = (survivor.id, other.id)
    same = await same_contacts(connection, visit.environment_id, *ids)
    clashes = await merging.clashes(connection, visit.environment_id, *ids)
    return MergePreview(
        values=await values_of(visit, connection, survivor, mine, theirs),
        moves=[*moves, *drafts_moving],
        clashes=[_row_clash(visit, clash) for clash in clashes],
        asides=asides,
        refusals=[text for contact in same for text in _refusals(contact)],
        doubts=doubts,
        unlike=len(doubts) > 1,
    )


def counted_title(name: str, number: int) -> str:
    """What people call this number of rows of a collection; its name where it is none of ours."""
    return (_SINGULAR if number == 1 else TITLES).get(name, name)


def _refusals(same: SameContact) -> Iterator[str]:
    for title in same.refused():
        yield (
            f"{same.words}, {title}: consented to on one record and not on the other. It counts as"
            " refused."
        )


async def _doubts(
    visit: Visit, connection: Connection, survivor: Patient, other: Patient
) -> list[str]:
    """What speaks against the two being of one person."""
    doubts = []
    ids = (survivor.id, other.id)
    if await merging.names_differ(connection, visit.environment_id, *ids):
        doubts.append(f"The names have little in common: {survivor.name} and {other.name}.")
    if survivor.birthday and other.birthday and survivor.birthday != other.birthday:
        born = [f"{day.day} {day:%b %Y}" for day in (survivor.birthday, other.birthday)]
        doubts.append(f"They were not born on one day: {born[0]} and {born[1]}.")
    return doubts


def spec_title(visit: Visit, spec_id: str) -> str:
    """What an assessment is called now; its id where it is published no more."""
    spec = visit.program.newest_specs.get(spec_id)
    return spec.name if spec else spec_id


async def values_of(
    visit: Visit, connection: Connection, survivor: Patient, mine: Row, theirs: Row
) -> list[Value]:
    """The fields of which either record says something."""
    fields = value_fields(patients)
    words = await speaking(visit, connection, survivor, fields, mine, theirs)
    return [
        Value(
            name=pair.name,
            title=pair.title,
            survivor=pair.first,
            other=pair.second,
            differs=pair.differs,
            takes=SURVIVOR if pair.first else OTHER,
        )
        for pair in compare_rows(fields, mine, theirs, words)
    ]


def _row_clash(visit: Visit, clash: Clash) -> RowClash:
    row = clash.row
    if clash.resource == external_ids.name:
        title = f"Id in {clash.what}"
        return RowClash(
            name=f"id-{clash.other_row}",
            title=title,
            survivor=row["survivor"],
            other=row["other"],
            of=clash,
        )
    hidden = clash.what in visit.rights.hidden_data
    left, right = (
        _unseen(visit, row[f"{side}_at"]) if hidden else _summary(row[side])
        for side in ("survivor", "other")
    )
    title = visit.program.title("custom_data_types", clash.what)
    return RowClash(
        name=f"record-{clash.other_row}", title=title, survivor=left, other=right, of=clash
    )


def _unseen(visit: Visit, changed_at: datetime) -> str:
    """What stands for a record that the role does not show: enough to choose the newer one."""
    day = clocks.local(changed_at, visit.worker.timezone)
    return f"Not shown to your role. Last changed {day.day} {day:%b %Y}."


def _summary(body: str) -> str:
    values = msgspec.json.decode(body)
    return "; ".join(
        f"{name.replace('_', ' ')}: {value}"
        for name, value in values.items()
        if value not in (None, "", [])
    )[:400]
