"""``almoner audit``: who read and wrote what, and who gave access."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import typer

from almoner.access import audit_search, worker_events
from almoner.access.audit_search import AuditQuery
from almoner.chains import verify
from almoner.commands.answering import Answer, Rows, acting
from almoner.commands.session import ENVIRONMENT, called, stop, working_at, working_in
from almoner.vocabulary.times import IsoDate, IsoDateTime

_ID: Final = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

app = typer.Typer(
    help="The audit trail: who read and wrote what, and of which patients.", no_args_is_help=True
)


@app.command("list")
@acting()
async def list_entries(
    patient: Annotated[
        str | None, typer.Option(help="Only what was about this patient, named by id.")
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(help="Only what this actor did: a client's id, or an actor as listed."),
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", help="Only from this day or moment on (UTC where no offset is given)."
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", help="Only up to this day, that day included, or before this moment."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="At most as many entries.")
    ] = 1_000,
    environment: ENVIRONMENT = None,
) -> Answer:
    """List reads and writes of an environment, the newest first.

    Example: almoner audit list --patient 45ceeba9-4944-43d1-b34d-0c36846acd4c --from 2026-01-01
    --to 2026-01-31"""
    query = AuditQuery(
        patient=None if patient is None else _guid(patient),
        actor=actor or "",
        begin=None if begin is None else _moment(begin, "--from", timedelta()),
        end=None if end is None else _moment(end, "--to", timedelta(days=1)),
    )
    async with working_in(environment) as (connection, owner):
        entries = [
            entry.json() for entry in await audit_search.newest(connection, owner, query, limit)
        ]
    rows = [{**entry, "patient_ids": " ".join(entry["patient_ids"])} for entry in entries]
    columns = ("at", "actor", "through", "verb", "resource", "row_id", "patient_ids", "request_id")
    older = (
        [f"\nThese are the newest {limit}. For older ones, give --to or a larger --limit."]
        if len(rows) == limit
        else []
    )
    return Answer(
        entries, Rows(rows, columns, "There is nothing of this kind in the audit trail."), *older
    )


@app.command("events")
@acting()
async def list_events(
    before: Annotated[
        int | None, typer.Option(help="Only older ones than the event of this id.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most as many.")] = 100,
    every: Annotated[
        bool,
        typer.Option("--all", help="With sign-ins, and what workers do with their own accounts."),
    ] = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """List who gave, changed or ended access, the newest first: clients, secrets, tokens, webhooks,
    environments, roles, programs.

    A terminal shows the fields that changed; piped and with --json, also what they were and are,
    ids and times in full.

    Example: almoner audit events --environment production --json
    """
    async with working_in(environment) as (connection, owner):
        listed = await worker_events.list_events(
            connection, owner, None, before, limit, only_access=not every
        )
    events = [event.as_json() for event in listed]
    table = Rows(*_table(events), "No access was given yet.", {"id", "at", "actor", "about"})
    return Answer(
        events,
        table,
        *([f"\nFor older ones: --before {events[-1]['id']}"] if len(events) == limit else []),
    )


@app.command("verify")
@acting()
async def verify_chains(
    against: Annotated[
        Path | None,
        typer.Option(
            help=(
                "What this command answered with --json before: the chains must go on from where"
                " they ended then."
            ),
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Look whether a row of the audit trail or the change log was changed, removed or put in since
    it was sealed, and which. Ends with 1 where that is so.

    Keep what it answers with apart from the database: who can rewrite all of it could rewrite its
    chains, and is noticed by --against.

    Example: almoner audit verify --environment production --json > verified.json
    """
    earlier = _heads(against)
    async with working_at(environment) as (connection, chosen):
        await connection.execute("SET statement_timeout = 0")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            verified = await verify.verify(connection, chosen.id, earlier)
    value = {
        "environment": chosen.name,
        "is_intact": not verified.faults,
        "logs": verified.logs,
        "faults": [fault.as_json() for fault in verified.faults],
        "erasures": list(verified.erasures.values()),
        "removals": list(verified.removals.values()),
    }
    columns = ("log", "batches", "rows", "unsealed", "head")
    words = [fault.in_words for fault in verified.faults] or ["Every sealed row is as it was."]
    erased = [
        f"Erased by {row['erased_by']} at {row['erased_at']}: {row['reason']}"
        for row in verified.erasures.values()
    ]
    return Answer(
        value,
        Rows(verified.logs, columns, "", {"log", "head"}),
        "\n".join(["", *erased, *words]),
        status=1 if verified.faults else 0,
    )


def _heads(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        before = msgspec.json.decode(path.read_bytes())
        return {log["log"]: log["head"] for log in before["logs"]}
    except (msgspec.DecodeError, LookupError, TypeError):
        stop(f"{path} is no answer of: {called()} audit verify --json")


def _table(events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The events as rows, with their columns: on a terminal what fits into 80 characters, ids cut
    to what tells them apart; piped, all of it."""
    if not sys.stdout.isatty():
        rows = [
            {**event, "about": event["object"] or event["worker_id"], "change": _change(event)}
            for event in events
        ]
        return rows, ("id", "happened_at", "actor", "event", "about", "change", "detail")
    rows = [
        {
            "id": event["id"],
            "at": event["happened_at"][:16].replace("T", " "),
            "event": event["event"],
            "actor": _short(event["actor"]),
            "about": _short(event["object"] or event["worker_id"] or ""),
            "changed": (
                ", ".join(dict.fromkeys((*(event["before"] or ()), *(event["after"] or ()))))
                or event["detail"]
            ),
        }
        for event in events
    ]
    return rows, tuple(rows[0]) if rows else ()


def _short(name: str) -> str:
    """``client:45ceeba9`` of an actor or object with an id."""
    return _ID.sub(r"\1", name)


def _change(event: dict[str, Any]) -> str:
    """What differs, in a line: from and to."""
    old, new = event["before"] or {}, event["after"] or {}
    return "; ".join(
        f"{name}: {old.get(name, '-')} -> {new.get(name, '-')}"
        for name in dict.fromkeys((*old, *new))
    )


def _guid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise typer.BadParameter("A patient is named by a GUID.", param_hint="--patient") from None


def _moment(text: str, option: str, whole_day: timedelta) -> datetime:
    """A moment, or the beginning of a day with ``whole_day`` added. Raises typer.BadParameter."""
    try:
        return IsoDateTime().parse(text)
    except ValueError:
        pass
    try:
        day = IsoDate().parse(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + whole_day
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "A day such as 2026-01-31 or a moment such as 2026-01-31T12:00:00Z is expected.",
            param_hint=option,
        ) from None
