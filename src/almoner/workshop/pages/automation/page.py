"""The published processes with what they have done, their pauses, and what has failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from almoner.errors import problem
from almoner.pages.objects.views import Link
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.processes import firing_counts, firings, pauses
from almoner.processes.firings import FAILED, Firing
from almoner.processes.lacking import lacking
from almoner.processes.pauses import Pause
from almoner.vocabulary.kinds import Guid
from almoner.workshop import process_words
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pages.automation.reading import (
    PATH,
    lacking_links,
    named,
    published,
    sees_patients,
)
from almoner.workshop.pages.automation.trial_page import cancel, show_firings, show_trial
from almoner.workshop.pages.frame import Frame, frame

_FOLDER: Final = "workshop/pages/automation"
_DISMISSED: Final = "/inbox/failures?of=dismissed"
_NONE: Final = {"open": 0, "held": 0, "done": 0, "failed": 0}
_DONE: Final = {
    "paused": "It is paused. What comes up meanwhile is held.",
    "resumed": "It goes on, and so does what was held.",
    "retried": "It is tried again. Load the page again in a moment to see what came of it.",
}


@dataclass(frozen=True, kw_only=True)
class ProcessRow:
    """A process of the published program, with its own pause, how many firings of 90 days are in
    which state, and what it needs that the environment does not have.
    """

    name: str
    title: str
    lines: list[tuple[str, str]]
    pause: Pause | None
    counts: Mapping[str, Any]
    lacking: list[tuple[str, Link | None]]
    is_gone: bool = False


@dataclass(frozen=True, kw_only=True)
class FailureRow:
    """A firing that failed or was stopped. ``patient_path`` is blank for who may not see it."""

    firing: Firing
    title: str
    patient_path: str
    may_retry: bool


@dataclass(frozen=True, kw_only=True)
class AutomationPage:
    frame: Frame
    processes: tuple[ProcessRow, ...]
    all_paused: Pause | None
    paused_patients: int
    failures: tuple[FailureRow, ...]
    dismissed: int
    dismissed_path: str
    done: str


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        design, titles = await published(visit, connection)
        counts = await firing_counts.counts(connection, visit.environment_id)
        gone = await firing_counts.gone(
            connection, visit.environment_id, [process.name for process in design.processes]
        )
        missing = await lacking(connection, visit.environment_id, design.processes)
        paused = {
            (each.kind, each.name): each
            for each in await pauses.all_of(connection, visit.environment_id)
        }
        failures = await firings.failures(connection, visit.environment_id)
        dismissed = await firings.count_failures(connection, visit.environment_id, dismissed=True)
        page = AutomationPage(
            frame=await frame(visit, connection),
            processes=tuple(
                ProcessRow(
                    name=process.name,
                    title=process.title or process.name,
                    lines=process_words.lines(process, titles),
                    pause=paused.get(("process", process.name)),
                    counts={**_NONE, **counts.get(process.name, {})},
                    lacking=lacking_links(visit, missing[process.name]),
                )
                for process in design.processes
            )
            + tuple(
                ProcessRow(
                    name=name,
                    title=name,
                    lines=[("", process_words.GONE)],
                    pause=paused.get(("process", name)),
                    counts={**_NONE, **counts.get(name, {})},
                    lacking=[],
                    is_gone=True,
                )
                for name in gone
            ),
            all_paused=paused.get(("all", "")),
            paused_patients=sum(kind == "patient" for kind, _ in paused),
            failures=tuple(_failure(visit, design, firing) for firing in failures),
            dismissed=dismissed,
            dismissed_path=_DISMISSED if "administer" in visit.rights.may else "",
            done=_DONE.get(visit.query("done"), ""),
        )
    return visit.page(f"{_FOLDER}/automation.html", page)


def _failure(visit: Visit, design: ProgramDesign, firing: Firing) -> FailureRow:
    named = {process.name: process.title or process.name for process in design.processes}
    return FailureRow(
        firing=firing,
        title=named.get(firing.process, firing.process),
        patient_path=f"/patients/{firing.patient_id}" if sees_patients(visit) else "",
        may_retry=firing.state == FAILED,
    )


async def act(visit: Visit) -> Response:
    """Pauses or resumes a process, or all where none is named; tries a firing again."""
    form = await visit.form()
    do, name = form.text("do"), form.text("process")
    kind: pauses.Kind = "process" if name else "all"
    async with visit.parts.database.transaction() as connection:
        if do == "retry":
            firing_id = Guid().decode(form.text("firing"), "", [])
            if firing_id is None:
                raise problem("not_found", "There is no failed firing with this id. Look again.")
            await firings.retry(connection, visit.environment_id, firing_id, visit.by)
            return visit.go(f"{PATH}?done=retried")
        if do == "pause":
            if name and name not in await firing_counts.gone(connection, visit.environment_id, ()):
                named((await published(visit, connection))[0], name)
            await pauses.pause(connection, visit.environment_id, kind, name, by=visit.by)
        else:
            await pauses.resume(connection, visit.environment_id, kind, name, by=visit.by)
    return visit.go(f"{PATH}?done={'paused' if do == 'pause' else 'resumed'}")


ROUTES: Final = (
    PageRoute(PATH, show, may="design"),
    PageRoute(PATH, act, may="design", methods=("POST",)),
    PageRoute(f"{PATH}/try/{{process:path}}", show_trial, may="design"),
    PageRoute(f"{PATH}/try/{{process:path}}", cancel, may="design", methods=("POST",)),
    PageRoute(f"{PATH}/firings/{{process:path}}", show_firings, may="design"),
)
