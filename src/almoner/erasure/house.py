"""What the house holds of a person beside the collections, from every table of ``coverage``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.access.actors import name_sql
from almoner.access.secrets import SealError, SecretBox
from almoner.database import Connection
from almoner.erasure import coverage, traces
from almoner.erasure.person import Terms, mentions


@dataclass(frozen=True)
class ExportSubject:
    """Whom an export is about: the ids of their records, of every row about them and of their
    firings, and what they are known by.
    """

    environment_id: int
    records: Sequence[str]
    rows: Sequence[str]
    firings: Sequence[str]
    known: Terms

    @property
    def parameters_of_steps(self) -> tuple[Any, ...]:
        """As ``traces.STEPS`` takes them, the environment first."""
        terms = self.known.parameters
        return (self.environment_id, *terms, list(self.firings), list(self.records))


FIRINGS: Final = """
SELECT id::text FROM process_firings WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[])
"""
# What people call a table.
_CALLED: Final = {
    "consent_records": "consents",
    "assessment_drafts": "unfinished assessments",
    "timeline_stars": "starred",
    "process_firings": "processes",
    "patient_merges": "merged records",
    "audit_reads": "who has read of them",
    "work_steps": "work of integrations and processes",
    "import_parts": "rows of files that were uploaded",
    "bulk_recipients": "messages to many that were to come to them",
    "bulk_messages": "messages to many that name them",
}
# Columns that nobody reads: whose database it is, and digests.
_UNREAD: Final = ("environment_id", "digest")
# Of tables that have more to tell than their rows, or are too wide; parameters: the environment and
# the ids of the records.
_OF_RECORDS: Final = {
    "changes": (
        f"SELECT changed_at, {name_sql('actor')} AS who, through, kind, resource, row_id::text,"
        " differences FROM changes WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[])"
        " ORDER BY epoch, xid, seq"
    ),
    "audit_reads": (
        f"SELECT read_at, {name_sql('actor')} AS who, through, verb, resource FROM audit_reads"
        " WHERE environment_id = $1 AND EXISTS (SELECT FROM unnest($2::uuid[]) AS id"
        " WHERE position(uuid_send(id) IN patients) > 0) ORDER BY id"
    ),
    "bulk_recipients": (
        "SELECT b.created_at, b.channel, b.contents, r.state, r.reason, r.message_id, r.settled_at"
        " FROM bulk_recipients r JOIN bulk_messages b ON b.environment_id = $1"
        " AND b.id = r.bulk_message_id WHERE r.environment_id = $1"
        " AND r.patient_id = ANY ($2::uuid[]) ORDER BY b.created_at, b.id"
    ),
    "process_pauses": (
        "SELECT paused_by, paused_at FROM process_pauses WHERE environment_id = $1"
        " AND kind = 'patient' AND name = ANY ($2::text[]) ORDER BY paused_at"
    ),
}
_JOBS: Final = (
    f"SELECT job_id FROM work_steps WHERE environment_id = $1 AND (args IS NOT NULL"
    f" OR result IS NOT NULL) AND {traces.STEPS}"
)
# Of what was done for them; parameters: those of ``traces.STEPS``.
_OF_WORK: Final = {
    "work_steps": (
        "SELECT due_at, queue, name, state, args, result, finished_at FROM work_steps"
        " WHERE environment_id = $1 AND (args IS NOT NULL OR result IS NOT NULL)"
        f" AND {traces.STEPS} ORDER BY due_at, id"
    ),
    "work_dismissals": (
        "SELECT dismissed_at, dismissed_by, reason FROM work_dismissals"
        f" WHERE environment_id = $1 AND job_id IN ({_JOBS}) ORDER BY dismissed_at"
    ),
    # An acknowledgement is in whatever character set was asked for: escaped, it is always a text.
    "integration_calls": (
        "SELECT received_at, name, encode(answer, 'escape') AS answer FROM integration_calls"
        f" WHERE environment_id = $1 AND job_id IN ({_JOBS}) ORDER BY received_at"
    ),
}
# Tasks are of no patient; parameters: the environment, three of ``Terms`` and its texts.
_TASKS: Final = f"""
SELECT created_at, task_name, status, errors FROM integration_tasks WHERE environment_id = $1
  AND (ref_ids && $5::text[] OR {mentions("errors::text", 2)}) ORDER BY created_at, id
