"""A job of an integration as a tree of tasks, and a task with those that it called; the routes of
these and of the integrations themselves (``integration_page.py``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from starlette.responses import Response

from almoner.errors import ApiError, problem
from almoner.integrations import again, installed, jobs
from almoner.integrations.again import RunAgain
from almoner.integrations.handler import TASKS
from almoner.pages.objects.views import Link, Offer
from almoner.resources import BY_NAME
from almoner.vocabulary.kinds import Guid
from almoner.work.step import EARLIER, OPEN, SUPERSEDED, UNSUCCESSFUL
from almoner.workshop.pages.integrations import paging, queries, task_lines
from almoner.workshop.pages.integrations.integration_page import (
    FOLDER,
    PATH,
    TITLE,
    IntegrationPages,
)
from almoner.workshop.pages.integrations.paging import Paging
from almoner.workshop.pages.integrations.queries import JobProgress, Read
from almoner.workshop.pages.integrations.task_lines import TONES, TaskLine, lasted
from almoner.workshop.pages.object_pages import WorkshopPages

# So many of the earlier runs of a task are shown, the latest ones.
FEW_EARLIER: Final = 20


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job. ``again_at``: when it was last run again, None where it never was and where nobody has
    begun to; it ``took`` so long from then on. ``is_attended``: somebody lives who does it;
    ``is_cut``: the tree may go further down than it is shown.
    """

    path: str
    status: str
    tone: str
    began_at: datetime
    again_at: datetime | None
    took: str
    progress: JobProgress
    is_attended: bool
    tree: TaskLine
    is_cut: bool


@dataclass(frozen=True)
class JobPart:
    """The part of a job's page that is drawn again while it runs."""

    view: JobView


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """A task, and a page of those that it called. ``again`` is what running it again would repeat:
    None where nobody asks, or where it cannot be run again, which ``not_again`` says.
    """

    task: TaskLine
    tasks: int
    wrong: int
    called: Sequence[TaskLine]
    paging: Paging
    earlier: Sequence[TaskLine]
    is_ended: bool
    again: RunAgain | None
    not_again: str


class _PagesOfJobs(WorkshopPages[Read]):
    """Pages of a job or of one of its tasks."""

    title = TITLE
    shows = TASKS

    def crumbs(self) -> Sequence[Link]:
        name = self.subject["queue"]
        known = installed.installed()
        title = known[name].title if name in known else name
        return [Link(PATH, TITLE), Link(f"{PATH}/{name}", title)]

    def _id(self, key: str) -> str:
        parsed = Guid().decode(key, "", [])
        if not parsed:
            raise self._none()
        return str(parsed)

    def _none(self) -> ApiError:
        return problem("not_found", self.missing.format(self.noun))

    async def _retry(self, job_id: str, states: Sequence[str], task_id: str | None = None) -> None:
        await jobs.retry_within(
            self.connection,
            self.visit.parts.store,
            BY_NAME[TASKS],
            self.owner,
            job_id,
            states=states,
            by=self.visit.by,
            task_id=task_id,
        )


class JobPages(_PagesOfJobs):
    path = f"{PATH}/jobs"
    noun = "job"
    key = "job"
    page_template = f"{FOLDER}/job.html"
    created = "The job is begun. This page follows it."
    actions: ClassVar = {
        "retry": "What failed is done again; what succeeded stays as it is.",
        "resume": "What failed or was called off is done again.",
        "cancel": "What had not ended is called off.",
    }

    def named(self) -> tuple[str, str]:
        return self.visit.path("job"), "Job"

    async def find(self, key: str) -> Read:
        top = await queries.top(self.connection, self.owner, self._id(key))
        if top is None:
            raise self._none()
        return top

    async def view(self) -> JobView:
        job_id, top = self._id(self.visit.path("job")), self.subject
        progress = await queries.progress(self.connection, self.owner, job_id)
        row = await queries.task(self.connection, self.owner, top["id"])
        assert row is not None
        tree, is_cut = await task_lines.tree(self.visit, self.connection, row)
        again_at = row["started_at"] if row["earlier_runs"] else None
        began_at = again_at or top["created_at"]
        return JobView(
            path=f"{self.path}/{job_id}",
            status=row["status"],
            tone=TONES.get(row["status"], ""),
            began_at=top["created_at"],
            again_at=again_at,
            took="" if progress.is_open else lasted(began_at, row["finished_at"]),
            progress=progress,
            is_attended=not progress.is_open or await jobs.any_runner(self.connection),
            tree=tree,
            is_cut=is_cut,
        )

    async def show_progress(self) -> Response:
        """The job as it is now, for its page; nothing where that shows it already."""
        if not self.visit.is_fragment:
            return self.go()
        job_id = self._id(self.visit.path("job"))
        progress = await queries.progress(self.connection, self.owner, job_id)
        if progress.mark == self.visit.query("mark"):
            return self.visit.unchanged()
        return self.visit.fragment(f"{FOLDER}/job_part.html", JobPart(await self.view()))

    async def retry(self) -> None:
        await self._retry(self.visit.path("job"), jobs.WRONG_BY_ITSELF)

    async def resume(self) -> None:
        await self._retry(self.visit.path("job"), UNSUCCESSFUL)

    async def cancel(self) -> None:
        store, job_id = self.visit.parts.store, self.visit.path("job")
        await jobs.cancel_within(
            self.connection, store, BY_NAME[TASKS], self.owner, job_id, by=self.visit.by
        )


