"""``almoner workshop list``, ``show``, ``compare``, ``restore``: a program's published versions."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from almoner.commands.answering import Answer, Rows, acting
from almoner.commands.program_source import BY, user
from almoner.commands.session import ENVIRONMENT, called, stop, working_at
from almoner.database import Connection
from almoner.vocabulary.times import iso
from almoner.workshop import drafts
from almoner.workshop.compare import compare, summary
from almoner.workshop.design import ProgramDesign
from almoner.workshop.published_programs import design_of, newest_version

_MOST_SUMMARY = 80
_VERSION = "A published version, as `almoner workshop list` shows it"
_VERSION_COLUMNS = "version, published_at, published_by, message, summary"


@acting()
async def list_versions(environment: ENVIRONMENT = None) -> Answer:
    """List the published versions, the newest first.

    Example: almoner workshop list --environment production
    """
    async with working_at(environment) as (connection, chosen):
        rows = await connection.fetch(
            f"SELECT {_VERSION_COLUMNS} FROM programs WHERE environment_id = $1 ORDER BY version"
            " DESC",
            chosen.id,
        )
    versions = [{**row, "published_at": iso(row["published_at"])} for row in rows]
    table = [{**row, "summary": _cut(row["message"] or row["summary"])} for row in versions]
    columns = ("version", "published_at", "published_by", "summary")
    return Answer(versions, Rows(table, columns, _nothing_yet(chosen.option)))


def _cut(text: str) -> str:
    """The beginning of a summary, up to a whole word: `almoner workshop compare` tells it all."""
    line = " ".join(text.split())
    return (
        line
        if len(line) <= _MOST_SUMMARY
        else f"{line[:_MOST_SUMMARY].rsplit(' ', 1)[0].rstrip(',;')} ..."
    )


@acting()
async def show(
    environment: ENVIRONMENT = None,
    version: Annotated[
        int | None,
        typer.Option(min=1, max=2**31 - 1, help=f"{_VERSION}; the newest when left out."),
    ] = None,
) -> Answer:
    """Print a published program as the file that it was published from.

    Example: almoner workshop show --version 2 > program.yaml
    """
    async with working_at(environment) as (connection, chosen):
        newest = await newest_version(connection, chosen.id)
        row = await connection.fetchrow(
            f"SELECT {_VERSION_COLUMNS}, source FROM programs WHERE environment_id = $1 AND version"
            " = $2",
            *(chosen.id, newest if version is None else version),
        )
    if row is None:
        _no_version(version, newest, chosen.option)
    return Answer(
        {**row, "published_at": iso(row["published_at"])}, row["source"].removesuffix("\n")
    )


@acting()
async def compare_versions(
    versions: Annotated[
        list[int] | None,
        typer.Argument(min=1, max=2**31 - 1, help="The same two, without options."),
    ] = None,
    version_a: Annotated[
        int | None, typer.Option(min=1, max=2**31 - 1, help=f"{_VERSION}: the one to compare from.")
    ] = None,
    version_b: Annotated[
        int | None,
        typer.Option(min=1, max=2**31 - 1, help="That to compare with; the newest if left out."),
    ] = None,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Tell what differs between two published versions, part by part.

    Example: almoner workshop compare 2 5

    Example: almoner workshop compare --version-a 2 --version-b 5
    """
    numbers = versions or []
    if len(numbers) > 2 or (numbers and (version_a or version_b)):
        stop(f"Name two versions, as in: {called()} workshop compare 2 5", 2)
    if numbers:
        version_a, version_b = numbers[0], numbers[1] if len(numbers) == 2 else None
    if version_a is None:
        stop(f"Say which versions, as in: {called()} workshop compare 2 5", 2)
    async with working_at(environment) as (connection, chosen):
        newest = await newest_version(connection, chosen.id)
        before, after = [
            await _design(connection, chosen.id, n, newest, chosen.option)
            for n in (version_a, version_b or newest)
        ]
    differences = compare(before, after)
    text = summary(differences)
    words = f"{text[:1].upper()}{text[1:]}{':' if differences else '.'}"
    return Answer(
        {"summary": text, "differences": differences},
        words,
        *(f"  {difference}" for difference in differences),
    )


@acting()
async def restore(
    version: Annotated[int, typer.Option(min=1, max=2**31 - 1, help=f"{_VERSION}.")],
    environment: ENVIRONMENT = None,
    by: BY = "",
) -> Answer:
    """Make a published version the draft again. What was in the draft stays in its history; nothing
    is published.

    Example: almoner workshop restore --version 3 --environment production
    """
    async with working_at(environment) as (connection, chosen):
        await _design(
            connection,
            chosen.id,
            version,
            await newest_version(connection, chosen.id),
            chosen.option,
        )
        saved = await drafts.restore(connection, chosen.id, version, user(by))
    what = (
        f"is revision {saved.revision} of the draft"
        if saved.is_new
        else "is what the draft holds already"
    )
    words = f"Version {version} {what}. See it with: {called()} workshop draft show{chosen.option}"
    return Answer({"revision": saved.revision, "is_new": saved.is_new}, words)


async def _design(
    connection: Connection, environment_id: int, version: int, newest: int, option: str
) -> ProgramDesign:
    try:
        return await design_of(connection, environment_id, version)
    except LookupError:
        _no_version(version, newest, option)


def _no_version(version: int | None, newest: int, option: str) -> NoReturn:
    stop(
        f"There is no version {version}. The newest is {newest}."
        if newest
        else _nothing_yet(option)
    )


def _nothing_yet(option: str) -> str:
    return (
        f"Nothing is published yet. Publish a program with: {called()} workshop publish"
        f" program.yaml{option}"
    )
