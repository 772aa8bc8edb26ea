"""Environments: this one and its test environments. Of no other is anything told, and in no other is anybody made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.responses import Response

from almoner.access import accounts, environments, reset_links
from almoner.access.environments import Environment
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.forms.problems import by_field
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.admin.navigation import AdminPlace, places
from almoner.portal.admin_workers.worker_form import FIELDS, WorkerForm, parse_form, zones
from almoner.resources.workers import workers
from almoner.workshop.environment_facts import MOST_COUNTED, EnvironmentFacts, facts

_FOLDER: Final = "portal/admin_environments"
_PATH: Final = "/admin/environments"
_ADMINISTRATOR: Final = "admin"  # the built-in role, which every program has
_GETS_IN: Final = """
SELECT e.id, count(a.worker_id) FILTER (WHERE a.disabled_at IS NULL) AS accounts
FROM environments e LEFT JOIN worker_accounts a ON a.environment_id = e.id WHERE e.id = ANY ($1::int[]) GROUP BY e.id
"""


@dataclass(frozen=True, kw_only=True)
class AdminEnvironmentsPage:
    """This environment, the first of ``environments``, and its test environments; ``accounts`` counts who may sign in, by id."""

    places: tuple[AdminPlace, ...]
    environments: list[EnvironmentFacts]
    accounts: Mapping[int, int]
    name: str
    errors: Mapping[str, str]
    most_counted: int = MOST_COUNTED


@dataclass(frozen=True, kw_only=True)
class AdministratorFormPage:
    """The form of an administrator of a test environment."""

    places: tuple[AdminPlace, ...]
    environment: Environment
    made: bool
    form: WorkerForm
    errors: Mapping[str, str]
    zones: tuple[str, ...] = field(default_factory=zones)


@dataclass(frozen=True, kw_only=True)
class InvitedPage:
    """The administrator who was made. ``link`` is shown once; ``link_ends`` is in UTC."""

    places: tuple[AdminPlace, ...]
    environment: Environment
    name: str
    email: str
    link: str
    link_ends: datetime


async def show_all(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        return await _all(visit, connection, "", {})


async def create(visit: Visit) -> Response:
    name = (await visit.form()).text("name").strip()
    async with visit.parts.database.connection() as connection:
        try:
            made = await environments.create_test(connection, name, visit.environment_id, visit.by)
        except ApiError as error:
            found = by_field(error)
            return await _all(visit, connection, name, {"name": found.get("name") or found[""]})
    return visit.go(f"{_PATH}/{made.name}/administrator?made=yes")


async def show_form(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        test = await _test(visit, connection)
    me = visit.worker
    values = {"first_name": me.first_name, "last_name": me.last_name, "email": me.email, "timezone": me.timezone}
    typed = WorkerForm(dict.fromkeys(FIELDS, "") | values)
    return _form(visit, test, typed, {}, made=visit.query("made") == "yes")


async def invite(visit: Visit) -> Response:
    """The worker, the role and the link are one transaction: none without the others. Without passwords there is no link."""
    typed = parse_form(await visit.form())
    async with visit.parts.database.connection() as connection:
        test = await _test(visit, connection)
    errors = typed.wrong
    if not errors:
        in_force = (await visit.parts.programs.of(test.id)).roles
        try:
            async with visit.parts.database.transaction() as connection:
                actor = replace(visit.actor, environment_id=test.id)
                written = await visit.parts.store.within(connection).create(actor, workers, typed.given)
                await accounts.set_roles(
                    connection, test.id, worker_id=written.id, roles=(_ADMINISTRATOR,), by=visit.by, in_force=in_force
                )
                token = ""
                if visit.parts.sign_in.by_password:
                    token = await reset_links.make(connection, test.id, written.id, visit.by, in_force)
        except ApiError as refused:
            errors = by_field(refused)
        else:
            if not token:
                return visit.go(_PATH)
            name = f"{typed.values['first_name']} {typed.values['last_name']}"
            link, ends = visit.parts.url + reset_links.path(token), datetime.now(UTC) + timedelta(hours=reset_links.HOURS)
            shown = InvitedPage(
                places=places(visit), environment=test, name=name, email=typed.values["email"], link=link, link_ends=ends
            )
            return visit.page(f"{_FOLDER}/invited.html", shown)
    return _form(visit, test, typed, errors)


async def _test(visit: Visit, connection: Connection) -> Environment:
    """The test environment of this one that the address names. Raises a 404 ApiError where there is none such."""
    tests = await environments.tests_of(connection, visit.environment_id)
    found = next((one for one in tests if one.name == visit.path("name")), None)
    if found is None:
        raise problem("not_found", "There is no such test environment among yours.")
    return found


def _form(visit: Visit, test: Environment, typed: WorkerForm, errors: Mapping[str, str], made: bool = False) -> Response:
    context = AdministratorFormPage(places=places(visit), environment=test, made=made, form=typed, errors=errors)
    return visit.page(f"{_FOLDER}/form.html", context, 400 if errors else 200)


async def _all(visit: Visit, connection: Connection, name: str, errors: Mapping[str, str]) -> Response:
    found = await facts(connection, visit.environment_id)
    rows = await connection.fetch(_GETS_IN, [one.id for one in found])
    context = AdminEnvironmentsPage(
        places=places(visit), environments=found, accounts={row["id"]: row["accounts"] for row in rows}, name=name, errors=errors
    )
    return visit.page(f"{_FOLDER}/list.html", context, 400 if errors else 200)


ROUTES: Final = (
    PageRoute(_PATH, show_all, may="administer"),
    PageRoute(_PATH, create, may="administer", methods=("POST",)),
    PageRoute(f"{_PATH}/{{name}}/administrator", show_form, may="administer"),
    PageRoute(f"{_PATH}/{{name}}/administrator", invite, may="administer", methods=("POST",)),
)
