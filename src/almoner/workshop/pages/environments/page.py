"""Environments: this one and those that its programs are tested in. Of no other is anything
told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from almoner.pages.objects.views import Chip, ObjectRow
from almoner.workshop.environment_facts import EnvironmentFacts
from almoner.workshop.environment_pages import EnvironmentPages, patients_in_words
from almoner.workshop.pages.object_pages import WorkshopPages


@dataclass(frozen=True)
class EnvironmentView:
    """One environment. ``is_here``: the worker has signed in to it. ``url`` is the server's
    address.
    """

    environment: EnvironmentFacts
    patients: str
    is_here: bool
    url: str


class DesignersEnvironments(EnvironmentPages, WorkshopPages[EnvironmentFacts]):
    path = "/workshop/environments"
    page_template = "workshop/pages/environments/environment.html"
    after = "?done=made"
    created = "The test environment is made. It has no patients and no workers yet."
    remarks = (
        (
            "From then on, signing in asks for the environment's name, and commands need"
            " --environment."
        ),
        "",
    )

    async def rows(self, known: Sequence[EnvironmentFacts]) -> list[ObjectRow]:
        own, *tests = await super().rows(known)
        rows = [replace(own, chips=[Chip("where you are now", "good")]), *tests]
        return [replace(row, path=f"{self.path}/{row.name}") for row in rows]

    async def view(self) -> EnvironmentView:
        environment, url = self.subject, self.visit.parts.url
        is_here = environment.id == self.owner
        return EnvironmentView(environment, patients_in_words(environment), is_here, url)


ROUTES: Final = DesignersEnvironments.routes()
