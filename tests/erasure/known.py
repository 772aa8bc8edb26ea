"""A patient of whom every value can be told from every other's, in every table that can hold one;
and where in the database a text is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asyncpg
from sqlalchemy import JSON, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from almoner import schema
from almoner.access.secrets import SecretBox
from almoner.data_api.writes import new_id
from almoner.erasure import coverage
from almoner.resources import BY_NAME, RESOURCES
from tests.conftest import Api
from tests.portal.test_patients_lossless import Records

# The words of two patients: who is erased, and who is not.
ERASED, STRANGER = "zqxerased", "zqxstranger"
SCHEMA: MetaData = schema.build(RESOURCES)
# What PostgreSQL keeps a text in, whatever it is called.
_COLUMNS = """
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
  AND format_type(a.atttypid, a.atttypmod) IN
    ('text', 'text[]', 'json', 'jsonb', 'bytea', 'character varying', 'name')
"""


async def places(connection: Any, text: str) -> dict[str, int]:
    """How many rows of each ``table.column`` hold a text, whatever the letter case; and the columns
    in whose statistics it stands."""
    there = {}
    for row in await connection.fetch(_COLUMNS):
        column = f'"{row["column"]}"'
        where = (
            f"position(convert_to($1, 'UTF8') IN {column}) > 0"
            if row["type"] == "bytea"
            else f"position($1 IN lower({column}::text)) > 0"
        )
        count = await connection.fetchval(
            f'SELECT count(*) FROM "{row["table"]}" WHERE {where}', text
        )
        if count:
            there[f"{row['table']}.{row['column']}"] = count
    for row in await connection.fetch(
        "SELECT tablename, attname FROM pg_stats WHERE position($1 IN"
        " lower(coalesce(most_common_vals::text, '') || coalesce(histogram_bounds::text, '')"
        " || coalesce(most_common_elems::text, ''))) > 0",
        text,
    ):
        there[f"statistics of {row['tablename']}.{row['attname']}"] = 1
    return there


class Known:
    """Makes patients whose every value has a word of theirs in it, of small letters."""

    def __init__(self, records: Records, connection: Any, api: Api, box: SecretBox) -> None:
        self._records, self._connection, self._api, self._box = records, connection, api, box
        self._owner = api.environment_id

    async def patient(self, number: int, word: str) -> str:
        """The patient's id."""
        patient = await self._records.patient(number)
        await self._api.put(
            f"/v1/patients/{patient}",
            json={"city": f"{word} was", "first_name": f"{word}once", "last_name": f"Then {word}s"},
        )
        await self._api.put(
            f"/v1/patients/{patient}",
            json={"city": f"{word} is", "first_name": word, "last_name": f"of {word}"},
            headers={"Idempotency-Key": f"{word}-key"},
        )
        email = await self._records.make(
            "email_addresses", user_id=patient, email=f"{word}@example.org"
        )
        changed = await self._api.put(
            f"/v1/email_addresses/{email}", json={"email": f"{word}.now@example.org"}
        )
        assert changed.status_code == 200
        # A mapping of a row of theirs, which names no patient.
        [event] = await self._fetch("SELECT id::text FROM calendar_events", patient)
        await self._connection.execute(
            "INSERT INTO external_ids (environment_id, id, resource, namespace, external_id,"
            " welkin_id) VALUES ($1, gen_random_uuid(), 'calendar_events', 'ehr', $2, $3)",
            *(self._owner, f"{word} visit", event["id"]),
        )
        await self._fill(patient, word)
        await self._work(patient, word)
        return patient

    async def _fetch(self, select: str, patient: str) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._connection.fetch(
            f"{select} WHERE environment_id = $1 AND user_id = $2", self._owner, patient
        )
        return rows

    async def _fill(self, patient: str, word: str) -> None:
        """Writes the word into every column that can hold it, whatever the rules of the API are."""
        about = {
            name: resource.patient for name, resource in BY_NAME.items() if resource.patient
        } | {"assessment_drafts": "patient_id", "timeline_stars": "patient_id"}
        about["external_ids"] = "welkin_id"
        for table, column in about.items():
            for name, value in self._values(table, word).items():
                await self._connection.execute(
                    f"UPDATE {table} SET {name} = {value} WHERE environment_id = $1"
                    f" AND {column} = $2",
                    self._owner,
                    patient,
                )
        await self._connection.execute(
            "INSERT INTO consent_records (environment_id, patient_id, resource, row_id, consent,"
            " given, how, received_on, note, recorded_by) VALUES ($1, $2, 'phone_numbers',"
            " gen_random_uuid(), 'opted_in_to_sms', true, 'voice', '2026-03-02', $3, 'x')",
            *(self._owner, patient, f"{word} said so"),
        )

    def _values(self, table: str, word: str) -> dict[str, str]:
        key = {column.name for column in SCHEMA.tables[table].primary_key}
        # By these a row is reached, chosen from a few, or told apart.
        key |= {"resource", "namespace", "spec_id", "job_id", "timezone"}
        values = {}
        for column in SCHEMA.tables[table].columns:
            if column.name in key or column.computed is not None:
                continue
            if isinstance(column.type, ARRAY):
                values[column.name] = f"ARRAY['{word} {column.name}']"
            elif isinstance(column.type, JSON):
                values[column.name] = f"""'{{"{word}": "{word} {column.name}"}}'"""
            elif isinstance(column.type, Text):
                values[column.name] = f"'{word} {column.name} ' || left({table}::text, 60)"
        return values

    async def _work(self, patient: str, word: str) -> None:
        """What was done, is done and is to be done for the patient."""
        execute, owner = self._connection.execute, self._owner
        text, of = f'{{"note": "{word}"}}', f'{{"note": "{word}", "of": "{patient}"}}'
        job, firing = new_id(), new_id()
        for state, args in (("done", of), ("ready", of), ("failed", of)):
            await execute(
                "INSERT INTO work_steps (environment_id, id, job_id, queue, name, call, place,"
                " args, result, state) VALUES ($1, $2, $3, 'of_a_test', 'x', 0, 0, $4, $4, $5)",
                *(owner, new_id(), job, args, state),
            )
        await execute(
            "INSERT INTO work_dismissals (environment_id, job_id, dismissed_by, reason) VALUES"
            " ($1, $2, 'x', $3)",
            *(owner, job, f"{word} called"),
        )
        # Steps that name them as they were called, and by an address that is gone.
        for former in (
            f'{{"first_name": "{word}once", "last_name": "Then {word}s"}}',
            f'{{"to": "{word}@example.org"}}',
        ):
            await execute(
                "INSERT INTO work_steps (environment_id, id, job_id, queue, name, call, place,"
                " args, state) VALUES ($1, $2, $2, 'of_a_test', 'x', 0, 0, $3, 'done')",
                *(owner, new_id(), former),
            )
        # A step that wrote of the patient, and names nobody.
        await execute(
            "INSERT INTO work_steps (environment_id, id, job_id, queue, name, call, place, args,"
            " state, epoch, xid) SELECT environment_id, $3, $3, 'of_a_test', 'x', 0, 0, $4, 'done',"
            " epoch, xid FROM changes WHERE environment_id = $1 AND patient_id = $2 LIMIT 1",
            *(owner, patient, new_id(), text),
        )
        await execute(
            "INSERT INTO integration_calls (environment_id, name, digest, job_id, received_at,"
            " answer) VALUES ($1, 'of_a_test', $2, $3, now(), $4)",
            *(owner, word.encode()[::-1], job, f"ERR {word}".encode()),
        )
        await execute(
            "INSERT INTO process_firings (environment_id, id, process, version, cause, event,"
            " patient_id, chain, state, error, happened, due_at) VALUES ($1, $2, 'p', 1, $3, $4,"
            " $5, '{}', 'open', $4, $4, now())",
            *(owner, firing, f"{word} cause", text, patient),
        )
        await execute(
            "INSERT INTO process_effects (environment_id, firing_id, place, resource, row_id)"
            " VALUES ($1, $2, 0, 'patient_tasks', gen_random_uuid())",
            *(owner, firing),
        )
        await execute(
            "INSERT INTO work_steps (environment_id, id, job_id, queue, name, call, place, args)"
            " VALUES ($1, $2, $3, 'almoner.processes', 'call', 0, 0, $4)",
            *(owner, new_id(), firing, text),
        )
        await execute(
            "INSERT INTO process_calls (environment_id, id, hook, digest, patient_id) VALUES"
            " ($1, $2, $3, $4, $5)",
            *(owner, new_id(), f"{word}_hook", word.encode(), patient),
        )
        await execute(
            "INSERT INTO process_pauses (environment_id, kind, name, paused_by) VALUES"
            " ($1, 'patient', $2, $3)",
            *(owner, patient, f"worker:{word}"),
        )
        await execute(
            "INSERT INTO patient_figures (environment_id, figure, patient_id, word) VALUES"
            " ($1, 'x', $2, $3)",
            *(owner, patient, f"{word} band"),
        )
        await self._import(patient, word)

    async def _import(self, patient: str, word: str) -> None:
        execute, owner, import_id = self._connection.execute, self._owner, new_id()
        await execute(
            "INSERT INTO imports (environment_id, id, worker_id, collection, kind, state, rows,"
            " parts) VALUES ($1, $2, gen_random_uuid(), 'patients', '.csv', 'checked', 1, 1)",
            *(owner, import_id),
        )
        neighbours = f'[1, {{"id": "{patient}"}}, []], [2, {{"id": "neighbour of a file"}}, []]'
        text = f'[{neighbours}, [3, {{"first_name": "{word}", "last_name": "of {word}"}}, []]]'
        sealed = self._box.seal(text, import_id)
        await execute(
            "INSERT INTO import_parts (environment_id, import_id, place, sealed) VALUES"
            " ($1, $2, 0, $3)",
            *(owner, import_id, sealed),
        )
        await execute(
            "INSERT INTO import_results (environment_id, import_id, line, place, outcome, row_id,"
            " epoch, xid, note) VALUES ($1, $2, 1, 0, 'created', $3, 1, 1, $4)",
            *(owner, import_id, patient, f"{word} note"),
        )
        await execute(
            "INSERT INTO panel_views (environment_id, id, worker_id, title, view) SELECT $1,"
            " gen_random_uuid(), w.id, 'As ' || p.last_name || ', ' || p.first_name,"
            " json_build_object('value', $3::text) FROM workers w, patients p"
            " WHERE w.environment_id = $1 AND p.environment_id = $1 AND p.id = $2 LIMIT 1",
            *(owner, patient, f"{word} of the panel"),
        )
        await execute(
            "INSERT INTO panel_views (environment_id, id, worker_id, title, view) SELECT $1,"
            " gen_random_uuid(), id, $2, '{}' FROM workers WHERE environment_id = $1 LIMIT 1",
            *(owner, f"Then {word}s, {word}once: call back"),
        )
        # Messages to many that name them by both names, and by the last where they were to have it.
        for names, is_recipient in (
            ("p.first_name || ' ' || p.last_name", False),
            ("p.last_name", True),
        ):
            bulk = new_id()
            await execute(
                "INSERT INTO bulk_messages (environment_id, id, worker_id, channel, contents,"
                f" request_id) SELECT $1, $3, w.id, 'phone', 'Ask ' || {names} || '.', 'x'"
                " FROM workers w, patients p WHERE w.environment_id = $1 AND p.environment_id = $1"
                " AND p.id = $2 LIMIT 1",
                *(owner, patient, bulk),
            )
            await execute(
                "INSERT INTO bulk_recipients (environment_id, bulk_message_id, patient_id, part,"
                " state) SELECT $1, $2, id, 0, 'waiting' FROM patients WHERE environment_id = $1"
                " AND (id = $3) = $4 ORDER BY created_at LIMIT 1",
                *(owner, bulk, patient, is_recipient),
            )
        await execute(
            "INSERT INTO integration_tasks (environment_id, id, status, job_id, task_name, errors)"
            " VALUES ($1, $2, 'failed', 'x', 'x', $3)",
            *(owner, new_id(), f'[{{"message": "{word}, who is {patient}"}}]'),
        )


