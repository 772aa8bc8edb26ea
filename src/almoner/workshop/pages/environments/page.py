"""Environments: this one and those that its programs are tested in. Of no other is anything told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.access import environments
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.forms.problems import by_field
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop.environment_facts import MOST_COUNTED, EnvironmentFacts, facts
from almoner.workshop.pages.frame import Frame, frame

_FOLDER: Final = "workshop/pages/environments"
_PATH: Final = "/workshop/environments"
_DONE: Final[Mapping[str, str]] = {
    "made": "The test environment is made. It has no patients and no workers yet.",
}


@dataclass(frozen=True)
class EnvironmentsPage:
    """This environment, the first of ``environments``, and its test environments. ``name`` is what was typed for a new one."""

    frame: Frame
    environments: list[EnvironmentFacts]
    name: str
    errors: Mapping[str, str]
    most_counted: int = MOST_COUNTED


@dataclass(frozen=True, kw_only=True)
class EnvironmentPage:
    """One environment. ``here``: it is the one that the worker has signed in to. ``url`` is the server's public address."""

    frame: Frame
    environment: EnvironmentFacts
    here: bool
    url: str
    done: str
    most_counted: int = MOST_COUNTED


async def show_all(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        return await _all(visit, connection, "", {})


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        found = await facts(connection, visit.environment_id)
        one = next((one for one in found if one.name == visit.path("name")), None)
        if one is None:
            raise problem("not_found", "There is no such environment among yours.")
        here, done = one.id == visit.environment_id, _DONE.get(visit.query("done"), "")
        context = EnvironmentPage(frame=await frame(visit, connection), environment=one, here=here, url=visit.parts.url, done=done)
    return visit.page(f"{_FOLDER}/environment.html", context)


async def create(visit: Visit) -> Response:
    name = (await visit.form()).text("name").strip()
    async with visit.parts.database.connection() as connection:
        try:
            made = await environments.create_test(connection, name, visit.environment_id, visit.by)
        except ApiError as error:
            found = by_field(error)
            return await _all(visit, connection, name, {"name": found.get("name") or found[""]})
    return visit.go(f"{_PATH}/{made.name}?done=made")


async def _all(visit: Visit, connection: Connection, name: str, errors: Mapping[str, str]) -> Response:
    found = await facts(connection, visit.environment_id)
    context = EnvironmentsPage(await frame(visit, connection), found, name, errors)
    return visit.page(f"{_FOLDER}/list.html", context, 400 if errors else 200)


ROUTES: Final = (
    PageRoute(_PATH, show_all, may="integrate"),
    PageRoute(_PATH, create, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{name}}", show, may="integrate"),
)
