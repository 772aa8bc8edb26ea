"""``almoner retention``: for how long the logs of an environment stay."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from almoner.commands.answering import Answer, Rows, acting, listing
from almoner.commands.session import ENVIRONMENT, owned, stop, working_at
from almoner.retention import removal, terms
from almoner.vocabulary import clocks

app = typer.Typer(
    help="For how long logs stay. Nothing goes by itself, nor by default.", no_args_is_help=True
)
LOG = Annotated[str, typer.Argument(help="audit_reads (who read) or changes (the change feed).")]


@app.command("set")
@acting()
async def set_months(
    log: LOG,
    months: Annotated[
        int | None, typer.Option(help="How many whole months stay besides the present one.")
    ] = None,
    ever: Annotated[bool, typer.Option("--for-ever", help="End the term: all stays.")] = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Say how many months of a log stay. What is older goes when `retention apply` is run.

    Example: almoner retention set audit_reads --months 36 --environment production
    """
    if (months is None) != ever:
        raise typer.BadParameter("Name --months or --for-ever.")
    async with working_at(environment) as (connection, chosen), connection.transaction():
        await terms.set_term(connection, chosen.id, log, months)
    value = {"environment": chosen.name, "log": log, "months": months}
    words = "stays for ever" if ever else f"may go after {months} months"
    return Answer(value, f"{log} of {chosen.name} {words}.")


@app.command("list")
@listing(("environment", "log", "months", "begins", "hold"), "There is no environment yet.")
async def list_terms() -> list[dict[str, Any]]:
    """List for how many months each log stays, since when it is there, and what is held.

    Example: almoner retention list
    """
    async with owned() as (connection, _):
        rows = await terms.terms(connection)
    return [
        dict(row) | {"begins": None if row["begins"] is None else clocks.iso(row["begins"])}
        for row in rows
    ]


@app.command()
@acting()
async def hold(
    reason: Annotated[str, typer.Option(help="Why nothing may go.")],
    environment: ENVIRONMENT = None,
) -> Answer:
    """Keep everything in the logs of an environment, however old, as while a court asks for it.

    Example: almoner retention hold --reason "Case 12 of 2026" --environment production
    """
    async with working_at(environment) as (connection, chosen), connection.transaction():
        await terms.hold(connection, chosen.id, reason)
    return Answer({"environment": chosen.name}, f"Nothing of the logs of {chosen.name} goes now.")


@app.command()
@acting()
async def release(environment: ENVIRONMENT = None) -> Answer:
    """End a hold.

    Example: almoner retention release --environment production
    """
    async with working_at(environment) as (connection, chosen), connection.transaction():
        if not await terms.release(connection, chosen.id):
            stop(f"Nothing of {chosen.name} is held.")
    return Answer({"environment": chosen.name}, f"The logs of {chosen.name} are held no more.")


@app.command()
@acting()
async def apply(
    dump: Annotated[
        Path | None,
        typer.Option(help="Write down there what goes, before it goes.", file_okay=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
) -> Answer:
    """Remove what is older than its term, of every environment that is not held. It cannot be taken
    back. Run it by a timer, as the role that owns the tables.

    Example: almoner retention apply --dump /srv/almoner/logs
    """
    async with owned() as (connection, _):
        removals = await removal.remove(connection, dump, dry_run=dry_run)
    rows = [asdict(each) | {"before": clocks.iso(each.before)} for each in removals]
    columns = ("environment", "log", "before", "part", "rows", "whole", "dump")
    return Answer(
        {"removed": [] if dry_run else rows, "would_remove": rows if dry_run else []},
        Rows(rows, columns, "Nothing is older than its term."),
    )
