"""Environments: this one and its test environments. Of no other is anything told, and in no other
is anybody made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from starlette.responses import Response

from almoner.access import accounts, reset_links
from almoner.errors import problem
from almoner.pages.forms.inputs import Input
from almoner.pages.objects.pages import Values
from almoner.pages.objects.views import Chip, Link, ObjectRow
from almoner.portal.admin.object_pages import AdminPages
from almoner.portal.admin_workers.invitation import link_secret
from almoner.portal.inputs import form_fields, inputs
from almoner.resources.workers import workers
from almoner.vocabulary.names import full_name
from almoner.workshop.environment_facts import EnvironmentFacts
from almoner.workshop.environment_pages import EnvironmentPages

_ADMINISTRATOR: Final = "admin"  # the built-in role, which every program has
_FIELDS: Final = ("first_name", "last_name", "email", "timezone")
_GETS_IN: Final = """
SELECT e.id, count(a.worker_id) FILTER (WHERE a.disabled_at IS NULL) AS accounts
FROM environments e LEFT JOIN worker_accounts a ON a.environment_id = e.id
    WHERE e.id = ANY ($1::int[]) GROUP BY e.id
"""


class AdminEnvironments(EnvironmentPages, AdminPages[EnvironmentFacts]):
    """The form of a test environment is that of an administrator for it."""

    path = "/admin/environments"
    missing = "There is no such test environment among yours."
    edit = "administrator"
    submits = ("Create", "Create")
    after = "/administrator?done=made"
    created = (
        "The test environment is made. Nobody can sign in to it yet: make its first administrator."
    )
    remarks = (
        "",
        (
            "They become a worker there with the role Administrator, and give the others their"
            " roles. It is another account than the one here; the same e-mail may be used."
        ),
    )

    async def rows(self, known: Sequence[EnvironmentFacts]) -> list[ObjectRow]:
        fetched = await self.connection.fetch(_GETS_IN, [environment.id for environment in known])
        counts = {row["id"]: row["accounts"] for row in fetched}
        own, *tests = [
            replace(
                row, lines=[*row.lines, f"{counts.get(environment.id, 0)} with an account in use"]
            )
            for row, environment in zip(await super().rows(known), known, strict=True)
        ]
        return [
            replace(own, chips=[Chip("where you are now", "good")]),
            *(
                replace(
                    row,
                    chips=[]
                    if counts.get(environment.id)
                    else [Chip("nobody can sign in", "warn")],
                    links=[
                        Link(
                            f"/sign-in?environment={environment.name}",
                            "Sign in",
                            f"to {environment.name}",
                        ),
                        Link(
                            f"{self.path}/{environment.name}/{self.edit}",
                            "Add an administrator",
                            f"to {environment.name}",
                            "" if counts.get(environment.id) else "primary",
                        ),
                    ],
                )
                for row, environment in zip(tests, known[1:], strict=True)
            ),
        ]

    async def find(self, key: str) -> EnvironmentFacts:
        environment = await super().find(key)
        if environment.id == self.owner:
            raise problem("not_found", "")
        return environment

    def form_title(self) -> str:
        return f"An administrator for {self.subject.name}"

    @cached_property
    def inputs(self) -> Sequence[Input]:
        if self.is_new:
            return super().inputs
        by_name = {field.name: field for field in form_fields(workers, new=True)}
        return inputs([by_name[name] for name in _FIELDS], self.visit)

    async def stored(self) -> Values:
        return {} if self.is_new else {name: getattr(self.visit.worker, name) for name in _FIELDS}

    async def change(self) -> Response:
        """The worker, the role and the link are one transaction: none without the others. Without
        passwords there is no link.
        """
        test, parts, row = self.subject, self.visit.parts, self.values
        actor = replace(self.visit.actor, environment_id=test.id)
        written = await parts.store.within(self.connection).create(actor, workers, row)
        in_force = (await parts.programs.within(self.connection).of(test.id)).roles
        await accounts.set_roles(
            self.connection,
            test.id,
            worker_id=written.id,
            roles=(_ADMINISTRATOR,),
            by=self.by,
            in_force=in_force,
        )
        if not parts.sign_in.by_password:
            return self.visit.go(self.path)
        token = await reset_links.make(self.connection, test.id, written.id, self.by, in_force)
        name = full_name(row["first_name"], row["last_name"])
        title = f"{name} can sign in to {test.name} with this link"
        return await self.show(link_secret(self.visit, token, title, f"{name} ({row['email']})"))


ROUTES: Final = AdminEnvironments.routes()
