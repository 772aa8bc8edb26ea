"""``almoner patient``: all that is known of a person, and that they are forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from almoner.access import keys, worker_events
from almoner.access.audit import ReadAudit
from almoner.access.secrets import SecretBox
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.backups.bucket import SCHEME
from almoner.backups.sealing import BackupError
from almoner.commands.answering import Answer, acting, listing
from almoner.commands.backup import folder_of
from almoner.commands.session import (
    ENVIRONMENT,
    called,
    connect,
    environment_id,
    place,
    read_settings,
    stop,
    warn,
)
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.embedded.record import open_private
from almoner.erasure import clear, erasure_requests, export, person
from almoner.errors import ApiError
from almoner.vocabulary import clocks

app = typer.Typer(
    help="One person: all that is known of them, and that they are forgotten.",
    no_args_is_help=True,
)
PATIENT = Annotated[str, typer.Argument(help="The patient's id.", metavar="ID")]
REASON = Annotated[str, typer.Option(help="Why, for whoever looks later. Without a name.")]


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[Database, SecretBox]]:
    async with connect() as (database, settings):
        async with database.connection() as connection:
            box = await keys.box(connection, settings.key_source)
        yield database, box


@app.command()
@acting()
async def erase(
    patient: Annotated[
        str | None, typer.Argument(help="The patient's id; none with --again.", metavar="[ID]")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later. Without a name.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    again: Annotated[
        str | None,
        typer.Option(
            help=(
                "A list as `almoner patient erasures --json` prints it, or a folder or"
                " s3://BUCKET/PREFIX of backups, which has one: erases whoever of it is here, as"
                " after a restored backup."
            ),
        ),
    ] = None,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Erase a patient: every row about them, and what the logs hold of their values.

    That there was a record stays, with who erased it, when and why. It cannot be taken back.

    Example: almoner patient erase 45ceeba9-4944-43d1-b34d-0c36846acd4c --reason "Asked on 1 May"
    """
    if (patient is None) == (again is None):
        raise typer.BadParameter("Name a patient by id, or a list with --again.")
    if again is not None:
        return await _erase_again(_read(again), environment)
    if not yes:
        typer.confirm(f"Erase the patient {patient}? This cannot be taken back", abort=True)
    async with _opened() as (database, box):
        async with database.transaction() as connection:
            erased = await erasure_requests.erase_now(
                connection,
                await environment_id(connection, environment),
                box,
                patient_id=patient or "",
                reason=reason,
                by=AT_THE_TERMINAL,
            )
        await _clear(database)
    rows = sum(erased.counts.values())
    return Answer(erased.as_json(), f"Erased the patient {patient}: {rows} rows.")


class _ErasedEntry(msgspec.Struct, frozen=True):
    """Of a list of erasures, what it takes to do one again."""

    state: str
    reason: str
    record_ids: list[str]
    decided_at: datetime | None = None


async def _erase_again(listed: list[_ErasedEntry], environment: str | None) -> Answer:
    """Erases whoever of a list is here; nobody who cannot be erased keeps others from it."""
    records = [(record, entry) for entry in listed for record in entry.record_ids]
    erased, refused = [], []
    async with _opened() as (database, box):
        for patient_id, entry in records:
            try:
                async with database.transaction() as connection:
                    done = await erasure_requests.erase_again(
                        connection,
                        await environment_id(connection, environment),
                        box,
                        patient_id=patient_id,
                        reason=entry.reason,
                        by=AT_THE_TERMINAL,
                        decided_at=entry.decided_at,
                    )
                erased.append(done.as_json())
            except ApiError as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    continue
                refused.append(patient_id)
                for reason in error.problems:
                    warn(f"{patient_id} was not erased: {reason.detail}")
        await _clear(database)
    others = "the others are not here" if not refused else f"{len(refused)} could not be"
    words = f"Erased {len(erased)} of {len(records)}; {others}."
    return Answer(erased, words, status=1 if refused else 0)


async def _clear(database: Database) -> None:
    async with database.apart() as connection:
        await connection.execute("SET statement_timeout = 0")
        await clear.clear(connection)


def _read(place: str) -> list[_ErasedEntry]:
    try:
        if place.startswith(SCHEME) or Path(place).is_dir():
            by_environment = folder_of(read_settings(), place).erasures()
            entries = [
                entry for of_environment in by_environment.values() for entry in of_environment
            ]
            listed = msgspec.convert(entries, list[_ErasedEntry])
        else:
            listed = msgspec.json.decode(Path(place).read_bytes(), type=list[_ErasedEntry])
        return [entry for entry in listed if entry.state == erasure_requests.ERASED]
    except (msgspec.DecodeError, OSError, BackupError) as error:
        stop(
            f"{place} is no list of erasures ({error}). Print one:"
            f" {called()} patient erasures --json"
        )