def expected() -> set[str]:
    """The columns that hold the word of a patient whom ``Known`` made, at the least."""
    return {
        *(f"{table}.{column}" for table, column in coverage.BLANKED if column not in _NO_TEXT),
        *(f"patients.{name}" for name in ("first_name", "city", "plain_name")),
        *("messages.contents", "care_flows.care_flow", "assessment_responses.model"),
        *("external_ids.external_id", "consent_records.note", "assessment_drafts.answers"),
        *("calendar_events.appointment_type", "integration_tasks.errors", "process_firings.event"),
        *(
            "custom_data_type_records.body",
            "alerts.text",
            "worker_tasks.comments",
            "calls.note",
            "visits.note",
        ),
    }


# Digests, ids and what is sealed: none can be read.
_NO_TEXT = {"key", "request", "patient", "sealed", "problems_sealed", "content"}


def uncovered(metadata: MetaData) -> list[str]:
    """The columns, as ``table.column``, that could hold something of a patient and of which nothing
    says what becomes of it: documents, bytes, lists, and ids of patients.
    """
    return sorted(
        f"{table.name}.{column}"
        for table in metadata.tables.values()
        if table.name not in coverage.ROWS
        for column in (
            _pointing(table) - _declared(table) if table.name in BY_NAME else _telling(table)
        )
        if not {(table.name, column)}
        & (coverage.BLANKED | coverage.IDS.keys() | coverage.OF_NOBODY.keys())
    )


def _declared(table: Table) -> set[str]:
    return {BY_NAME[table.name].patient or ""}


def _pointing(table: Table) -> set[str]:
    return {
        key.column_keys[-1]
        for key in table.foreign_key_constraints
        if key.referred_table.name == "patients"
    }


def _telling(table: Table) -> Iterator[str]:
    for column in table.columns:
        is_document = isinstance(column.type, JSON | LargeBinary | ARRAY)
        if is_document or column.name in _pointing(table) or "patient" in column.name:
            yield column.name
