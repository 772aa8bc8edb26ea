"""``almoner integration``: what brings data in from other systems, its jobs, and new ones of one's
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from almoner.access import keys
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.commands import job_ending, new_integration
from almoner.commands.answering import Answer, Rows, acting, listing
from almoner.commands.session import (
    ENVIRONMENT,
    called,
    connect,
    environment_id,
    stop,
    warn,
    within,
    working_in,
)
from almoner.data_api.store import Store
from almoner.database import Connection, Database
from almoner.integrations import again, changed, hooks, installed, jobs, schedules
from almoner.resources import BY_NAME, RESOURCES
from almoner.vocabulary.kinds import GUID
from almoner.vocabulary.times import iso
from almoner.work.step import SUPERSEDED
from almoner.workshop.programs import PublishedPrograms

app = typer.Typer(
    help="Integrations: what brings data in from other systems, and their jobs.",
    no_args_is_help=True,
)
NAME = Annotated[str, typer.Argument(help="Its name, as `almoner integration list` shows.")]
JOB = Annotated[str, typer.Argument(metavar="JOB", help="The job_id that `run` printed.")]
_SEE = "integration list"


@app.command("list")
@listing(
    ("name", "title", "enabled", "job_id", "status", "began_at", "next_at"),
    "No integrations are installed. Begin one: {called} integration new NAME",
)
async def list_integrations(environment: ENVIRONMENT = None) -> list[dict[str, Any]]:
    """List the integrations that are installed, with the newest job of each.

    Example: almoner integration list --environment production
    """
    async with working_in(environment) as (connection, owner):
        configured = await installed.all_configured(connection, owner)
        latest = await jobs.latest(connection, owner, installed.installed())
    rows = []
    for name, integration in sorted(installed.installed().items()):
        of, job = configured.get(name, {}), latest.get(name, {})
        rows.append(
            {
                "name": name,
                "title": integration.title,
                "about": integration.about,
                "enabled": bool(of.get("enabled")),
                **_begins(of),
                "scopes": list(of.get("scopes", ())),
                "scopes_missing": list(installed.missing_scopes(integration, of.get("scopes", ()))),
                "job_id": job.get("job_id"),
                "status": job.get("status"),
                "began_at": iso(job["created_at"]) if job else None,
            }
        )
    return rows


@app.command("set")
@acting(_SEE)
async def set_settings(
    name: NAME,
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SETTING=VALUE]...", help="What is to be changed; the rest stays."),
    ] = None,
    secret_file: Annotated[
        list[str] | None,
        typer.Option(metavar="SETTING=FILE", help="A setting whose value is in a file."),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="When jobs begin by themselves, as cron writes it; blank for never."),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="The time zone that the schedule is in; at first UTC.")
    ] = None,
    hook: Annotated[
        str | None,
        typer.Option(
            metavar="hmac|bearer|none", help="Let the partner begin jobs; prints a new secret."
        ),
    ] = None,
    off: Annotated[
        bool, typer.Option("--off", help="Switch it off: its jobs are refused.")
    ] = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Set an integration up in an environment, and grant it the scopes that it asks for.

    Example: almoner integration set kiwihealth_pull base_url=https://api.kiwi.example
    client_id=almoner --secret-file client_secret=kiwi.secret
    """
    values = dict(_pair(text) for text in settings or ())
    for setting, path in map(_pair, secret_file or ()):
        values[setting] = _content(path)
    integration = installed.named(name)
    async with connect() as (database, options), database.transaction() as connection:
        owner = await environment_id(connection, environment)
        box = await keys.box(connection, options.key_source)
        granted = await installed.configure(
            connection, box, owner, integration, values, enabled=not off
        )
        if integration.changes:
            await changed.watch(connection, owner, name)
        await schedules.reset(connection, owner, name, schedule, zone, now=datetime.now(UTC))
        of = (await installed.all_configured(connection, owner))[name]
        secret = None if hook is None else await hooks.HOOKS.set(connection, box, owner, name, hook)
    value = {"name": name, "enabled": not off, "scopes": list(granted), **_begins(of)}
    if secret is not None:
        value |= {"hook": hooks.HOOKS.address(options.url, name), "hook_secret": secret}
    if off:
        return Answer(value, f"{integration.title} is switched off.")
    return Answer(value, *_set_up(integration.title, value, within(environment)))


