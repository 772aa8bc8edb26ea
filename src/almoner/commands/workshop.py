"""``almoner workshop``: check, publish, test and look at care programs."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import typer

from almoner.commands import draft
from almoner.commands.program_source import (
    BREAKS,
    BY,
    FILE,
    parsed,
    progress,
    read,
    refused,
    say_breakages,
    say_changes,
    user,
)
from almoner.commands.session import AS_JSON, ENVIRONMENT, called, connect, place, print_json, print_rows, run, say, stop
from almoner.database import Connection
from almoner.vocabulary.times import iso
from almoner.workshop import drafts, json_schema, kiwi_health, locks
from almoner.workshop.breakages import WORDS, Report, examine
from almoner.workshop.compare import Difference, compare, summary
from almoner.workshop.design import ProgramDesign
from almoner.workshop.publish import Breaks, Published, Unfit, publish
from almoner.workshop.published_programs import design_of, newest_version

app = typer.Typer(
    help="Check, publish, test and look at care programs: their phases, appointment types, assessments and data types.",
    no_args_is_help=True,
)
app.add_typer(draft.app, name="draft")
_MOST_SUMMARY = 80
_VERSION = "A published version, as `almoner workshop list` shows it"


@app.command("check")
def check_file(
    file: FILE,
    against: Annotated[
        str | None, typer.Option(help="Also tell what it would break in this environment.", metavar="ENVIRONMENT")
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Check a program file without publishing it. Every problem is listed with its line.

    With --against, also a dry run: stored records that would no longer fit, patients in a phase that is gone, and so on. Ends
    with 1 where the file has problems, with 3 where it would break something.

    Example: almoner workshop check program.yaml

    Example: almoner workshop check program.yaml --against production
    """
    design = parsed(file, read(file), as_json)
    counts = {
        name: len(value)
        for name in design.__struct_fields__
        if isinstance(value := getattr(design, name), tuple) and (value or name in ("phases", "assessments"))
    }
    report = None if against is None else run(_examine(design, against))
    if as_json:
        found = {} if report is None else {"breakages": report.breakages, "against_version": report.version}
        print_json({"program": design.name, **counts, "problems": [], **found})
    else:
        listed = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        say(f"{design.name} is fit to be published: {listed}.")
        if report is not None:
            _say_report(report, against or "")
    if report is not None and report.breakages:
        raise typer.Exit(BREAKS)


def _say_report(report: Report, against: str) -> None:
    if not report.version:
        say(f"Nothing is published in {against} yet, so nothing breaks.")
    elif not report.breakages:
        say(f"It breaks nothing in {against}; {report.examined:,} responses and records were checked.")
    else:
        say(f"It would break this in {against}:")
        say_breakages(report)


