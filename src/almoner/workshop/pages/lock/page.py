"""Lock and test: the draft, as it is, is published where only test patients are; from there it can
go live as it was tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.access import environments
from almoner.access.environments import Environment
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages import parsing
from almoner.pages.forms.problems import by_field
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.workshop import drafts, locks
from almoner.workshop.locks import Lock
from almoner.workshop.pages.editor.saving import author
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.links import LinkedProblem, linked_problems
from almoner.workshop.pages.program_owner import away
from almoner.workshop.publish import UnfitDesign, Widens

_FOLDER: Final = "workshop/pages/lock"
_PATH: Final = "/workshop/lock"
_NEW: Final = "new"
_LONGEST_MESSAGE: Final = 2000


@dataclass(frozen=True)
class Locked:
    """A lock and what became of it: ``live`` is the version that it is in the live environment, 0
    where it is none.

    ``is_tested``: it is what its test environment checks against now.
    """

    lock: Lock
    live: int
    is_tested: bool


@dataclass(frozen=True, kw_only=True)
class LockPage:
    """The form, with what was typed, and the locks there are."""

    frame: Frame
    revision: int
    tests: tuple[Environment, ...]
    chosen: str
    name: str
    message: str
    errors: Mapping[str, str]
    problems: tuple[LinkedProblem, ...]
    locked: tuple[Locked, ...]
    moved: bool
    done: Lock | None


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        return await away(visit, connection) or await _page(visit, connection, Form(()))


async def create(visit: Visit) -> Response:
    form = await visit.form()
    async with visit.connection() as connection:
        elsewhere = await away(visit, connection)
        if elsewhere is not None:
            return elsewhere
        draft = await drafts.current(connection, visit.environment_id)
        if form.text("revision") != str(draft.revision):
            return await _page(visit, connection, form, moved=True)
        errors = await _errors(visit, connection, form)
        if errors or await linked_problems(draft.design):
            return await _page(visit, connection, form, errors)
        try:
            test = await _environment(visit, connection, form)
        except ApiError as error:
            messages = by_field(error)
            return await _page(
                visit,
                connection,
                form,
                {"name": messages.get("name") or messages.get("", "This name does not fit.")},
            )
        try:
            new_lock = await locks.lock(
                connection,
                visit.environment_id,
                revision=draft.revision,
                test_environment_id=test,
                by=author(visit),
                message=form.text("message").strip(),
                granter=visit.by,
            )
        except UnfitDesign:
            return await _page(visit, connection, form)
        except Widens as widens:
            notice = (
                f"{widens} Somebody who administers can lock this, or whoever runs the server:"
                " almoner workshop lock."
            )
            return await _page(visit, connection, form, {"environment": notice})
    return visit.go(f"{_PATH}?done={new_lock.number}")


async def _errors(visit: Visit, connection: Connection, form: Form) -> dict[str, str]:
    errors = {}
    tests = {str(test.id) for test in await environments.tests_of(connection, visit.environment_id)}
    if form.text("environment") not in {*tests, _NEW}:
        errors["environment"] = "Choose where it is tested."
    if form.text("environment") == _NEW and not form.text("name").strip():
        errors["name"] = "Give the new test environment a name."
    if len(form.text("message")) > _LONGEST_MESSAGE:
        errors["message"] = f"This is longer than {_LONGEST_MESSAGE:,} characters. Shorten it."
    return errors


async def _environment(visit: Visit, connection: Connection, form: Form) -> int:
    """The id of the environment that was chosen, made where it is a new one. Raises ApiError where
    its name does not fit.
    """
    if form.text("environment") == _NEW:
        return (
            await environments.create_test(
                connection, form.text("name").strip(), visit.environment_id, visit.by
            )
        ).id
    return parsing.place(form.text("environment"))


async def _page(
    visit: Visit,
    connection: Connection,
    form: Form,
    errors: Mapping[str, str] | None = None,
    moved: bool = False,
) -> Response:
    draft = await drafts.current(connection, visit.environment_id)
    tests = tuple(await environments.tests_of(connection, visit.environment_id))
    locks_so_far = await _locked(connection, visit.environment_id)
    problems = await linked_problems(draft.design)
    context = LockPage(
        frame=await frame(visit, connection, draft),
        revision=draft.revision,
        tests=tests,
        chosen=form.text("environment", str(tests[0].id) if tests else _NEW),
        name=form.text("name"),
        message=form.text("message"),
        errors=errors or {},
        problems=problems,
        locked=locks_so_far,
        moved=moved,
        done=next(
            (entry.lock for entry in locks_so_far if str(entry.lock.number) == visit.query("done")),
            None,
        ),
    )
    refused = visit.request.method == "POST"
    return visit.page(
        f"{_FOLDER}/lock.html",
        context,
        409 if moved or (refused and not errors) else 400 if refused else 200,
    )


async def _locked(connection: Connection, environment_id: int) -> tuple[Locked, ...]:
    """The locks with what became of each. A version that was published from a lock has the same
    text as its test.
    """
    rows = await connection.fetch(
        "SELECT l.number, coalesce((SELECT max(p.version) FROM programs p WHERE p.environment_id ="
        " l.environment_id AND p.digest = t.digest), 0) AS live, NOT EXISTS (SELECT FROM programs n"
        " WHERE n.environment_id = l.test_environment_id AND n.version > l.test_version) AS"
        " is_tested FROM program_locks l JOIN programs t ON t.environment_id ="
        " l.test_environment_id AND t.version = l.test_version WHERE l.environment_id = $1",
        environment_id,
    )
    became = {row["number"]: row for row in rows}
    return tuple(
        Locked(lock, became[lock.number]["live"], became[lock.number]["is_tested"])
        for lock in await locks.list_locks(connection, environment_id)
    )


ROUTES: Final = (
    PageRoute(_PATH, show, may="design"),
    PageRoute(_PATH, create, may="design", methods=("POST",)),
)
