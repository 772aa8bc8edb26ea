"""``almoner workshop``: check, publish, test and look at care programs."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from almoner.commands import draft, program_versions
from almoner.commands.answering import Answer, acting
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
from almoner.commands.session import (
    AS_JSON,
    ENVIRONMENT,
    called,
    connect,
    place,
    print_json,
    run,
    say,
    stop,
    working_at,
)
from almoner.database import Connection
from almoner.workshop import drafts, json_schema, kiwi_health, locks
from almoner.workshop.breakages import WORDS, Report
from almoner.workshop.design import ProgramDesign
from almoner.workshop.dry_run import examine
from almoner.workshop.publish import Breaks, Published, UnfitDesign, publish
from almoner.workshop.published_programs import design_of

app = typer.Typer(
    help=(
        "Check, publish, test and look at care programs: their phases, appointment types,"
        " assessments and data types."
    ),
    no_args_is_help=True,
)
app.add_typer(draft.app, name="draft")
# The parts of a program whose names are not a word for one of them and an s.
_COUNTED = {
    "processes": ("process", "processes"),
    "sidebar": ("card of the profile", "cards of the profile"),
}


@app.command("check")
def check_file(
    file: FILE,
    against: Annotated[
        str | None,
        typer.Option(
            help="Also tell what it would break in this environment.", metavar="ENVIRONMENT"
        ),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Check a program file without publishing it. Every problem is listed with its line.

    With --against, also a dry run: stored records that would no longer fit, patients in a phase
    that is gone, and so on. Ends with 1 where the file has problems, with 3 where it would break
    something.

    Example: almoner workshop check program.yaml

    Example: almoner workshop check program.yaml --against production
    """
    design = parsed(file, read(file), as_json)
    counts = {
        name: len(value)
        for name in design.__struct_fields__
        if isinstance(value := getattr(design, name), tuple)
        and (value or name in ("phases", "assessments"))
    }
    report = None if against is None else run(_examine(design, against))
    if as_json:
        counted = (
            {}
            if report is None
            else {"breakages": report.breakages, "against_version": report.version}
        )
        print_json({"program": design.name, **counts, "problems": [], **counted})
    else:
        listed = ", ".join(_counted(name, count) for name, count in counts.items())
        say(f"{design.name} is fit to be published: {listed}.")
        if report is not None:
            _say_report(report, against or "")
    if report is not None and report.breakages:
        raise typer.Exit(BREAKS)


def _counted(name: str, count: int) -> str:
    words = name.replace("_", " ")
    singular, plural = _COUNTED.get(name, (words.removesuffix("s"), words))
    return f"{count} {singular if count == 1 else plural}"


def _say_report(report: Report, against: str) -> None:
    if not report.version:
        say(f"Nothing is published in {against} yet, so nothing breaks.")
    elif not report.breakages:
        say(
            f"It breaks nothing in {against}; {report.examined:,} responses and records were"
            " checked."
        )
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
        typer.Option(
            help=f"What may break; give it again for each of {', '.join(WORDS)}.", metavar="WORD"
        ),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Publish a program file as a new, unchangeable version. The API checks against it from then
    on.

    What it would break is found out first. Nothing is published, and it ends with 3, where
    something breaks whose word was not given with --accept.

    Example: almoner workshop publish program.yaml --environment production

    Example: almoner workshop publish program.yaml --accept phases --accept records --message
    "Winter program" """
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
            for breakage in published.report.breakages:
                say(f"  {breakage.sentence}")


app.command("list")(program_versions.list_versions)
app.command("show")(program_versions.show)
app.command("compare")(program_versions.compare_versions)
app.command("restore")(program_versions.restore)


@app.command("lock")
@acting()
async def lock(
    test_environment: Annotated[
        str, typer.Option(help="Where it is tested: an environment made with --test-of.")
    ],
    environment: ENVIRONMENT = None,
    revision: Annotated[
        int | None, typer.Option(help="A revision of the draft; the newest when left out.")
    ] = None,
    by: BY = "",
    message: Annotated[str, typer.Option(help="A sentence about it, kept with the lock.")] = "",
) -> Answer:
    """Lock a revision of the draft and publish it where it is tested. Ends with 1, and all its
    problems, where it has any.

    Example: almoner workshop lock --environment production --test-environment rehearsal
    """
    async with connect() as (database, _), database.connection() as connection:
        chosen, test = (
            await place(connection, environment),
            await place(connection, test_environment),
        )
        if revision is None:
            revision = (await drafts.current(connection, chosen.id)).revision
        try:
            design_lock = await locks.lock(
                connection,
                chosen.id,
                revision=revision,
                test_environment_id=test.id,
                by=user(by),
                message=message,
            )
        except LookupError:
            stop(
                f"There is no revision {revision} of the draft. See: {called()} workshop draft"
                f" history{chosen.option}"
            )
        except UnfitDesign as error:
            refused(error.problems)
    words = (
        f"Revision {design_lock.revision} is locked, and published in"
        f" {design_lock.test_environment} as version {design_lock.test_version}."
    )
    return Answer(design_lock, words)


@app.command()
def example() -> None:
    """Print a program file to start from: that of the demo, an invented clinic. Change it, check
    it, publish it.

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
    async with working_at(environment) as (connection, chosen):
        with progress("Checking responses and records") as report:
            return await examine(connection, chosen.id, design, report)


async def _publish(
    source: str, environment: str | None, by: str, message: str, accept: list[str]
) -> tuple[Published, str]:
    async with working_at(environment) as (connection, chosen):
        with progress("Checking responses and records") as report:
            published = await publish(
                connection,
                chosen.id,
                program=source,
                by=by,
                message=message,
                accepting=accept,
                progress=report,
            )
        return published, (
            await _into_draft(connection, chosen.id, published, by) if published.is_new else ""
        )


async def _into_draft(
    connection: Connection, environment_id: int, published: Published, by: str
) -> str:
    """Brings the draft in line with what was published past it, so that publishing the draft does
    not undo the file.

    Returns what to say about it; nothing where nobody has a draft.
    """
    design = await design_of(connection, environment_id, published.version)
    try:
        saved = await drafts.save(connection, environment_id, -(published.version - 1), design, by)
    except drafts.Conflicted as error:
        places = "; ".join(conflict.where for conflict in error.conflicts)
        return (
            f"The Workshop's draft was left alone, since it changed the same parts: {places}."
            " Compare before it is published."
        )
    return f"The Workshop's draft has it too, as revision {saved.revision}." if saved.is_new else ""
