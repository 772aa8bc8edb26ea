"""The list of an environment and its test environments, for designers and for administrators, and
making another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Final

from markupsafe import Markup
from starlette.responses import Response

from almoner.access import environments
from almoner.errors import problem
from almoner.pages.filters import counted, moment
from almoner.pages.forms.inputs import Input, control
from almoner.pages.objects.pages import ObjectPages
from almoner.pages.objects.views import ObjectRow, RowGroup, dotted
from almoner.vocabulary.kinds import Text
from almoner.vocabulary.names import isolated
from almoner.workshop.environment_facts import MOST_COUNTED, EnvironmentFacts, facts

_NAME: Final = control(
    "name",
    Text(),
    "Name of a new test environment",
    "Small letters, digits, - and _. It cannot be changed later.",
    required=True,
)
_EMPTY: Final = (
    "No test environment yet",
    (
        "A program can be locked and tested there first, with test patients of its own, before it"
        " goes live."
    ),
)


class EnvironmentPages(ObjectPages[EnvironmentFacts]):
    """This environment and those that its programs are tested in. Once one is made, ``after``
    opens.
    """

    title: ClassVar[str] = "Environments"
    noun: ClassVar[str] = "environment"
    missing: ClassVar[str] = "There is no such {} among yours."
    key: ClassVar[str] = "name"
    is_created_in_list: ClassVar[bool] = True
    after: ClassVar[str]
    is_test = False

    async def groups(self) -> Sequence[RowGroup]:
        known = await facts(self.connection, self.owner)
        own, *tests = await self.rows(known)
        self.is_test = known[0].test_of is not None
        if self.is_test:
            return [RowGroup("This environment, for testing", [own])]
        return [RowGroup("Live", [own]), RowGroup("For testing", tests, _EMPTY)]

    async def rows(self, known: Sequence[EnvironmentFacts]) -> list[ObjectRow]:
        """A row for each, this environment first."""
        zone = self.visit.worker.timezone
        return [
            ObjectRow(name=environment.name, lines=_lines(environment, zone))
            for environment in known
        ]

    @cached_property
    def inputs(self) -> Sequence[Input]:
        # Test environments are made where the live one is.
        return () if self.is_test else (_NAME,)

    async def find(self, key: str) -> EnvironmentFacts:
        known = {
            environment.name: environment
            for environment in await facts(self.connection, self.owner)
        }
        if key not in known:
            raise problem("not_found", "")
        return known[key]

    def named(self) -> tuple[str, str]:
        return self.subject.name, self.subject.name

    async def create(self) -> Response:
        name = self.values["name"]
        created = await environments.create_test(self.connection, name, self.owner, self.by)
        return self.visit.go(f"{self.path}/{created.name}{self.after}")


def patients_in_words(environment: EnvironmentFacts) -> str:
    """How many patients there are, as far as they were counted."""
    many = f"more than {MOST_COUNTED:,} patients"
    return many if environment.patients > MOST_COUNTED else counted(environment.patients, "patient")


def _lines(environment: EnvironmentFacts, zone: str) -> tuple[str, str]:
    program: str = "No program is published yet"
    if version := environment.version:
        words = Markup("Version {}, published {} by {}")
        published_at = moment(version.published_at, zone)
        program = words.format(version.number, published_at, isolated(version.published_by))
    lock = f"lock {environment.lock.number} is under test" if environment.lock else ""
    return dotted(program, lock), dotted(
        patients_in_words(environment),
        counted(environment.workers, "worker"),
        counted(environment.clients, "client"),
        counted(environment.webhooks, "webhook"),
    )
