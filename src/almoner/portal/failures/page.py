"""What could not be done by itself: the part of the inbox of whoever administers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from almoner.access import worker_events
from almoner.access.worker_events import Kind
from almoner.database import Connection
from almoner.errors import problem
from almoner.integrations import jobs
from almoner.integrations.handler import TASKS
from almoner.integrations.installed import installed
from almoner.pages.filters import counted
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.portal.failures import queries
from almoner.portal.failures.queries import Dismissal, Failure, Owner
from almoner.processes import firings, pauses
from almoner.processes.pauses import Pause
from almoner.processes.programs import titles_in
from almoner.resources import BY_NAME
from almoner.vocabulary.kinds import Guid
from almoner.work import dismissals, owners
from almoner.workshop import published_programs
from almoner.workshop.published_programs import Outline

PATH: Final = "/inbox/failures"
_FOLDER: Final = "portal/failures"
_MAY: Final = "administer"
LONGEST_REASON: Final = 500
_ALL_PROCESSES: Final = "All processes"
_GONE: Final = "There is no such failure any more: it was tried again or mended. Look again."
_DONE: Final = {
    "retried": "It is tried again. What is mended is gone from here in a moment.",
    "dismissed": "It is dismissed, and stands among the dismissed ones with your reason.",
    "brought-back": "It is a failure again.",
    "taken": "You see to it. It stays here until it is mended.",
    "left": "It is for whoever administers again.",
}


@dataclass(frozen=True, kw_only=True)
class ListedFailure:
    """A failure with what it is called. ``path`` leads to all of it, ``patient_path`` to the
    patient's record; both are blank for who may not open them, and so is ``patient``.
    ``owner`` has taken it; None while it is for whoever administers.
    """

    failure: Failure
    title: str
    path: str
    patient: str
    patient_path: str
    dismissal: Dismissal | None
    owner: Owner | None
    is_mine: bool


@dataclass(frozen=True, kw_only=True)
class FailuresPage:
    """``of_dismissed``: those that were put away are shown, and ``others`` is how many there are of
    the other sort. ``paused`` says what is paused, since what it holds fails only later.
    """

    rows: tuple[ListedFailure, ...]
    most: int
    of_dismissed: bool
    others: int
    paused: tuple[tuple[str, Pause], ...]
    pauses_path: str
    done: str


@dataclass(frozen=True, kw_only=True)
class DismissPage:
    """Asks why a failure is put away. ``error`` says what is wrong with the reason that was
    typed.
    """

    failure: Failure
    title: str
    reason: str
    error: str
    longest: int


async def show(visit: Visit) -> Response:
    """The failures as they are now; who mends one sees it go."""
    owner, of_dismissed = visit.environment_id, visit.query("of") == "dismissed"
    async with visit.parts.database.connection() as connection:
        newest = await queries.failures(connection, owner, of_dismissed)
        others = await queries.count(connection, owner, not of_dismissed)
        why = await queries.dismissals(connection, owner, newest) if of_dismissed else {}
        taken = await queries.owners(connection, owner, newest)
        paused = await pauses.all_of(connection, owner)
        outline = await published_programs.outline_at(connection, owner, visit.program.version)
        names = {}
        if "give_care" in visit.rights.may:
            ids = [failure.patient_id for failure in newest if failure.patient_id]
            only_of = patient_access.only_of(visit)
            names = await queries.names(connection, owner, only_of, ids)
    titles = _titles(outline)
    page = FailuresPage(
        rows=tuple(
            _row(visit, each, titles, names, state=(why.get(each.id), taken.get(each.id)))
            for each in newest
        ),
        most=queries.MOST,
        of_dismissed=of_dismissed,
        others=others,
        paused=_in_words(paused, titles),
        pauses_path="/workshop/automation" if "design" in visit.rights.may else "",
        done=_DONE.get(visit.query("done"), ""),
    )
    return visit.page(f"{_FOLDER}/failures.html", page)


def _titles(outline: Outline | None) -> dict[tuple[str, str], str]:
    """What people call processes and integrations, by the sort of a failure and the name."""
    titles = {("process", name): title for name, title in titles_in(outline).items()}
    return titles | {("integration", name): each.title for name, each in installed().items()}


def _in_words(
    paused: list[Pause], titles: Mapping[tuple[str, str], str]
) -> tuple[tuple[str, Pause], ...]:
    """What is paused, each with its pause; those of patients are told as one, by the newest."""
    words = {"all": "All processes are paused", "process": "{} is paused"}
    of_patients = [pause for pause in paused if pause.kind == "patient"]
    texts = [
        (words[pause.kind].format(titles.get(("process", pause.name), pause.name)), pause)
        for pause in paused
        if pause.kind != "patient"
    ]
    if of_patients:
        patients = counted(len(of_patients), "patient")
        texts.append((f"Processes are paused for {patients}", of_patients[-1]))
    return tuple(texts)


def _row(
    visit: Visit,
    failure: Failure,
    titles: dict[tuple[str, str], str],
    names: dict[str, str],
    state: tuple[Dismissal | None, Owner | None],
) -> ListedFailure:
    dismissal, owner = state
    patient = names.get(failure.patient_id or "", "")
    # That a process has acted on hidden answers or records tells what is in them.
    if failure.of == "process" and (visit.rights.hidden_assessments or visit.rights.hidden_data):
        patient = ""
    path = ""
    if failure.of == "integration" and "integrate" in visit.rights.may:
        of_job = f"/workshop/integrations/jobs/{failure.id}"
        path = f"/workshop/integrations/{quote(failure.name)}" if failure.goes else of_job
    elif failure.of == "process" and failure.name and "design" in visit.rights.may:
        path = f"/workshop/automation/try/{quote(failure.name)}"
    return ListedFailure(
        failure=failure,
        title=titles.get((failure.of, failure.name), failure.name) or _ALL_PROCESSES,
        path=path,
        patient=patient,
        patient_path=f"/patients/{failure.patient_id}" if patient else "",
        dismissal=dismissal,
        owner=owner,
        is_mine=owner is not None and owner.actor == visit.by.actor,
    )


async def retry(visit: Visit) -> Response:
    """Tries a firing again, or what has failed of a job. Raises a 404 ApiError where it is mended
    already.
    """
    form = await visit.form()
    of_id: str | None = Guid().decode(form.text("id"), "", [])
    if of_id is None:
        raise problem("not_found", _GONE)
    async with visit.parts.database.transaction() as connection:
        if form.text("of") == "integration":
            await jobs.retry_within(
                connection,
                visit.parts.store,
                BY_NAME[TASKS],
                visit.environment_id,
                of_id,
                states=jobs.WRONG_BY_ITSELF,
                by=visit.by,
            )
        else:
            await firings.retry(connection, visit.environment_id, of_id, visit.by)
    return visit.go(f"{PATH}?done=retried")


async def ask(visit: Visit) -> Response:
    """Asks why a failure is to be put away. Raises a 404 ApiError where it is mended already."""
    return await _ask(visit, _id(visit))


async def _ask(visit: Visit, of_id: str, reason: str = "", error: str = "") -> Response:
    async with visit.parts.database.connection() as connection:
        failure = await _failure(visit, connection, of_id)
        outline = await published_programs.outline_at(
            connection, visit.environment_id, visit.program.version
        )
    page = DismissPage(
        failure=failure,
        title=_titles(outline).get((failure.of, failure.name), failure.name) or _ALL_PROCESSES,
        reason=reason,
        error=error,
        longest=LONGEST_REASON,
    )
    return visit.page(f"{_FOLDER}/dismiss.html", page, 400 if error else 200)


async def dismiss(visit: Visit) -> Response:
    """Puts a failure away with a reason. Raises a 404 ApiError where it is mended already."""
    of_id = _id(visit)
    reason = (await visit.form()).text("reason").strip()
    if not reason:
        return await _ask(visit, of_id, error="Say why, for whoever looks at it next.")
    if len(reason) > LONGEST_REASON:
        return await _ask(visit, of_id, reason, f"Say it in {LONGEST_REASON} characters.")
    async with visit.parts.database.transaction() as connection:
        failure = await _failure(visit, connection, of_id)
        await dismissals.dismiss(
            connection, visit.environment_id, of_id, visit.by.actor, reason=reason
        )
        await _note(visit, connection, "failure dismissed", failure, after={"reason": reason})
    return visit.go(f"{PATH}?done=dismissed")


async def bring_back(visit: Visit) -> Response:
    """Has a failure that was put away be one again. Raises a 404 ApiError where it is none."""
    of_id = _id(visit)
    async with visit.parts.database.transaction() as connection:
        failure = await _failure(visit, connection, of_id, dismissed=True)
        await dismissals.bring_back(connection, visit.environment_id, of_id)
        await _note(visit, connection, "failure brought back", failure)
    return visit.go(f"{PATH}?done=brought-back")


async def take(visit: Visit) -> Response:
    """Has the visitor see to a failure, or leaves it to whoever administers. Raises a 404 ApiError
    where it is mended already.
    """
    of_id, takes = _id(visit), (await visit.form()).text("do") == "take"
    async with visit.parts.database.transaction() as connection:
        failure = await _failure(visit, connection, of_id)
        if takes:
            await owners.take(connection, visit.environment_id, of_id, visit.by.actor)
        else:
            await owners.leave(connection, visit.environment_id, of_id)
        await _note(visit, connection, "failure taken" if takes else "failure left", failure)
    return visit.go(f"{PATH}?done={'taken' if takes else 'left'}")


def _id(visit: Visit) -> str:
    """The id that the address names. Raises a 404 ApiError."""
    of_id: str | None = Guid().decode(visit.path("failure"), "", [])
    if of_id is None:
        raise problem("not_found", _GONE)
    return of_id


async def _failure(
    visit: Visit, connection: Connection, of_id: str, dismissed: bool = False
) -> Failure:
    newest = await queries.failures(connection, visit.environment_id, dismissed)
    failure = next((each for each in newest if each.id == of_id), None)
    if failure is None:
        raise problem("not_found", _GONE)
    return failure


async def _note(
    visit: Visit,
    connection: Connection,
    event: Kind,
    failure: Failure,
    after: Mapping[str, str] | None = None,
) -> None:
    await worker_events.changed(
        connection,
        visit.environment_id,
        event,
        visit.by,
        f"{failure.of}:{failure.name}",
        after=after,
        detail=failure.id,
    )


ROUTES: Final = (
    PageRoute(PATH, show, may=_MAY),
    # The same for a page that draws itself again: nobody needs to be in front of it.
    PageRoute(f"{PATH}/now", show, may=_MAY, background=True),
    PageRoute(PATH, retry, may=_MAY, methods=("POST",)),
    PageRoute(f"{PATH}/{{failure}}/dismiss", ask, may=_MAY),
    PageRoute(f"{PATH}/{{failure}}/dismiss", dismiss, may=_MAY, methods=("POST",)),
    PageRoute(f"{PATH}/{{failure}}/take", take, may=_MAY, methods=("POST",)),
    PageRoute(f"{PATH}/{{failure}}/bring-back", bring_back, may=_MAY, methods=("POST",)),
)