def _set_up(title: str, value: Mapping[str, Any], where: str) -> list[str]:
    lines = [
        f"{title} is set up, and may use: {', '.join(value['scopes']) or 'nothing'}.",
        f"Run it: {called()} integration run {value['name']}{where}",
    ]
    if value["next_at"]:
        lines.append("It begins by itself at {next_at}: {schedule}, {zone}".format(**value))
    if "hook" in value:
        lines.append(
            "Its hook is {hook}, and the secret, shown once: {hook_secret}".format(**value)
        )
    return lines


def _begins(of: Mapping[str, Any]) -> dict[str, Any]:
    next_at = iso(of["next_at"]) if of.get("next_at") else None
    return {"schedule": of.get("schedule"), "zone": of.get("zone"), "next_at": next_at}


@app.command()
@acting(_SEE)
async def run(
    name: NAME,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Return when the job has ended, with 1 if it did not go through."
        ),
    ] = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Begin a job of an integration. It is done by `almoner worker`, or a server with
    --with-worker.

    With --wait it ends with 1, and the errors on standard error, where the job did not go through
    or was called off. Items that failed are no reason: the status and the counts tell of them.

    Example: almoner integration run kiwihealth_pull --wait --json
    """
    integration = installed.named(name)
    async with connect() as (database, options):
        async with database.connection() as connection:
            owner = await environment_id(connection, environment)
            box = await keys.box(connection, options.key_source)
            # What is missing is told before anything is begun.
            await installed.configured(connection, box, owner, integration)
        store, tasks = _store(database), jobs.tasks_of(BY_NAME)
        job_id = await jobs.begin(database, store, tasks, owner, integration, by=AT_THE_TERMINAL)
        if wait:
            await job_ending.ended(database, owner, job_id)
        async with database.connection() as connection:
            job = await jobs.show(connection, owner, job_id)
    value = {name: job[name] for name in ("job_id", "integration", "status", "counts")}
    see = f"{called()} integration show {job_id}{within(environment)}"
    ending = f"It {_ending(job['status'])}." if wait else "It is done beside this."
    problems = job_ending.why_not_through(job) if wait else []
    for line in problems:
        warn(line)
    return Answer(
        value, f"Began the job {job_id}. {ending} See it: {see}", status=1 if problems else 0
    )


@app.command()
@acting(_SEE)
async def show(
    job: JOB,
    earlier: Annotated[
        bool, typer.Option("--earlier", help="Also the runs before the one that counts.")
    ] = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Show a job: its tasks as a tree, how each ended, and the errors in words.

    Example: almoner integration show 0193a8a2-6e6c-7e6b-9d7b-2f6f0f3f3f3f
    """
    async with working_in(environment) as (connection, owner):
        whole = await jobs.show(connection, owner, job, earlier)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(whole["counts"].items()))
    rows = Rows(_tree(whole["tasks"]), ("task", "status", "tries", "ref_ids", "errors"), "")
    return Answer(whole, f"{whole['integration']} {_ending(whole['status'])}: {counts}.", rows)


@app.command()
@acting(_SEE)
async def retry(
    job: JOB,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what failed, not what was called off.")
    ] = False,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TASK",
            help="Run a task again, though it succeeded, with all that comes after it: its name"
            " where the job has one of it, else its id.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --from: do it without asking.")] = False,
    environment: ENVIRONMENT = None,
) -> Answer:
    """Do again what of a job went wrong; what succeeded stays as it is.

    With --from, a task is run again with all below it and what was called after it; what that
    repeats is told first.

    Example: almoner integration retry 0193a8a2-6e6c-7e6b-9d7b-2f6f0f3f3f3f --failed
    """
    if first is not None and failed:
        stop("Give --failed or --from, not both.", 2)
    if first is not None:
        return await _run_again(job, first, yes, environment)
    async with connect() as (database, _):
        async with database.connection() as connection:
            owner = await environment_id(connection, environment)
        values = (database, _store(database), jobs.tasks_of(BY_NAME), owner, job)
        count = await jobs.retry(*values, by=AT_THE_TERMINAL, failed_only=failed)
    value = {"job_id": job, "retried": count}
    return Answer(value, f"{_tasks(count)} done again." if count else "Nothing went wrong in it.")


