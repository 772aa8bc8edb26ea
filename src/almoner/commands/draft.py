"""``almoner workshop draft``: the program that designers work on, as a file."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import typer

from almoner.commands.answering import Answer, Rows, acting
from almoner.commands.program_source import BY, FILE, parsed, read, say_changes, user
from almoner.commands.session import (
    AS_JSON,
    ENVIRONMENT,
    called,
    print_json,
    run,
    say,
    stop,
    working_at,
)
from almoner.vocabulary.times import iso
from almoner.workshop import drafts, program_text
from almoner.workshop.design import ProgramDesign

app = typer.Typer(
    help="The draft: what designers work on until it is published. Every save of it is kept.",
    no_args_is_help=True,
)
# What a command ends with where two people changed the same part.
CONFLICTS = 4


@app.command("show")
def show(
    environment: ENVIRONMENT = None,
    revision: Annotated[int | None, typer.Option(help="The newest when left out.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Print the draft as a program file. Its first line tells the revision, which `put` asks for.

    Example: almoner workshop draft show --environment production > draft.yaml
    """
    draft = run(_show(environment, revision))
    if as_json:
        print_json({"revision": draft.revision, "saved_by": draft.saved_by, "design": draft.design})
        return
    saved_by = f" saved by {draft.saved_by}" if draft.saved_by else ""
    if draft.revision < 0:
        first = f"# As published in version {-draft.revision}; put it with --base {draft.revision}"
    else:
        first = f"# Revision {draft.revision} {' '.join(saved_by.split())}"
    typer.echo(f"{first}\n{program_text.write(draft.design)}", nl=False)


@app.command("put")
def put(
    file: FILE,
    base: Annotated[
        int, typer.Option(help="The revision that the file was made from, as its first line tells.")
    ],
    environment: ENVIRONMENT = None,
    by: BY = "",
    as_json: AS_JSON = False,
) -> None:
    """Save a program file as the draft. What others saved since --base is merged with it.

    Ends with 4, and saves nothing, where somebody changed the same part: both values are shown
    then.

    Example: almoner workshop draft put draft.yaml --base 12 --environment production
    """
    design = parsed(file, read(file), as_json)
    try:
        saved, option = run(_put(environment, base, design, user(by)))
    except drafts.Conflicted as error:
        if as_json:
            print_json({"revision": error.current.revision, "conflicts": error.conflicts})
        else:
            _say_conflicts(error)
        raise typer.Exit(CONFLICTS) from None
    if as_json:
        print_json(
            {"revision": saved.revision, "is_new": saved.is_new, "merged_with": saved.merged_with}
        )
        return
    if saved.is_new:
        say(f"Saved as revision {saved.revision}: {saved.draft.summary}.")
    else:
        say(f"The draft holds this already: it is revision {saved.revision}.")
    if saved.merged_with:
        say("It was merged with what was saved meanwhile:")
        say_changes(
            f"revision {revision.revision} by {revision.saved_by}: {revision.summary}"
            for revision in saved.merged_with
        )
        say(f"See the outcome with: {called()} workshop draft show{option}")


@app.command("history")
@acting()
async def history(environment: ENVIRONMENT = None) -> Answer:
    """List the latest hundred saves of the draft, the newest first.

    Example: almoner workshop draft history --environment production
    """
    async with working_at(environment) as (connection, chosen):
        saves = await drafts.history(connection, chosen.id)
    columns = ("revision", "saved_at", "saved_by", "summary")
    rows = [
        dict(
            zip(
                columns,
                (save.revision, iso(save.saved_at), save.saved_by, save.summary),
                strict=True,
            )
        )
        for save in saves
    ]
    empty = (
        f"No draft was saved yet. It begins as what is published: {called()} workshop draft"
        f" show{chosen.option}"
    )
    return Answer(rows, Rows(rows, columns, empty))


@app.command("discard")
@acting()
async def discard(environment: ENVIRONMENT = None, by: BY = "") -> Answer:
    """Make the published program the draft again. What was saved stays in the history.

    Example: almoner workshop draft discard --environment production
    """
    async with working_at(environment) as (connection, chosen):
        saved = await drafts.discard(connection, chosen.id, user(by))
    state = f", as revision {saved.revision}." if saved.is_new else " already."
    words = f"The draft is what is published{state}"
    return Answer({"revision": saved.revision, "is_new": saved.is_new}, words)


def _say_conflicts(error: drafts.Conflicted) -> None:
    revision = error.current.revision
    typer.echo(
        f"Nothing was saved: revision {revision} by {error.current.saved_by} changed the same"
        " parts.",
        err=True,
    )
    for conflict in error.conflicts:
        typer.echo(f"\n{conflict.where}", err=True)
        typer.echo(f"  was:    {_value(conflict.base)}", err=True)
        typer.echo(f"  theirs: {_value(conflict.theirs)}", err=True)
        typer.echo(f"  yours:  {_value(conflict.mine)}", err=True)
    typer.echo(
        f"\nBring your file in line with revision {revision} where it should stay, and put it with:"
        f" --base {revision}",
        err=True,
    )


def _value(value: Any) -> str:
    return (
        "(nothing)" if value is None else json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
    )


async def _show(environment: str | None, revision: int | None) -> drafts.Draft:
    async with working_at(environment) as (connection, chosen):
        if revision is None:
            return await drafts.current(connection, chosen.id)
        try:
            return await drafts.at(connection, chosen.id, revision)
        except LookupError:
            stop(
                f"There is no revision {revision} of the draft. See: {called()} workshop draft"
                f" history{chosen.option}"
            )


async def _put(
    environment: str | None, base: int, design: ProgramDesign, by: str
) -> tuple[drafts.Saved, str]:
    async with working_at(environment) as (connection, chosen):
        try:
            return await drafts.save(connection, chosen.id, base, design, by), chosen.option
        except LookupError:
            stop(
                f"There is no revision {base} of the draft. See: {called()} workshop draft"
                f" history{chosen.option}"
            )
