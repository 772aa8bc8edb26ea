"""``almoner workshop``: check, publish and look at care programs."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from almoner.commands.session import (
    AS_JSON,
    ENVIRONMENT,
    connect,
    environment_id,
    print_json,
    print_rows,
    run,
    say,
    stop,
)
from almoner.times import iso
from almoner.workshop.design import ProgramDesign
from almoner.workshop.program_file import ProgramFileError, parse
from almoner.workshop.publish import Published, newest_version, publish

app = typer.Typer(
    help="Check, publish and look at care programs: their phases, appointment types, assessments and data types.",
    no_args_is_help=True,
)
_NOTHING_YET = "Nothing is published yet. Publish a program with: almoner workshop publish program.yaml"
FILE = Annotated[Path, typer.Argument(help="The program file; - reads standard input.", metavar="program.yaml")]


@app.command("check")
def check_file(file: FILE, as_json: AS_JSON = False) -> None:
    """Check a program file without publishing it. Every problem is listed with its line.

    Example: almoner workshop check program.yaml
    """
    design = _checked(file, _read(file), as_json)
    counts = {
        name: len(getattr(design, name))
        for name in ("phases", "appointment_types", "assessments", "custom_data_types", "task_types")
    }
    if as_json:
        print_json({"program": design.name, **counts, "problems": []})
        return
    listed = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
    say(f"{design.name} is fit to be published: {listed}.")


@app.command("publish")
def publish_file(
    file: FILE,
    environment: ENVIRONMENT = None,
    by: Annotated[str, typer.Option(help="Who publishes; the user of this machine when left out.")] = "",
    as_json: AS_JSON = False,
) -> None:
    """Publish a program file as a new, unchangeable version. The API checks against it from then on.

    Example: almoner workshop publish program.yaml --environment production
    """
    source = _read(file)
    _checked(file, source, as_json)
    published = run(_publish(source, environment, by or _user()))
    if as_json:
        print_json(published)
        return
    if not published.is_new:
        say(published.summary)
        return
    say(f"Published version {published.version}:")
    for change in published.changes or (published.summary,):
        say(f"  {change}")


@app.command("show")
def show(
    environment: ENVIRONMENT = None,
    version: Annotated[int | None, typer.Option(min=1, max=2**31 - 1, help="The newest when left out.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Print a published program as the file that it was published from.

    Example: almoner workshop show --version 2 > program.yaml
    """
    found = run(_version(environment, version))
    if as_json:
        print_json(found)
    else:
        typer.echo(found["source"], nl=not found["source"].endswith("\n"))


@app.command("list")
def list_versions(environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """List the published versions, the newest first.

    Example: almoner workshop list --environment production
    """
    rows = run(_versions(environment))
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("version", "published_at", "published_by", "summary"), _NOTHING_YET)


def _read(file: Path) -> str:
    """The text of the file, or of standard input. Ends the command where it cannot be read."""
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        stop(f"{file} cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        stop(f"{file} is not UTF-8: byte {error.start + 1} does not belong. Save it as UTF-8.")


def _checked(file: Path, source: str, as_json: bool) -> ProgramDesign:
    """The design that the source holds. Ends the command with its problems where it holds none."""
    try:
        return parse(source)
    except ProgramFileError as error:
        if as_json:
            print_json({"problems": error.problems})
            raise typer.Exit(1) from None
        lines = [f"{file}:{p.line}: {p.path + ': ' if p.path else ''}{p.text}" for p in error.problems]
        stop("\n".join([*lines, f"Problems: {len(lines)}."]))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


async def _publish(source: str, environment: str | None, by: str) -> Published:
    async with connect() as (database, _), database.connection() as connection:
        return await publish(connection, await environment_id(connection, environment), source, by)


async def _versions(environment: str | None) -> list[dict[str, Any]]:
    async with connect() as (database, _), database.connection() as connection:
        rows = await connection.fetch(
            "SELECT version, published_at, published_by, summary FROM programs WHERE environment_id = $1 ORDER BY version DESC",
            await environment_id(connection, environment),
        )
    return [{**row, "published_at": iso(row["published_at"])} for row in rows]


async def _version(environment: str | None, version: int | None) -> dict[str, Any]:
    async with connect() as (database, _), database.connection() as connection:
        chosen = await environment_id(connection, environment)
        newest = await newest_version(connection, chosen)
        row = await connection.fetchrow(
            "SELECT version, published_at, published_by, summary, source FROM programs WHERE environment_id = $1 AND version = $2",
            *(chosen, newest if version is None else version),
        )
    if row is None:
        stop(f"There is no version {version}. The newest is {newest}." if newest else _NOTHING_YET)
    return {**row, "published_at": iso(row["published_at"])}
