"""What could not be done by itself: the part of the inbox of whoever administers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from almoner.errors import problem
from almoner.integrations import jobs
from almoner.integrations.handler import TASKS
from almoner.integrations.installed import installed
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal import patient_access
from almoner.portal.failures import queries
from almoner.portal.failures.queries import Failure
from almoner.processes import firings
from almoner.resources import BY_NAME
from almoner.vocabulary.kinds import Guid
from almoner.workshop import published_programs

PATH: Final = "/inbox/failures"
_FOLDER: Final = "portal/failures"
_MAY: Final = "administer"


@dataclass(frozen=True)
class ListedFailure:
    """A failure with what it is called. ``path`` leads to all of it, ``patient_path`` to the
    patient's record; both are blank for who may not open them, and so is ``patient``.
    """

    failure: Failure
    title: str
    path: str
    patient: str
    patient_path: str


@dataclass(frozen=True)
class FailuresPage:
    rows: tuple[ListedFailure, ...]
    most: int
    tried_again: bool


async def show(visit: Visit) -> Response:
    """The failures as they are now; who mends one sees it go."""
    owner = visit.environment_id
    async with visit.parts.database.connection() as connection:
        newest = await queries.failures(connection, owner)
        outline = await published_programs.outline_at(connection, owner, visit.program.version)
        names = {}
        if "give_care" in visit.rights.may:
            ids = [failure.patient_id for failure in newest if failure.patient_id]
            only_of = patient_access.only_of(visit)
            names = await queries.names(connection, owner, only_of, ids)
    titles = {
        ("process", process.name): process.title or process.name
        for process in (outline.processes if outline is not None else ())
    }
    titles |= {("integration", name): each.title for name, each in installed().items()}
    rows = tuple(_row(visit, failure, titles, names) for failure in newest)
    page = FailuresPage(rows, queries.MOST, visit.query("done") == "retried")
    return visit.page(f"{_FOLDER}/failures.html", page)


def _row(
    visit: Visit, failure: Failure, titles: dict[tuple[str, str], str], names: dict[str, str]
) -> ListedFailure:
    patient = names.get(failure.patient_id or "", "")
    # That a process has acted on hidden answers or records tells what is in them.
    if failure.of == "process" and (visit.rights.hidden_assessments or visit.rights.hidden_data):
        patient = ""
    path = ""
    if failure.of == "integration" and "integrate" in visit.rights.may:
        path = f"/workshop/integrations/jobs/{failure.id}"
    elif failure.of == "process" and "design" in visit.rights.may:
        path = f"/workshop/automation/try/{quote(failure.name)}"
    return ListedFailure(
        failure,
        titles.get((failure.of, failure.name), failure.name),
        path,
        patient,
        f"/patients/{failure.patient_id}" if patient else "",
    )


async def retry(visit: Visit) -> Response:
    """Tries a firing again, or what has failed of a job. Raises a 404 ApiError where it is mended
    already.
    """
    form = await visit.form()
    of_id: str | None = Guid().decode(form.text("id"), "", [])
    if of_id is None:
        raise problem("not_found", "There is nothing like it to be tried again.")
    async with visit.parts.database.transaction() as connection:
        if form.text("of") == "integration":
            await jobs.retry_within(
                connection,
                visit.parts.store,
                BY_NAME[TASKS],
                visit.environment_id,
                of_id,
                states=jobs.WRONG_BY_ITSELF,
            )
        else:
            await firings.retry(connection, visit.environment_id, of_id)
    return visit.go(f"{PATH}?done=retried")


ROUTES: Final = (
    PageRoute(PATH, show, may=_MAY),
    # The same for a page that draws itself again: nobody needs to be in front of it.
    PageRoute(f"{PATH}/now", show, may=_MAY, background=True),
    PageRoute(PATH, retry, may=_MAY, methods=("POST",)),
)