async def _run_again(job: str, task: str, yes: bool, environment: str | None) -> Answer:
    async with connect() as (database, _):
        async with database.connection() as connection:
            owner = await environment_id(connection, environment)
            task_id = await _task_id(connection, owner, job, task, environment)
            planned = await again.plan(connection, owner, task_id)
        if planned.job_id != job:
            stop(f"The task {task} is of another job: {planned.job_id}.", 2)
        if not yes:
            warn(f"{planned.task_name}: {planned.about}")
            typer.confirm("Run it again?", abort=True, err=True)
        async with database.transaction() as connection:
            done = await again.run_again_within(
                connection,
                _store(database),
                jobs.tasks_of(BY_NAME),
                owner,
                task_id,
                by=AT_THE_TERMINAL,
            )
    repeat = done.repeat
    value = {
        "job_id": job,
        "task_id": task_id,
        "task_name": done.task_name,
        "below": len(repeat.below),
        "after": len(repeat.after),
        "had_written": list(done.written),
    }
    see = f"{called()} integration show {job} --earlier{within(environment)}"
    return Answer(value, f"{done.task_name} is run again. {done.about}", f"See it: {see}")


async def _task_id(
    connection: Connection, owner: int, job: str, task: str, environment: str | None
) -> str:
    """The id of a task of a job, by that or by its name. Ends the command where there is none, or
    where there are several.
    """
    whole = await jobs.show(connection, owner, job)
    tasks = whole["tasks"]
    names = (task, f"{whole['integration']}.{task}")
    ids = [each["id"] for each in tasks if task == each["id"] or each["task_name"] in names]
    see = f"{called()} integration show {job} --json{within(environment)}"
    if len(ids) > 1:
        stop(f"The job has {len(ids):,} tasks {task}. Name one by its id: {see}", 2)
    # A large job lists its first tasks only.
    if not ids and not GUID.fullmatch(task):
        known = ", ".join(sorted({each["task_name"] for each in tasks}))
        stop(f"The job has no task {task}. It has {known}. Their ids: {see}", 2)
    return str(ids[0]) if ids else task


@app.command()
@acting(_SEE)
async def cancel(job: JOB, environment: ENVIRONMENT = None) -> Answer:
    """Call off what of a job has not ended. What a task was writing is undone.

    Example: almoner integration cancel 0193a8a2-6e6c-7e6b-9d7b-2f6f0f3f3f3f
    """
    async with connect() as (database, _):
        async with database.connection() as connection:
            owner = await environment_id(connection, environment)
        values = (database, _store(database), jobs.tasks_of(BY_NAME), owner, job)
        count = await jobs.cancel(*values, by=AT_THE_TERMINAL)
    value = {"job_id": job, "cancelled": count}
    return Answer(value, f"{_tasks(count)} called off." if count else "It had ended already.")


def _tasks(count: int) -> str:
    return "1 task is" if count == 1 else f"{count:,} tasks are"


@app.command()
@acting()
async def new(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits and _.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> Answer:
    """Make a package for an integration of one's own, with a test that runs it.

    Example: almoner integration new clinic_pull
    """
    package = new_integration.write(folder, name)
    return Answer(
        {"name": name, "folder": str(package), "files": sorted(new_integration.files(name))},
        f"Made {package}. Install it beside Almoner and try it:",
        *(f"  {line}" for line in new_integration.commands(package)),
        f"  {called()} integration list",
        f"Then start `{called()} worker`, or a server that has one, again: what runs already does"
        " not know it.",
    )


def _store(database: Database) -> Store:
    return Store(database, PublishedPrograms(database), RESOURCES)


def _pair(text: str) -> tuple[str, str]:
    setting, parted, value = text.partition("=")
    if not parted:
        stop(f"Write a setting as SETTING=VALUE, not {setting}.", 2)
    return setting, value


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        stop(f"{path} cannot be read.", 2)


def _ending(status: str) -> str:
    return {"succeeded": "has succeeded", "failed": "has failed"}.get(status, f"is {status}")


def _tree(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks below those that called them, each a step further in."""
    below: dict[str | None, list[dict[str, Any]]] = {}
    for task in tasks:
        below.setdefault(task["parent_id"], []).append(task)
    rows: list[dict[str, Any]] = []

    def add(parent: str | None, depth: int) -> None:
        for task in sorted(below.get(parent, ()), key=lambda task: task["created_at"]):
            rows.append(
                {
                    "task": "  " * depth + task["task_name"],
                    "status": task["status"] + ", earlier run" * (task["state"] == SUPERSEDED),
                    "tries": task["attempts"],
                    "ref_ids": ", ".join(task["ref_ids"]),
                    "errors": "; ".join(
                        f"{error['code']}: {error['message']}"
                        for error in task["errors"]
                        if error["code"] != again.EARLIER_RUN["code"]
                    ),
                }
            )
            add(task["id"], depth + 1)

    add(None, 0)
    return rows
