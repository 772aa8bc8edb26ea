"""A process tried on what has happened: what it would have done, week by week, beside what it has
done; and the firings behind a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import quote, urlencode

from starlette.responses import Response

from almoner.pages import parsing
from almoner.pages.objects.views import Link
from almoner.pages.visit import Visit
from almoner.processes import firing_counts, firings, pauses, trial
from almoner.processes.firings import Firing
from almoner.processes.lacking import lacking
from almoner.processes.pauses import Pause
from almoner.processes.trial import ProcessTrial
from almoner.processes.would import Would
from almoner.vocabulary import clocks
from almoner.workshop import drafts, process_words
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pages.automation.reading import (
    PATH,
    lacking_links,
    named,
    published,
    sees_patients,
)
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.links import LinkedProblem, linked_problems
from almoner.workshop.pages.runs import MOST_MISSES, RUNS, Progress, Run, is_cancelled
from almoner.workshop.process_design import Process
from almoner.workshop.titles import titles_in

_FOLDER: Final = "workshop/pages/automation"
DAYS: Final = 90
_UNKNOWN: Final = "The server does not know it any more. It was started again, perhaps."
# What came of firings, as the table has it: the word of the column, and the states that it counts.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "done": (firings.DONE,),
    "taken back": (firings.UNDONE,),
    "not done": (firings.NOT_MET, firings.ENDED),
    "failed": (firings.FAILED, firings.STOPPED),
    "waiting": (firings.OPEN, firings.ON_HOLD),
}


@dataclass(frozen=True)
class TrialSubject:
    """What is tried: the process of a revision of the draft (of a published version: minus its
    number), on so many days.
    """

    process: str
    revision: int
    days: int


@dataclass(frozen=True)
class WeekRow:
    """A week by its Monday: how often a process would have acted, and what came of its firings, by
    the words of ``COLUMNS``; ``paths`` lead to those.
    """

    week: date
    expected: int
    actual: Mapping[str, int]
    paths: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TrialPage:
    """``trial`` is None while its run is under way (``follow`` asks how far it is), was cancelled,
    or where it failed: ``failure`` says why. ``run`` is None where another process of the server
    has it, or ``problems`` keep a draft from being tried.

    ``lacking`` is what it needs that the environment does not have, ``pauses`` what keeps it from
    acting. ``would`` are the newest, and
    ``odd`` the oddest; both empty for who may not see patients."""

    frame: Frame
    name: str
    title: str
    lines: list[tuple[str, str]]
    lacking: list[tuple[str, Link | None]]
    pauses: tuple[Pause, ...]
    days: int
    of_draft: bool
    problems: tuple[LinkedProblem, ...]
    follow: str
    run_id: str
    run: Run | None
    cancelled: bool
    failure: str
    trial: ProcessTrial | None
    weeks: tuple[WeekRow, ...]
    columns: tuple[str, ...]
    would: tuple[Would, ...]
    sees_patients: bool


@dataclass(frozen=True, kw_only=True)
class FiringsPage:
    """The firings of a process in a week, the newest first, those in some states alone."""

    frame: Frame
    name: str
    title: str
    week: date
    column: str
    firings: tuple[Firing, ...]
    most: int
    sees_patients: bool


async def show_trial(visit: Visit) -> Response:
    """What a process would have done in the last days. Nothing is done."""
    days = parsing.whole(visit.query("days"), 1, trial.MOST_DAYS) or DAYS
    of_draft = visit.query("of") == "draft"
    now = datetime.now(UTC)
    async with visit.parts.database.connection() as connection:
        if of_draft:
            draft = await drafts.current(connection, visit.environment_id)
            design, revision = draft.design, draft.revision
        else:
            design, _ = await published(visit, connection)
            revision = -visit.program.version
        process = named(design, visit.path("process"))
        around = await frame(visit, connection)
        missing = await lacking(connection, visit.environment_id, [process])
        paused = await pauses.of_process(connection, visit.environment_id, process.name)
        actual = await firing_counts.by_week(
            connection, visit.environment_id, process.name, trial.last_days(days, now)[0]
        )
        cancelled = await is_cancelled(connection, visit.environment_id, visit.query("run"))
    problems = await linked_problems(design) if of_draft else ()
    run, run_id, misses, failure = None, visit.query("run"), 0, ""
    if not problems and not cancelled:
        run = _run(visit, design, process, TrialSubject(process.name, revision, days), now)
        if run is None:
            misses = 1 + (parsing.whole(visit.query("misses", "0"), high=999) or 0)
            if misses > MOST_MISSES:
                misses, failure = 0, _UNKNOWN
        else:
            await run.settle()
            run_id, cancelled, failure = run.id, run.cancelled, run.failure
    tried: ProcessTrial | None = run.result if run is not None else None
    sees = sees_patients(visit)
    page = TrialPage(
        frame=around,
        name=process.name,
        title=process.title or process.name,
        lines=process_words.lines(process, titles_in(design)),
        lacking=lacking_links(visit, missing[process.name]),
        pauses=paused,
        days=days,
        of_draft=of_draft,
        problems=problems,
        follow=_here(visit, days, of_draft, run_id, misses)
        if misses or (run is not None and not run.is_over)
        else "",
        run_id=run_id,
        run=run,
        cancelled=cancelled,
        failure=failure,
        trial=tried,
        weeks=_weeks(process.name, tried, actual) if tried is not None else (),
        columns=tuple(COLUMNS),
        would=tuple(tried.newest) if tried is not None and sees else (),
        sees_patients=sees,
    )
    # Over a new connection another process may be asked.
    headers = {"Connection": "close"} if misses else None
    return visit.page(f"{_FOLDER}/trial.html", page, headers=headers)


def _run(
    visit: Visit, design: ProgramDesign, process: Process, subject: TrialSubject, now: datetime
) -> Run | None:
    """The trial that this page has begun, or a new one; one of the same that is under way in this
    process of the server is joined. None where the page has begun one that another process may
    have: a second one is begun by whoever asks for it alone.
    """
    asked = RUNS.find(visit.environment_id, visit.query("run"))
    if asked is not None and asked.about == subject:
        return asked
    latest = RUNS.latest(visit.environment_id, subject)
    if latest is not None and (visit.query("run") or not latest.is_over):
        return latest
    if visit.query("run"):
        return None

    async def work(progress: Progress) -> ProcessTrial:
        return await trial.try_out(
            visit.parts.database,
            visit.environment_id,
            design,
            process,
            span=trial.last_days(subject.days, now),
            progress=progress,
        )

    return RUNS.begin(visit.parts.database, visit.environment_id, subject, work)


async def cancel(visit: Visit) -> Response:
    """Ends a trial that is under way, in whichever process of the server. Nothing was done by
    it.
    """
    form = await visit.form()
    run_id = form.text("run")
    here = f"{PATH}/try/{quote(visit.path('process'))}"
    run = RUNS.find(visit.environment_id, run_id)
    if not run_id or (run is not None and not isinstance(run.about, TrialSubject)):
        return visit.go(here)
    await RUNS.cancel(visit.parts.database, visit.environment_id, run_id)
    pairs = {"days": form.text("days"), "of": form.text("of"), "run": run_id}
    asked = urlencode({name: value for name, value in pairs.items() if value})
    return visit.go(f"{here}?{asked}")


def _here(visit: Visit, days: int, of_draft: bool, run_id: str, misses: int) -> str:
    pairs = {"days": str(days), "of": "draft" if of_draft else "live", "run": run_id}
    missed = {"misses": str(misses)} if misses else {}
    return f"{visit.here}?{urlencode(pairs | missed)}"


def _weeks(
    name: str, tried: ProcessTrial, actual: Mapping[tuple[str, str], int]
) -> tuple[WeekRow, ...]:
    weeks = sorted({*tried.by_week, *(week for week, _ in actual)})
    return tuple(
        WeekRow(
            date.fromisoformat(week),
            tried.by_week.get(week, 0),
            {
                word: sum(actual.get((week, state), 0) for state in states)
                for word, states in COLUMNS.items()
            },
            {
                word: f"{PATH}/firings/{name}?{urlencode({'week': week, 'of': word})}"
                for word in COLUMNS
            },
        )
        for week in weeks
    )


async def show_firings(visit: Visit) -> Response:
    """The firings behind a number of the table."""
    word = visit.query("of") if visit.query("of") in COLUMNS else next(iter(COLUMNS))
    day = parsing.day(visit.query("week"), 2000, 9990) or datetime.now(UTC).date()
    monday = clocks.shifted(day, -day.weekday())
    span = (
        clocks.start_of(monday, "UTC"),
        clocks.start_of(clocks.shifted(monday, 7), "UTC"),
    )
    async with visit.parts.database.connection() as connection:
        design, _ = await published(visit, connection)
        name = visit.path("process")
        rows = await firings.recent(
            connection, visit.environment_id, name, COLUMNS[word], span=span
        )
        around = await frame(visit, connection)
    process = next((each for each in design.processes if each.name == name), None)
    page = FiringsPage(
        frame=around,
        name=name,
        title=(process.title or name) if process is not None else name,
        week=monday,
        column=word,
        firings=tuple(rows),
        most=firings.MOST_LISTED,
        sees_patients=sees_patients(visit),
    )
    return visit.page(f"{_FOLDER}/firings.html", page)
