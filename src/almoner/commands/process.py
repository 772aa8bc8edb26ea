"""``almoner process``: what a program does by itself, tried, paused and resumed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from almoner.access import keys
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.commands.answering import Answer, acting, listing
from almoner.commands.session import (
    AS_JSON,
    ENVIRONMENT,
    called,
    connect,
    environment_id,
    print_rows,
    run,
    say,
    stop,
    within,
    working_in,
)
from almoner.database import Connection
from almoner.outbound import targets
from almoner.outbound.targets import TargetError
from almoner.processes import firing_counts, hooks, pauses, trial, webhooks
from almoner.processes.pauses import Kind
from almoner.processes.would import Would
from almoner.vocabulary import clocks
from almoner.workshop import drafts, process_words, published_programs
from almoner.workshop.design import ProgramDesign
from almoner.workshop.process_checks import HOOK_NAME
from almoner.workshop.process_design import Process
from almoner.workshop.titles import titles_in

app = typer.Typer(help="What a program does by itself: tried, paused and resumed.")
NAME = Annotated[str, typer.Argument(metavar="NAME", help="The process's name in the program.")]
WHAT = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="The process's name; blank with --patient or --all."),
]
PATIENT = Annotated[str | None, typer.Option(help="Every process, for the patient of this id.")]
ALL = Annotated[bool, typer.Option("--all", help="Every process, for everybody.")]
_SEE = "process list"


@app.command("list")
@listing(
    ("name", "title", "does", "paused", "waiting", "held", "done", "failed", "last_at"),
    "The program has no processes. Design one in the Workshop, or in the program's file.",
)
async def list_processes(environment: ENVIRONMENT = None) -> list[dict[str, Any]]:
    """List the processes of the published program, with what they do and have done in 90 days.

    Example: almoner process list --environment production
    """
    async with working_in(environment) as (connection, owner):
        design = await _design(connection, owner)
        counts = await firing_counts.counts(connection, owner)
        names = [process.name for process in design.processes] if design is not None else []
        gone = await firing_counts.gone(connection, owner, names)
        paused = {(each.kind, each.name) for each in await pauses.all_of(connection, owner)}
    titles = titles_in(design) if design is not None else {}
    listed = [
        (process.name, process.title or process.name, process_words.summary(process, titles))
        for process in (design.processes if design is not None else ())
    ]
    return [
        {
            "name": name,
            "title": title,
            "does": does,
            "gone": name in gone,
            "paused": bool({("all", ""), ("process", name)} & paused),
            **_counted(counts.get(name, {})),
        }
        for name, title, does in (*listed, *((name, name, process_words.GONE) for name in gone))
    ]


def _counted(counts: Mapping[str, Any]) -> dict[str, Any]:
    last_at = counts.get("last_at")
    return {
        "waiting": counts.get("open", 0),
        "held": counts.get("held", 0),
        "done": counts.get("done", 0),
        "failed": counts.get("failed", 0),
        "last_at": None if last_at is None else clocks.iso(last_at),
    }


@app.command("try")
def try_process(
    name: NAME,
    days: Annotated[int, typer.Option(min=1, max=trial.MOST_DAYS, help="How many days back.")] = 90,
    draft: Annotated[bool, typer.Option("--draft", help="The process as it is drafted.")] = False,
    environment: ENVIRONMENT = None,
    as_json: AS_JSON = False,
) -> None:
    """List what a process would have done in the last days, to whom and when. Nothing is done.

    Example: almoner process try low_mood --days 90
    """
    run(_try(name, days, draft, environment, as_json), f"{_SEE}{within(environment)}")


async def _try(name: str, days: int, draft: bool, environment: str | None, as_json: bool) -> None:
    async with connect() as (database, _):
        async with database.connection() as connection:
            owner = await environment_id(connection, environment)
            design = (
                (await drafts.current(connection, owner)).design
                if draft
                else await _design(connection, owner)
            )
        of = "draft" if draft else "published program"
        process = _named(design, name, environment, of)
        assert design is not None
        span = trial.last_days(days, datetime.now(UTC))
        cases = trial.each_case(database, owner, design, process, span=span)
        if as_json:
            await _print_cases({"process": name, "days": days}, cases, trial.TrialSum(design))
        else:
            summed = trial.TrialSum(design)
            async for would in cases:
                summed.add(would)
            _say_what_came_of_it(process_words.summary(process, titles_in(design)), summed)


async def _print_cases(
    about: Mapping[str, Any], cases: AsyncIterator[Would], summed: trial.TrialSum
) -> None:
    """Prints one JSON object, case by case, so that none has to be kept."""
    opening = msgspec.json.encode(about).decode().removesuffix("}")
    sys.stdout.write(f'{opening}, "would_have": [')
    comma = "\n"
    async for would in cases:
        summed.add(would)
        sys.stdout.write(comma + msgspec.json.encode(would.as_json()).decode())
        comma = ",\n"
    closing = msgspec.json.encode(summed.trial().as_json()).decode().removeprefix("{")
    sys.stdout.write(f"\n], {closing}\n")


def _say_what_came_of_it(summary: str, summed: trial.TrialSum) -> None:
    tried = summed.trial()
    say(f"{summary.rstrip('.')}.")
    weeks = [{"week": week, "count": count} for week, count in tried.by_week.items()]
    print_rows(weeks, ("week", "count"), "It would have done nothing.")
    if not tried.number:
        return
    if tried.would_not_work:
        say("What would not have worked, as things are now:")
        print_rows(tried.problems(), ("number", "problem"), "")
    say("The oddest cases, one of each way to be odd:")
    odd = [case.as_json() for case in tried.oddest]
    print_rows(
        odd, ("text", "number", "when", "patient_id"), "None is odd.", frozenset({"patient_id"})
    )
    more = tried.number - len(tried.newest)
    say(f"The newest, of {tried.number:,}; --json prints all:" if more else "All of them:")
    print_rows(
        [each.as_json() for each in tried.newest],
        ("when", "patient_id", "what", "because", "problem"),
        "",
        frozenset({"patient_id"}),
    )


@app.command()
@acting(_SEE)
async def pause(
    name: WHAT = None,
    patient: PATIENT = None,
    everything: ALL = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Keep a process from acting, or every process, at once. What comes up meanwhile is held.

    Example: almoner process pause low_mood
    """
    async with _pausing(name, patient, everything, environment) as (connection, owner, kind, which):
        is_new = await pauses.pause(connection, owner, kind, which, by=AT_THE_TERMINAL)
    words = which or "--all"
    undo = f"{called()} process resume {_option(kind)}{words}{within(environment)}"
    begins = "Paused." if is_new else "It was paused already, and stays so."
    return Answer(
        {"kind": kind, "name": which, "paused": True, "changed": is_new},
        f"{begins} What comes up meanwhile is held. To go on: {undo}",
    )


