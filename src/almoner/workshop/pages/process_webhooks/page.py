"""Webhooks of processes: declared with an address and a secret that is shown once, tried out, and
taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Final

from starlette.responses import Response

from almoner.errors import problem
from almoner.notifications.subscription_terms import NotifyTarget
from almoner.notifications.trial import PATIENCE, TrialStep, try_post
from almoner.outbound.http import HttpClient
from almoner.pages.forms.inputs import Input, control
from almoner.pages.objects.pages import Values
from almoner.pages.objects.views import Chip, NewSecret, ObjectRow, Offer, RowGroup, dotted
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.processes import webhooks
from almoner.processes.webhooks import DeclaredWebhook
from almoner.workshop.pages.named_by_processes import named_by_processes
from almoner.workshop.pages.object_pages import WorkshopPages

_FOLDER: Final = "workshop/pages/process_webhooks"
_TRIAL: Final = "workshop/pages/webhooks/trial.html"
_EMPTY: Final = (
    "No process calls another system",
    "A process that calls a webhook names it. Its address is then declared here.",
)
_COPY: Final = (
    "Calls are signed with it. Hand it on to whoever runs the other system now: it is kept"
    " encrypted, and not shown again."
)
_GONE: Final = "Declare its address first."


@dataclass(frozen=True)
class ProcessWebhook:
    """A webhook that the program names, or that is declared; ``webhook`` is None where it is not.
    ``processes`` are the titles of those that call it."""

    name: str
    webhook: DeclaredWebhook | None
    processes: Sequence[str]

    @property
    def state(self) -> Chip:
        """Whether it can be called, in words."""
        return Chip("declared", "good") if self.webhook else Chip("not declared", "warn")


@dataclass(frozen=True)
class ProcessWebhookView:
    """The page of a webhook. ``trial`` has the steps of a trial call that was just made."""

    it: ProcessWebhook
    trial: Sequence[TrialStep] | None = None


@dataclass(frozen=True)
class ProcessWebhookTrialPart:
    """What came of a trial call."""

    trial: Sequence[TrialStep]


class ProcessWebhookPages(WorkshopPages[ProcessWebhook]):
    path = "/workshop/process-webhooks"
    title = "Process webhooks"
    noun = "webhook"
    key = "name"
    page_template = f"{_FOLDER}/webhook.html"
    submits = ("Declare", "Save")
    remarks = ("", "The next call goes there.")
    saved = "Saved. The next call goes there."
    actions: ClassVar = {"secret": "", "remove": ""}
    always = ("edit",)

    def named(self) -> tuple[str, str]:
        return self.subject.name, self.subject.name

    def unusable(self) -> str:
        return "" if self.subject.webhook else _GONE

    async def groups(self) -> Sequence[RowGroup]:
        rows = [self._row(it) for _, it in sorted((await self._there()).items())]
        return [RowGroup("Other systems that processes call", rows, _EMPTY)]

    async def find(self, key: str) -> ProcessWebhook:
        there = await self._there()
        if key not in there:
            raise problem("not_found", self.missing.format(self.noun))
        return there[key]

    @cached_property
    def inputs(self) -> Sequence[Input]:
        address = NotifyTarget(self.visit.parts.private_targets)
        hint = "Calls are posted to it."
        return (control("url", address, "Address", hint, required=True, widget="url"),)

    def form_title(self) -> str:
        return f"{'Change' if self.subject.webhook else 'Declare'} {self.subject.name}"

    async def stored(self) -> Values:
        return {"url": self.subject.webhook.url if self.subject.webhook else None}

    async def change(self) -> Response:
        url = self.values["url"]
        if self.subject.webhook is None:
            return await self._declare(url, "The webhook is declared")
        await webhooks.move(self.connection, self.owner, self.subject.webhook, url, self.by)
        return self.go("changed")

    async def view(self) -> ProcessWebhookView:
        return ProcessWebhookView(self.subject)

    def offers(self, view: ProcessWebhookView) -> Iterator[Offer]:
        name = self.subject.name
        if self.subject.webhook is None:
            return
        yield Offer(
            "secret",
            "A new secret",
            "Calls are signed with it from the next one on.",
            "New secret",
            f"Make another secret for {name}? The one in use ends at once.",
            yes="Make another",
        )
        yield Offer(
            "remove",
            "Take it away",
            "Processes that call it fail, and can be tried again once it is declared anew.",
            "Take away",
            f"Take {name} away? Its secret is lost, and what a process calls it for fails.",
            yes="Take it away",
        )

    async def secret(self) -> Response:
        assert self.subject.webhook is not None
        return await self._declare(self.subject.webhook.url, "A new secret is made")

    async def remove(self) -> Response:
        box, name = self.visit.parts.box, self.subject.name
        await webhooks.set_webhook(self.connection, box, self.owner, name, "", by=self.by)
        # Where no process names it, there is no page of it any more.
        return self.visit.go(f"{self.path}?done=remove")

    async def _declare(self, url: str, title: str) -> Response:
        box, name = self.visit.parts.box, self.subject.name
        secret = await webhooks.set_webhook(self.connection, box, self.owner, name, url, by=self.by)
        assert secret is not None
        self.subject = await self.find(name)
        return await self.show(NewSecret(title, _COPY, [("issued-value", "Secret", secret)]))

    async def _there(self) -> Mapping[str, ProcessWebhook]:
        there = await webhooks.declared(self.connection, self.owner)
        named = await named_by_processes(self.visit, self.connection, "webhook")
        return {
            name: ProcessWebhook(name, there.get(name), named.get(name, ()))
            for name in {*there, *named}
        }

    def _row(self, it: ProcessWebhook) -> ObjectRow:
        called = f"called by {', '.join(it.processes)}" if it.processes else "called by no process"
        return ObjectRow(
            name=it.name,
            path=f"{self.path}/{it.name}",
            lines=[dotted(called, it.webhook.url if it.webhook else "")],
            chips=[it.state],
        )


async def try_out(visit: Visit) -> Response:
    """Makes a trial call, and shows what came of it."""
    parts = visit.parts
    async with visit.connection() as connection:
        it = (await ProcessWebhookPages.asked(visit, connection)).subject
        if it.webhook is None:
            raise problem("not_found", _GONE)
        headers = await webhooks.trial(connection, parts.box, visit.environment_id, it.name)
    # The connection went back: a receiver that does not answer must not keep it.
    client = HttpClient(parts.private_targets, PATIENCE, parts.trusted)
    try:
        steps = await try_post(client, it.webhook.url, webhooks.TRIAL, headers)
    finally:
        await client.close()
    if visit.is_fragment:
        return visit.fragment(_TRIAL, ProcessWebhookTrialPart(steps))
    async with visit.connection() as connection:
        pages = await ProcessWebhookPages.asked(visit, connection)
        return await pages.show(view=replace(await pages.view(), trial=steps))


_HERE: Final = f"{ProcessWebhookPages.path}/{{name}}"
ROUTES: Final = (
    *ProcessWebhookPages.routes(),
    PageRoute(f"{_HERE}/try", try_out, may=ProcessWebhookPages.may, methods=("POST",)),
    ProcessWebhookPages.get(f"{_HERE}/try", ProcessWebhookPages.back),
)