"""
_NOTES: Final = """
SELECT import_id::text, line, outcome, note FROM import_results WHERE environment_id = $1
  AND row_id = ANY ($2::uuid[]) AND note IS NOT NULL ORDER BY import_id, line
"""
_VIEWS: Final = f"SELECT saved_at, title, view FROM panel_views WHERE {traces.VIEWS} ORDER BY 1"
_MESSAGES: Final = (
    "SELECT created_at, channel, contents FROM bulk_messages"
    f" WHERE {traces.MESSAGES_TO_MANY} ORDER BY created_at, id"
)
_PARTS: Final = """
SELECT import_id::text, sealed, problems_sealed FROM import_parts WHERE environment_id = $1
ORDER BY import_id, place
"""


async def gather(
    connection: Connection, box: SecretBox, subject: ExportSubject
) -> Mapping[str, Sequence[Any]]:
    """The rows by table; a table of which nothing is known of the person has none."""
    owner, known = subject.environment_id, subject.known
    tables: dict[str, Sequence[Any]] = {}
    for table, sql in (_by_column() | _OF_RECORDS).items():
        tables[table] = await _fetch(connection, sql, owner, subject.records)
    for table, sql in _OF_WORK.items():
        tables[table] = await _fetch(connection, sql, *subject.parameters_of_steps)
    tables["import_results"] = await _fetch(connection, _NOTES, owner, subject.rows)
    tables["panel_views"] = await _fetch(
        connection, _VIEWS, owner, *traces.patterns_of_views(known)
    )
    tables["integration_tasks"] = await _fetch(
        connection, _TASKS, owner, *known.parameters, known.texts
    )
    texts = traces.patterns_of_texts(known)
    tables["bulk_messages"] = await _fetch(connection, _MESSAGES, owner, *texts, subject.records)
    tables["import_parts"] = await _uploaded(connection, box, subject)
    return tables


def title(table: str) -> str:
    """What people call what a table holds of them."""
    return _CALLED.get(table, table.replace("_", " "))


def _by_column() -> dict[str, str]:
    """Of every table whose rows name the patient, all of each row."""
    ids = [(table, column) for table, column in coverage.IDS if column == "patient_id"]
    return {
        table: f"SELECT * FROM {table} WHERE environment_id = $1 AND {column} = ANY ($2::uuid[])"
        for table, column in [*coverage.ROWS.items(), *ids]
        if (table, column) not in coverage.NOT_EXPORTED
    }


async def _fetch(connection: Connection, sql: str, *values: Any) -> list[Any]:
    rows = await connection.fetch(f"SELECT row_to_json(t)::text AS body FROM ({sql}) AS t", *values)
    return [
        {
            name: value
            for name, value in msgspec.json.decode(row["body"]).items()
            if name not in _UNREAD
        }
        for row in rows
    ]


async def _uploaded(connection: Connection, box: SecretBox, subject: ExportSubject) -> list[Any]:
    """Of files that were uploaded, the rows that name the person; the other rows are of others.
    What is sealed with a key that is lost tells nobody anything.
    """
    rows: list[Any] = []
    for part in await connection.fetch(_PARTS, subject.environment_id):
        try:
            text = box.open(part["sealed"], part["import_id"])
        except SealError:
            continue
        if subject.known.are_in(text):
            rows += [
                {"import_id": part["import_id"], "row": row}
                for row in msgspec.json.decode(text)
                if subject.known.are_in(msgspec.json.encode(row).decode())
            ]
    return rows