@app.command("publish")
def publish_file(
    file: FILE,
    environment: ENVIRONMENT = None,
    by: BY = "",
    message: Annotated[str, typer.Option(help="A sentence about it, kept with the version.")] = "",
    accept: Annotated[
        list[str] | None,
        typer.Option(help=f"What may break; give it again for each of {', '.join(WORDS)}.", metavar="WORD"),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Publish a program file as a new, unchangeable version. The API checks against it from then on.

    What it would break is found out first. Nothing is published, and it ends with 3, where something breaks whose word was not
    given with --accept.

    Example: almoner workshop publish program.yaml --environment production

    Example: almoner workshop publish program.yaml --accept phases --accept records --message "Winter program"
    """
    source = read(file)
    parsed(file, source, as_json)
    unknown = [word for word in accept or () if word not in WORDS]
    if unknown:
        stop(f"--accept {unknown[0]} is not known. The words are: {', '.join(WORDS)}.", 2)
    try:
        published, about_draft = run(_publish(source, environment, user(by), message, accept or []))
    except Breaks as error:
        _stop_breaking(error, as_json)
    _say_published(published, as_json)
    if about_draft and not as_json:
        say(about_draft)


def _stop_breaking(error: Breaks, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"breakages": error.report.breakages, "missing": error.missing})
        raise typer.Exit(BREAKS)
    typer.echo("Nothing was published. It would break this:", err=True)
    say_breakages(error.report, in_error=True)
    words = " ".join(f"--accept {word}" for word in error.missing)
    stop(f"Change the program, or publish it all the same by adding: {words}", BREAKS)


def _say_published(published: Published, as_json: bool) -> None:
    if as_json:
        print_json(published)
    elif not published.is_new:
        say(published.summary)
    else:
        say(f"Published version {published.version}:")
        say_changes(published.changes or (published.summary,))
        if published.report.breakages:
            say("With your leave, this broke:")
            for found in published.report.breakages:
                say(f"  {found.sentence}")


@app.command("list")
def list_versions(environment: ENVIRONMENT = None, as_json: AS_JSON = False) -> None:
    """List the published versions, the newest first.

    Example: almoner workshop list --environment production
    """
    rows, empty = run(_versions(environment))
    if as_json:
        print_json(rows)
        return
    shown = [{**row, "summary": _cut(row["message"] or row["summary"])} for row in rows]
    print_rows(shown, ("version", "published_at", "published_by", "summary"), empty)


def _cut(text: str) -> str:
    """The beginning of a summary, up to a whole word: `almoner workshop compare` tells it all."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SUMMARY else f"{line[:_MOST_SUMMARY].rsplit(' ', 1)[0].rstrip(',;')} ..."


@app.command("show")
def show(
    environment: ENVIRONMENT = None,
    version: Annotated[int | None, typer.Option(min=1, max=2**31 - 1, help=f"{_VERSION}; the newest when left out.")] = None,
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


@app.command("compare")
def compare_versions(
    versions: Annotated[list[int] | None, typer.Argument(min=1, max=2**31 - 1, help="The same two, without options.")] = None,
    version_a: Annotated[int | None, typer.Option(min=1, max=2**31 - 1, help=f"{_VERSION}: the one to compare from.")] = None,
    version_b: Annotated[
        int | None, typer.Option(min=1, max=2**31 - 1, help="That to compare with; the newest if left out.")
    ] = None,
    environment: ENVIRONMENT = None,
    as_json: AS_JSON = False,
) -> None:
    """Tell what differs between two published versions, part by part.

    Example: almoner workshop compare 2 5

    Example: almoner workshop compare --version-a 2 --version-b 5
    """
    given = versions or []
    if len(given) > 2 or (given and (version_a or version_b)):
        stop(f"Name two versions, as in: {called()} workshop compare 2 5", 2)
    if given:
        version_a, version_b = given[0], given[1] if len(given) == 2 else None
    if version_a is None:
        stop(f"Say which versions, as in: {called()} workshop compare 2 5", 2)
    differences = run(_compare(environment, version_a, version_b))
    if as_json:
        print_json({"summary": summary(differences), "differences": differences})
        return
    say(f"{summary(differences)[:1].upper()}{summary(differences)[1:]}{':' if differences else '.'}")
    say_changes(differences)


@app.command("restore")
def restore(
    version: Annotated[int, typer.Option(min=1, max=2**31 - 1, help=f"{_VERSION}.")],
    environment: ENVIRONMENT = None,
    by: BY = "",
    as_json: AS_JSON = False,
) -> None:
    """Make a published version the draft again. What was in the draft stays in its history; nothing is published.

    Example: almoner workshop restore --version 3 --environment production
    """
    saved, option = run(_restore(environment, version, user(by)))
    if as_json:
        print_json({"revision": saved.revision, "is_new": saved.is_new})
        return
    what = f"is revision {saved.revision} of the draft" if saved.is_new else "is what the draft holds already"
    say(f"Version {version} {what}. See it with: {called()} workshop draft show{option}")


@app.command("lock")
def lock(
    test_environment: Annotated[str, typer.Option(help="Where it is tested: an environment made with --test-of.")],
    environment: ENVIRONMENT = None,
    revision: Annotated[int | None, typer.Option(help="A revision of the draft; the newest when left out.")] = None,
    by: BY = "",
    message: Annotated[str, typer.Option(help="A sentence about it, kept with the lock.")] = "",
    as_json: AS_JSON = False,
) -> None:
    """Lock a revision of the draft and publish it where it is tested. Ends with 1, and all its problems, where it has any.

    Example: almoner workshop lock --environment production --test-environment rehearsal
    """
    try:
        made = run(_lock(environment, test_environment, revision, user(by), message))
    except Unfit as error:
        refused(error.problems)
    if as_json:
        print_json(made)
    else:
        say(f"Revision {made.revision} is locked, and published in {made.test_environment} as version {made.test_version}.")


@app.command()
def example() -> None:
    """Print a program file to start from: that of the demo, an invented clinic. Change it, check it, publish it.

    Example: almoner workshop example > program.yaml
    """
    typer.echo(kiwi_health.source(), nl=False)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of program files, by which an editor completes and checks them.

    Example: almoner workshop schema > program.schema.json
    """
    typer.echo(json_schema.text(), nl=False)


async def _examine(design: ProgramDesign, environment: str) -> Report:
    async with connect() as (database, _), database.connection() as connection:
        chosen = await place(connection, environment)
        with progress("Checking responses and records") as told:
            return await examine(connection, chosen.id, design, told)


async def _publish(source: str, environment: str | None, by: str, message: str, accept: list[str]) -> tuple[Published, str]:
    async with connect() as (database, _), database.connection() as connection:
        chosen = await place(connection, environment)
        with progress("Checking responses and records") as told:
            published = await publish(
                connection, chosen.id, program=source, by=by, message=message, accepting=accept, progress=told
            )
        return published, await _into_draft(connection, chosen.id, published, by) if published.is_new else ""


async def _into_draft(connection: Connection, environment_id: int, published: Published, by: str) -> str:
    """Brings the draft in line with what was published past it, so that publishing the draft does not undo the file.

    Returns what to say about it; nothing where nobody has a draft.
    """
    design = await design_of(connection, environment_id, published.version)
    try:
        saved = await drafts.save(connection, environment_id, -(published.version - 1), design, by)
    except drafts.Conflicted as error:
        places = "; ".join(conflict.where for conflict in error.conflicts)
        return f"The Workshop's draft was left alone, since it changed the same parts: {places}. Compare before it is published."
    return f"The Workshop's draft has it too, as revision {saved.revision}." if saved.is_new else ""


async def _versions(environment: str | None) -> tuple[list[dict[str, Any]], str]:
    async with connect() as (database, _), database.connection() as connection:
        chosen = await place(connection, environment)
        rows = await connection.fetch(
            "SELECT version, published_at, published_by, message, summary FROM programs WHERE environment_id = $1 "
            "ORDER BY version DESC",
            chosen.id,
        )
    return [{**row, "published_at": iso(row["published_at"])} for row in rows], _nothing_yet(chosen.option)


async def _version(environment: str | None, version: int | None) -> dict[str, Any]:
    async with connect() as (database, _), database.connection() as connection:
        chosen = await place(connection, environment)
        newest = await newest_version(connection, chosen.id)
        row = await connection.fetchrow(
            "SELECT version, published_at, published_by, message, summary, source FROM programs "
            "WHERE environment_id = $1 AND version = $2",
            *(chosen.id, newest if version is None else version),
        )
    if row is None:
        _no_version(version, newest, chosen.option)
    return {**row, "published_at": iso(row["published_at"])}


async def _compare(environment: str | None, version_a: int, version_b: int | None) -> tuple[Difference, ...]:
    async with connect() as (database, _), database.connection() as connection:
        chosen = await place(connection, environment)
        newest = await newest_version(connection, chosen.id)
        before, after = [await _design(connection, chosen.id, n, newest, chosen.option) for n in (version_a, version_b or newest)]
    return compare(before, after)


async def _restore(environment: str | None, version: int, by: str) -> tuple[drafts.Saved, str]:
    async with connect() as (database, _), database.connection() as connection:
        chosen = await place(connection, environment)
        await _design(connection, chosen.id, version, await newest_version(connection, chosen.id), chosen.option)
        return await drafts.restore(connection, chosen.id, version, by), chosen.option


async def _lock(environment: str | None, test_environment: str, revision: int | None, by: str, message: str) -> locks.Lock:
    async with connect() as (database, _), database.connection() as connection:
        chosen, test = await place(connection, environment), await place(connection, test_environment)
        if revision is None:
            revision = (await drafts.current(connection, chosen.id)).revision
        try:
            return await locks.lock(connection, chosen.id, revision=revision, test_environment_id=test.id, by=by, message=message)
        except LookupError:
            stop(f"There is no revision {revision} of the draft. See: {called()} workshop draft history{chosen.option}")


async def _design(connection: Connection, environment_id: int, version: int, newest: int, option: str) -> ProgramDesign:
    try:
        return await design_of(connection, environment_id, version)
    except LookupError:
        _no_version(version, newest, option)


def _no_version(version: int | None, newest: int, option: str) -> NoReturn:
    stop(f"There is no version {version}. The newest is {newest}." if newest else _nothing_yet(option))


def _nothing_yet(option: str) -> str:
    return f"Nothing is published yet. Publish a program with: {called()} workshop publish program.yaml{option}"
