"""Publishing the draft, or what was locked: nothing is published that its publisher has not
seen.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages import parsing
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.workshop import drafts, locks, publish, publish_requests
from almoner.workshop.design import ProgramDesign
from almoner.workshop.drafts import Draft
from almoner.workshop.locks import Lock
from almoner.workshop.pages import dry_runs
from almoner.workshop.pages.changes import ElementChanges, grouped
from almoner.workshop.pages.check.page import Following, followed
from almoner.workshop.pages.dry_runs import Subject
from almoner.workshop.pages.editor.saving import author
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.links import LinkedProblem, linked_problems
from almoner.workshop.pages.program_owner import away
from almoner.workshop.pages.runs import MOST_MISSES, RUNS, Progress, Run
from almoner.workshop.publish import Breaks, Overtaken, Published, UnfitDesign, Widens
from almoner.workshop.publish_requests import PublishRequest, Wish
from almoner.workshop.published_programs import design_of, newest_version

_FOLDER: Final = "workshop/pages/publish"
_PATH: Final = "/workshop/publish"
LONGEST_MESSAGE: Final = 2000


@dataclass(frozen=True)
class Intent:
    """What somebody wants to publish, as their form states it. ``lock`` is 0 for the draft;
    ``subject`` is what they were shown.
    """

    subject: Subject
    lock: int = 0
    message: str = ""
    accepted: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class PublishPage:
    """What would be published. ``moved`` tells, in a sentence, that this is not what the form was
    about that was sent.

    ``following`` is the dry run, None as long as it has not begun; ``waiting`` is a publish that
    waits for a second person."""

    frame: Frame
    intent: Intent
    lock: Lock | None
    live_version: int
    elements: tuple[ElementChanges, ...]
    problems: tuple[LinkedProblem, ...]
    following: Following | None
    moved: str
    error: str
    refused: str
    waiting: PublishRequest | None
    longest: int = LONGEST_MESSAGE


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """A publish under way."""

    frame: Frame
    run: Run
    run_id: str
    misses: int = 0
    gives_up: bool = False


@dataclass(frozen=True)
class Waits:
    """That a publish waits for a second person, under this number."""

    number: int


@dataclass(frozen=True)
class _PublishSource:
    """What is published: a revision of the draft, by a lock or as it is now."""

    draft: Draft
    lock: Lock | None
    live_version: int

    @property
    def subject(self) -> Subject:
        return Subject(self.draft.revision, self.live_version)


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        source = await _source(visit, connection, _number(visit.query("lock")))
        return await _page(
            visit,
            connection,
            source,
            Intent(source.subject, source.lock.number if source.lock else 0),
        )


async def begin(visit: Visit) -> Response:
    """Publishes what was shown. What takes long goes on in the background."""
    form = await visit.form()
    intent = _intent(form)
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        source = await _source(visit, connection, intent.lock)
        moved = _moved(intent, source)
        error = (
            ""
            if len(intent.message) <= LONGEST_MESSAGE
            else f"This is longer than {LONGEST_MESSAGE:,} characters. Shorten it."
        )
        if moved or error:
            return await _page(visit, connection, source, intent, moved=moved, error=error)
    run = _publishing(visit, source.draft.design, intent)
    if not await run.settle():
        return visit.go(f"{_PATH}/run/{run.id}")
    return await _outcome(visit, run)


def _publishing(visit: Visit, design: ProgramDesign, intent: Intent) -> Run:
    environment_id, name, parts, by = visit.environment_id, author(visit), visit.parts, visit.by

    async def work(progress: Progress) -> Published | Waits:
        async with parts.database.connection() as connection:
            arguments = (
                name,
                intent.message,
                intent.accepted,
                progress,
                intent.subject.live_version,
            )
            try:
                published = await publish.publish(
                    connection, environment_id, design, *arguments, granter=by
                )
            except Widens as widens:
                wish = Wish(design, intent.message, intent.accepted, intent.subject.live_version)
                return Waits(
                    await publish_requests.ask(
                        connection,
                        environment_id,
                        wish=wish,
                        widens=widens.sentences,
                        author=name,
                        by=by,
                    )
                )
        await parts.programs.newest(environment_id)
        return published

    return RUNS.begin(
        parts.database,
        environment_id,
        ("publish", intent.subject),
        work,
        intent,
        expects=(Breaks, UnfitDesign, Overtaken),
    )


async def show_run(visit: Visit) -> Response:
    """A publish under way as a page of its own, or what came of it."""
    run = _run(visit)
    if run is None:
        return visit.go(_PATH)
    if run.is_over:
        return await _outcome(visit, run)
    async with visit.connection() as connection:
        return visit.page(
            f"{_FOLDER}/run.html",
            RunPage(frame=await frame(visit, connection), run=run, run_id=run.id),
        )


async def follow(visit: Visit) -> Response:
    """How far a publish is; once it is over, the page goes on to what came of it."""
    run = _run(visit)
    if run is None:
        misses_so_far = visit.query("misses", "0")
        misses = 1 + (parsing.whole(misses_so_far, high=999) or 0)
        # Another process may know it: over a new connection that one may be asked.
        context = RunOnly(None, visit.path("run"), misses, misses >= MOST_MISSES)
        return visit.fragment(f"{_FOLDER}/progress.html", context, headers={"Connection": "close"})
    if run.is_over:
        return visit.go(f"{_PATH}/run/{run.id}")
    return visit.fragment(f"{_FOLDER}/progress.html", RunOnly(run, run.id))


@dataclass(frozen=True)
class RunOnly:
    """A publish under way, as the part of the page that follows it. ``run`` is None where this
    process does not know it.
    """

    run: Run | None
    run_id: str
    misses: int = 0
    gives_up: bool = False


async def cancel(visit: Visit) -> Response:
    here = _run(visit)
    if here is None and RUNS.find(visit.environment_id, visit.path("run")) is not None:
        return visit.go(_PATH)  # other work than a publish
    await RUNS.cancel(visit.parts.database, visit.environment_id, visit.path("run"))
    return visit.go(f"{_PATH}/run/{here.id}" if here is not None else _PATH)


def _run(visit: Visit) -> Run | None:
    run = RUNS.find(visit.environment_id, visit.path("run"))
    return run if run is not None and isinstance(run.intent, Intent) else None


async def _outcome(visit: Visit, run: Run) -> Response:
    """What came of a publish: the news, or the form again with what was typed."""
    intent: Intent = run.intent
    if isinstance(run.result, Waits):
        return visit.go(f"{_PATH}/waiting")
    if isinstance(run.result, Published):
        return visit.go("/workshop?done=published" if run.result.is_new else "/workshop")
    async with visit.connection() as connection:
        source = await _source(visit, connection, intent.lock)
        refused = (
            "The publish was cancelled."
            if run.cancelled
            else run.failure or "The program has problems."
        )
        if isinstance(run.raised, Overtaken):
            return await _page(visit, connection, source, intent, moved=_moved(intent, source))
        if isinstance(run.raised, Breaks):
            following = _dry_run_of(run, run.raised)
            return await _page(
                visit, connection, source, intent, following=following, moved=_moved(intent, source)
            )
        return await _page(visit, connection, source, intent, refused=refused)


def _dry_run_of(run: Run, raised: Breaks) -> Following:
    """What the publish found out, as the dry run of the page."""
    return Following(
        run_id=run.id,
        run=run,
        kinds=dry_runs.kinds(raised.report),
        report=raised.report,
        accepts=True,
        accepted=run.intent.accepted,
        missing=frozenset(raised.missing),
    )


async def _page(
    visit: Visit,
    connection: Connection,
    source: _PublishSource,
    intent: Intent,
    *,
    following: Following | None = None,
    moved: str = "",
    error: str = "",
    refused: str = "",
) -> Response:
    before = ProgramDesign(name=source.draft.design.name)
    if source.live_version:
        before = await design_of(connection, visit.environment_id, source.live_version)
    problems = await linked_problems(source.draft.design)
    if following is None and not problems:
        known = RUNS.latest(visit.environment_id, source.subject)
        following = followed(known, True, intent.accepted) if known else None
    # What was accepted was accepted for what was shown then.
    accepted: Collection[str] = () if moved else intent.accepted
    now = Intent(source.subject, intent.lock, intent.message, frozenset(accepted))
    context = PublishPage(
        frame=await frame(visit, connection),
        intent=now,
        lock=source.lock,
        live_version=source.live_version,
        elements=grouped(before, source.draft.design),
        problems=problems,
        following=None if moved or problems else following,
        moved=moved,
        error=error,
        refused=refused,
        waiting=await publish_requests.waiting(connection, visit.environment_id),
    )
    is_refused = bool(moved or refused or (following and following.missing))
    return visit.page(
        f"{_FOLDER}/publish.html", context, 400 if error else 409 if is_refused else 200
    )


async def _source(visit: Visit, connection: Connection, lock_number: int) -> _PublishSource:
    """What is to be published. Raises a 404 ApiError where this environment has no such lock."""
    live = await newest_version(connection, visit.environment_id)
    if not lock_number:
        return _PublishSource(await drafts.current(connection, visit.environment_id), None, live)
    lock = next(
        (
            candidate
            for candidate in await locks.list_locks(connection, visit.environment_id)
            if candidate.number == lock_number
        ),
        None,
    )
    if lock is None:
        raise problem("not_found", "There is no such lock in this environment.")
    return _PublishSource(
        await drafts.at(connection, visit.environment_id, lock.revision), lock, live
    )


def _moved(intent: Intent, source: _PublishSource) -> str:
    if intent.subject.revision != source.draft.revision:
        who = source.draft.saved_by or "Somebody"
        return (
            f"{who} saved the draft after you opened this page. Nothing was published: look at the"
            " differences once more."
        )
    if intent.subject.live_version != source.live_version:
        return (
            f"Version {source.live_version} went live after you opened this page. Nothing was"
            " published: look once more."
        )
    return ""


def _intent(form: Form) -> Intent:
    subject = Subject(_number(form.text("revision")), _number(form.text("live")))
    return Intent(
        subject,
        _number(form.text("lock")),
        form.text("message").strip(),
        frozenset(form.texts("accept")),
    )


def _number(text: str) -> int:
    return parsing.whole(text, -1, 10**9) or 0


ROUTES: Final = (
    PageRoute(_PATH, show, may="design"),
    PageRoute(_PATH, begin, may="design", methods=("POST",)),
    PageRoute(f"{_PATH}/run/{{run}}", show_run, may="design"),
    PageRoute(f"{_PATH}/progress/{{run}}", follow, may="design", background=True),
    PageRoute(f"{_PATH}/cancel/{{run}}", cancel, may="design", methods=("POST",)),
)
