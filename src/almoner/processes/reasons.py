"""Why something was done by itself, for whoever reads the record: the process, its version, and
what set it off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.processes.firings import CALL
from almoner.processes.programs import process_in
from almoner.processes.undo import UNDOABLE
from almoner.vocabulary.definitions import Program, Rights
from almoner.workshop import process_words, published_programs
from almoner.workshop.process_design import Process
from almoner.workshop.titles import Titles

_FIRINGS: Final = """
SELECT id::text, process, version, event::text,
  almoner_current_patient($1, patient_id)::text AS patient_id, state = 'done' AND NOT EXISTS (
  SELECT FROM process_effects e WHERE e.environment_id = $1 AND e.firing_id = f.id
    AND e.resource <> ALL ($3::text[])) AND NOT EXISTS (
  SELECT FROM work_steps s WHERE s.environment_id = $1 AND s.job_id = f.id AND s.name = $4
  ) AS may_be_undone
FROM process_firings f WHERE environment_id = $1 AND id = ANY ($2::uuid[])
"""


@dataclass(frozen=True)
class Reason:
    """A sentence, and the row of what set the process off: its collection and id.

    ``may_be_undone``: all that the process did then can be taken back, as far as is known.
    ``is_hidden``: these rights hide what it went by. ``patient_id`` is whom it was for, as the
    record goes on."""

    text: str
    resource: str
    row_id: str
    may_be_undone: bool
    is_hidden: bool
    patient_id: str


async def reasons(
    connection: Connection,
    environment_id: int,
    firing_ids: Collection[str],
    program: Program,
    rights: Rights,
) -> dict[str, Reason]:
    """The reasons by the ids of their firings. What these rights hide is left out of them."""
    if not firing_ids:
        return {}
    known: dict[str, Reason] = {}
    for row in await connection.fetch(
        _FIRINGS, environment_id, list(firing_ids), list(UNDOABLE), CALL
    ):
        outline = await published_programs.outline_at(connection, environment_id, row["version"])
        process = process_in(outline, row["process"]) if outline is not None else None
        if outline is None or process is None:
            continue
        titles: dict[tuple[str, str], str] = dict(process_words.titles_of(outline))
        for spec_id in _assessments(process) & set(program.newest_specs):
            titles["assessments", spec_id] = program.newest_specs[spec_id].name
        hidden = _is_hidden(process, rights)
        event = msgspec.json.decode(row["event"])
        known[row["id"]] = Reason(
            text=_text(row, process, {} if hidden else titles, hidden),
            resource="" if hidden else event["resource"],
            row_id=event["row_id"],
            may_be_undone=row["may_be_undone"] and not hidden,
            is_hidden=hidden,
            patient_id=row["patient_id"],
        )
    return known


def _text(row: Mapping[str, Any], process: Process, titles: Titles, hidden: bool) -> str:
    by = f"By itself: process “{process.title or process.name}”, version {row['version']}"
    if hidden:
        return f"{by}."
    condition = process_words.conditions(process.conditions, titles)
    since = process_words.trigger(process.when, titles)
    return f"{by}. When {since}{f', if {condition}' if condition else ''}."


def _is_hidden(process: Process, rights: Rights) -> bool:
    """Whether it tells of answers or records that are hidden."""
    conditions = process.conditions.each
    records = {process.when.record, *(each.record for each in conditions)}
    is_open = process.when.event == "assessment_finished" and not process.when.assessment
    return bool(
        _assessments(process) & set(rights.hidden_assessments)
        or records & set(rights.hidden_data)
        or (is_open and rights.hidden_assessments)
    )


def _assessments(process: Process) -> set[str]:
    """The assessments that a process names."""
    conditions = process.conditions.each
    return {process.when.assessment, *(each.assessment for each in conditions)}