@app.command("erasures")
@listing(
    ("id", "patient_id", "state", "reason", "asked_by", "decided_by", "decided_at"),
    "Nobody was erased, and nobody asks for it.",
)
async def list_erasures(environment: ENVIRONMENT = None) -> list[dict[str, Any]]:
    """List who was erased or is to be, the newest first. Keep the list apart from the backups.

    Example: almoner patient erasures --json > erasures.json
    """
    async with connect() as (database, _), database.connection() as connection:
        owner = await environment_id(connection, environment)
        return [erasure.as_json() for erasure in await erasure_requests.listed(connection, owner)]


@app.command("export")
@acting()
async def export_patient(
    patient: PATIENT,
    to: Annotated[Path, typer.Option(help="The folder that it is written to.", file_okay=False)],
    environment: ENVIRONMENT = None,
) -> Answer:
    """Write all that is known of a patient: a page for them to read, and JSON.

    Example: almoner patient export 45ceeba9-4944-43d1-b34d-0c36846acd4c --to ./for-the-patient
    """
    async with _opened() as (database, box):
        audit = ReadAudit(database)
        async with database.connection() as connection:
            chosen = await place(connection, environment)
            async with connection.transaction(isolation="repeatable_read"):
                records = await person.records(connection, chosen.id, patient)
                gathered = await export.gather(connection, box, chosen.id, records)
                await worker_events.changed(
                    connection,
                    chosen.id,
                    "patient exported",
                    AT_THE_TERMINAL,
                    f"patient:{records[0]}",
                )
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = {
            to / f"{records[0]}.json": export.as_json(gathered),
            to / f"{records[0]}.html": export.as_html(gathered),
        }
        for path, content in files.items():
            _write_private(path, content)
        reader = Actor(chosen.id, AT_THE_TERMINAL.actor, "cli", AT_THE_TERMINAL.request_id)
        audit.note(
            reader,
            reader.request_id,
            "find",
            "patients",
            person.packed(records),
            through="cli",
        )
        await audit.aclose()
    paths = [str(path) for path in files]
    return Answer({"patient_id": records[0], "files": paths}, "\n".join(["Wrote:", *paths]))


def _write_private(path: Path, content: bytes) -> None:
    # A file that is there may be open to others.
    path.unlink(missing_ok=True)
    with open(path, "xb", opener=open_private) as file:
        file.write(content)


@app.command()
@acting()
async def hold(patient: PATIENT, reason: REASON, environment: ENVIRONMENT = None) -> Answer:
    """Keep a patient from being erased, as while a court asks for the record.

    Example: almoner patient hold 45ceeba9-4944-43d1-b34d-0c36846acd4c --reason "Case 12 of 2026"
    """
    async with connect() as (database, _), database.transaction() as connection:
        owner = await environment_id(connection, environment)
        await erasure_requests.hold(connection, owner, patient, reason, AT_THE_TERMINAL)
    return Answer({"patient_id": patient}, f"The patient {patient} cannot be erased now.")


@app.command()
@acting()
async def release(patient: PATIENT, environment: ENVIRONMENT = None) -> Answer:
    """End a hold: the patient can be erased again.

    Example: almoner patient release 45ceeba9-4944-43d1-b34d-0c36846acd4c
    """
    async with connect() as (database, _), database.transaction() as connection:
        owner = await environment_id(connection, environment)
        await erasure_requests.release(connection, owner, patient, AT_THE_TERMINAL)
    return Answer({"patient_id": patient}, f"The patient {patient} can be erased again.")


@app.command("holds")
@listing(
    ("patient_id", "reason", "placed_by", "placed_at"), "No patient is kept from being erased."
)
async def list_holds(environment: ENVIRONMENT = None) -> list[dict[str, Any]]:
    """List the patients who may not be erased, and why.

    Example: almoner patient holds
    """
    async with connect() as (database, _), database.connection() as connection:
        owner = await environment_id(connection, environment)
        return [
            {
                "patient_id": there.patient_id,
                "reason": there.reason,
                "placed_by": there.placed_by,
                "placed_at": clocks.iso(there.placed_at),
            }
            for there in await erasure_requests.holds(connection, owner)
        ]