@app.command()
@acting(_SEE)
async def resume(
    name: WHAT = None,
    patient: PATIENT = None,
    everything: ALL = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Let a process act again, or every process. What was held is done.

    Example: almoner process resume low_mood
    """
    async with _pausing(name, patient, everything, environment) as (connection, owner, kind, which):
        released = await pauses.resume(connection, owner, kind, which, by=AT_THE_TERMINAL)
    value = {"kind": kind, "name": which, "paused": False, "released": released or 0}
    return Answer(
        value | {"changed": released is not None},
        "It was not paused." if released is None else f"Resumed. {_released(released)}",
    )


@app.command()
@acting("process hook --help")
async def hook(
    name: Annotated[str, typer.Argument(help="What triggers of the program call it.")],
    way: Annotated[
        str,
        typer.Option(help="How its callers prove who they are: hmac or bearer; none closes it."),
    ],
    environment: ENVIRONMENT = None,
) -> Answer:
    """Open the address that another system calls to set processes off, with a new secret.

    Example: almoner process hook discharge --way hmac
    """
    if not HOOK_NAME.fullmatch(name):
        stop("A hook is named by small letters, digits and underscores, 64 at most.", 2)
    async with connect() as (database, options), database.transaction() as connection:
        owner = await environment_id(connection, environment)
        box = await keys.box(connection, options.key_source)
        secret = await hooks.HOOKS.set(connection, box, owner, name, way)
    value: dict[str, Any] = {"name": name, "way": way}
    if secret is None:
        return Answer(value, f"The hook {name} is closed.")
    value |= {"hook": f"{options.url}/processes/hooks/{name}", "hook_secret": secret}
    return Answer(value, f"The hook is {value['hook']}, and its secret, shown once: {secret}")


@asynccontextmanager
async def _pausing(
    name: str | None, patient: str | None, everything: bool, environment: str | None
) -> AsyncIterator[tuple[Connection, int, Kind, str]]:
    """A transaction in which a pause begins or ends, and what it is of."""
    kind, which = _which(name, patient, everything)
    async with working_in(environment) as (connection, owner):
        await _check(connection, owner, kind, which, environment)
        async with connection.transaction():
            yield connection, owner, kind, which


@app.command()
@acting("process webhook --help")
async def webhook(
    name: Annotated[str, typer.Argument(help="What actions of the program call it.")],
    url: Annotated[str, typer.Argument(help="Where it is; blank takes it away.")],
    environment: ENVIRONMENT = None,
) -> Answer:
    """Declare the address of another system that processes call, with a new secret.

    Example: almoner process webhook discharge https://example.org/called
    """
    if not HOOK_NAME.fullmatch(name):
        stop("A webhook is named by small letters, digits and underscores, 64 at most.", 2)
    async with connect() as (database, options), database.transaction() as connection:
        if url:
            try:
                targets.read(url, options.private_targets)
            except TargetError as error:
                stop(f"{url} {error}. Give an address such as https://example.org/called.", 2)
        owner = await environment_id(connection, environment)
        box = await keys.box(connection, options.key_source)
        secret = await webhooks.set_webhook(connection, box, owner, name, url)
    if secret is None:
        return Answer({"name": name, "url": ""}, f"The webhook {name} is taken away.")
    words = f"{name} is {url}. Calls are signed with the secret, shown once: {secret}"
    return Answer({"name": name, "url": url, "secret": secret}, words)


def _released(number: int) -> str:
    if not number:
        return "Nothing was held."
    return f"What was held goes on: {number:,}."


def _option(kind: Kind) -> str:
    return "--patient " if kind == "patient" else ""


def _which(name: str | None, patient: str | None, everything: bool) -> tuple[Kind, str]:
    """What a pause is of. Ends the command unless exactly one is named."""
    if (name is not None) + (patient is not None) + everything != 1:
        stop("Name a process, or give --patient ID, or --all: exactly one of them.", 2)
    if name is not None:
        return "process", name
    return ("patient", patient) if patient is not None else ("all", "")


async def _check(
    connection: Connection, owner: int, kind: Kind, which: str, environment: str | None
) -> None:
    """Ends the command where there is no such process or patient."""
    if kind == "process":
        design = await _design(connection, owner)
        if which not in await firing_counts.gone(connection, owner, ()):
            _named(design, which, environment)
    elif kind == "patient" and not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM patients WHERE environment_id = $1 AND id::text = $2)",
        owner,
        which,
    ):
        stop("There is no patient with this id. It is at the end of the address of a profile.")


async def _design(connection: Connection, owner: int) -> ProgramDesign | None:
    version = await published_programs.newest_version(connection, owner)
    return await published_programs.design_of(connection, owner, version) if version else None


def _named(
    design: ProgramDesign | None, name: str, environment: str | None, of: str = "published program"
) -> Process:
    known = {process.name: process for process in design.processes} if design else {}
    if name not in known:
        there = f"There is {', '.join(known)}" if known else "There is none"
        see = f"{called()} {_SEE}{within(environment)}"
        stop(f"The {of} has no process {name}. {there}. See more with: {see}")
    return known[name]