class TaskPages(_PagesOfJobs):
    path = f"{PATH}/tasks"
    noun = "task"
    key = "task"
    page_template = f"{FOLDER}/task.html"
    actions: ClassVar = {
        "retry": "",
        "again": "It is run again, with what comes after it. The page of its job follows that.",
    }

    def named(self) -> tuple[str, str]:
        return self.subject["id"], self.subject["task_name"]

    def crumbs(self) -> Sequence[Link]:
        crumbs = [*super().crumbs(), Link(f"{JobPages.path}/{self.subject['job_id']}", "Job")]
        if self.subject["call"] == EARLIER:
            crumbs.append(Link(f"{self.path}/{self.subject['parent_id']}", "Run since"))
        return crumbs

    async def find(self, key: str) -> Read:
        row = await queries.task(self.connection, self.owner, self._id(key))
        if row is None:
            raise self._none()
        return row

    async def view(self) -> TaskView:
        page = paging.number(self.visit.query("page"))
        called = await queries.page_of_called(
            self.connection,
            self.owner,
            self.subject["id"],
            size=paging.SIZE,
            after=(page - 1) * paging.SIZE,
        )
        earlier = await queries.earlier_runs(
            self.connection, self.owner, self.subject["id"], FEW_EARLIER
        )
        again, not_again = await self._again()
        lines = await task_lines.of(self.visit, self.connection, [self.subject, *called, *earlier])
        first = called[0] if called else {"tasks": 0, "wrong": 0}
        return TaskView(
            task=lines.pop(self.subject["id"]),
            earlier=[lines.pop(row["id"]) for row in earlier],
            tasks=first["tasks"],
            wrong=first["wrong"],
            called=list(lines.values()),
            paging=paging.around(self.here, page, first["tasks"] > page * paging.SIZE),
            is_ended=self.subject["state"] not in (*OPEN, SUPERSEDED),
            again=again,
            not_again=not_again,
        )

    async def _again(self) -> tuple[RunAgain | None, str]:
        """What running it again would repeat, where somebody asks."""
        if not self.visit.query("again"):
            return None, ""
        try:
            return await again.plan(self.connection, self.owner, self.subject["id"]), ""
        except ApiError as error:
            return None, error.problems[0].detail

    def offers(self, view: TaskView) -> Iterable[Offer]:
        if view.task.is_unsuccessful:
            about = "It and what went wrong below it; what succeeded stays as it is."
            yield Offer("retry", "Do it again", about, "Try again", tone="primary")
        if view.again is not None:
            yield Offer("again", "Run it again", view.again.about, "Run again", tone="primary")
        elif view.not_again:
            yield Offer("", "It cannot be run again", view.not_again)

    async def retry(self) -> Response:
        job_id = self.subject["job_id"]
        await self._retry(job_id, UNSUCCESSFUL, self.subject["id"])
        return self.visit.go(f"{JobPages.path}/{job_id}?done=retry")

    async def again(self) -> None:
        store, task_id = self.visit.parts.store, self.subject["id"]
        await again.run_again_within(
            self.connection, store, BY_NAME[TASKS], self.owner, task_id, by=self.visit.by
        )


ROUTES: Final = (
    *JobPages.routes(),
    JobPages.get(f"{JobPages.path}/{{job}}/progress", JobPages.show_progress, background=True),
    *TaskPages.routes(),
    *IntegrationPages.routes(),
)
