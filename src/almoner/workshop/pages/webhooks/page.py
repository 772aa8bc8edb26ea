"""Webhooks, which the API calls subscriptions: made, changed, watched, tried out and sent again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Final

from starlette.responses import Response

from almoner.errors import ApiError, Problem
from almoner.notifications import deliveries, replays, subscriptions
from almoner.notifications.deliveries import Delivery
from almoner.notifications.progress_report import NOTHING, SubscriptionProgress, standing
from almoner.notifications.subscription import (
    BEARER_JWT,
    TOKEN_EXCHANGE,
    Subscription,
    usual_audience,
)
from almoner.notifications.subscription_terms import LONGEST_URL, WAYS, NotifyTarget, Rules, Short
from almoner.notifications.trial import SubscriptionTrial, TrialStep
from almoner.pages import parsing
from almoner.pages.filters import moment
from almoner.pages.forms.inputs import Input, control
from almoner.pages.objects.pages import Values
from almoner.pages.objects.views import Chip, ObjectRow, Offer, RowGroup, dotted
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.resources import BY_NAME, RESOURCES
from almoner.vocabulary.choices import Choice, Several
from almoner.vocabulary.fields import missing_field
from almoner.vocabulary.kinds import Problems
from almoner.workshop.pages.frame import Frame
from almoner.workshop.pages.object_pages import WorkshopPages
from almoner.workshop.pages.webhooks.replay_span import parse_time
from almoner.workshop.pages.webhooks.state import WebhookState, state

_FOLDER: Final = "workshop/pages/webhooks"
_FEW: Final = 5
_MANY: Final = 50
_MOST_LISTED: Final = 4
_WAYS: Final = (
    (TOKEN_EXCHANGE, "Our signed token is exchanged for the receiver's own"),
    (BEARER_JWT, "Our signed token is sent as it is"),
)
_TITLES: Final = tuple((resource.name, resource.title) for resource in RESOURCES)
_NAMED: Final = "What people know it by, such as “EHR bridge”."
_ISSUED: Final = "As the receiver issued it for us."
_AUDIENCE: Final = (
    "Whom our token is made out to. Empty: the token address where tokens are exchanged, else the"
    " address above."
)
_EMPTY: Final = (
    "No system is told of changes yet",
    (
        "A webhook posts to an address of yours whenever something changed, so that your system"
        " need not ask again and again."
    ),
)


@dataclass(frozen=True, kw_only=True)
class WebhookView:
    """One webhook. ``trial`` has the steps of a test that was just made, None without one."""

    subscription: Subscription
    state: WebhookState
    progress: SubscriptionProgress
    way: str
    deliveries: Sequence[Delivery]
    trial: Sequence[TrialStep] | None = None


@dataclass(frozen=True)
class SubscriptionTrialPart:
    """What came of a test."""

    trial: Sequence[TrialStep]


@dataclass(frozen=True, kw_only=True)
class DeliveriesPage:
    """A page of attempts. ``older`` is the id that the next page begins before, None on the last;
    ``newest``: it is the first.
    """

    frame: Frame
    subscription: Subscription
    deliveries: Sequence[Delivery]
    older: int | None
    newest: bool


class WebhookPages(WorkshopPages[Subscription]):
    path = "/workshop/webhooks"
    title = "Webhooks"
    noun = "webhook"
    form_template = f"{_FOLDER}/form.html"
    page_template = f"{_FOLDER}/webhook.html"
    remarks = ("It is told of what changes from now on.", "The next attempt is made at once.")
    created = (
        "The webhook is made. What changes from now on is announced; see with a test whether it can"
        " be reached."
    )
    saved = "Saved. The next attempt is made at once."
    actions: ClassVar = {
        "resume": "Resumed: it goes on where it was paused.",
        "pause": "Paused. What changes meanwhile is announced when it is resumed.",
        "replay": (
            "What changed in this span is announced once more, as soon as the notifier comes to it."
        ),
        "delete": "The webhook is deleted.",
    }

    async def groups(self) -> Sequence[RowGroup]:
        progress = await standing(self.connection, self.owner)
        listed = await subscriptions.list_subscriptions(self.connection, self.owner)
        rows = [
            self._row(webhook, state(webhook, progress.get(webhook.id, NOTHING)))
            for webhook in listed
        ]
        return [RowGroup("Systems that are told of changes", rows, _EMPTY)]

    async def find(self, key: str) -> Subscription:
        return await subscriptions.find(self.connection, self.owner, key)

    @cached_property
    def inputs(self) -> Sequence[Input]:
        address = NotifyTarget(self.visit.parts.private_targets)
        sealed = f"{_ISSUED} It is kept encrypted."
        secret = sealed if self.is_new else "Leave it empty to keep the one we have."
        exchanged = "Where the receiver exchanges our token for its own."
        resources = Several(tuple(BY_NAME))
        return (
            control("name", Short(), hint=_NAMED, required=True),
            control(
                "notify_url",
                address,
                "Address",
                "Notifications are posted to it.",
                required=True,
                widget="url",
            ),
            control(
                "resources", resources, "What changes it is told of", required=True, options=_TITLES
            ),
            control("authentication", Choice(WAYS, words=_WAYS), "Way", required=True),
            control("client_id", Short(), "Client id", _ISSUED, required=True, widget="code"),
            control(
                "client_secret",
                Short(1000),
                "Client secret",
                secret,
                required=self.is_new,
                widget="password",
            ),
            control("token_url", address, "Token address", exchanged, widget="url"),
            control("audience", Short(LONGEST_URL), hint=_AUDIENCE, widget="code"),
        )

    async def stored(self) -> Values:
        if self.is_new:
            return {"authentication": TOKEN_EXCHANGE}
        webhook = self.subject
        names = ("name", "notify_url", "resources", "authentication", "client_id", "token_url")
        usual = usual_audience(webhook.authentication, webhook.notify_url, webhook.token_url)
        audience = None if webhook.audience == usual else webhook.audience
        return {name: getattr(webhook, name) for name in names} | {"audience": audience}

    def check(self, values: Values, problems: Problems) -> None:
        if values["authentication"] != TOKEN_EXCHANGE:
            # The field is out of sight then, with whatever was typed there before.
            values["token_url"] = None
            problems[:] = [problem for problem in problems if problem.extra["path"] != ".token_url"]
        elif values["token_url"] is None:
            problems.append(missing_field(".token_url"))

    async def create(self) -> Response:
        box, rules = self.visit.parts.box, self._rules()
        webhook = await subscriptions.create(
            self.connection, box, self.owner, self.values, rules, by=self.by
        )
        self.subject, self.is_new = webhook, False
        return self.go("made")

    async def change(self) -> Response:
        terms = dict(self.values)
        if not terms["client_secret"]:
            del terms["client_secret"]
        box, key = self.visit.parts.box, self.subject.id
        await subscriptions.change(
            self.connection, box, self.owner, key, terms, rules=self._rules(), by=self.by
        )
        return self.go("changed")

    async def view(self) -> WebhookView | None:
        if self.is_new:
            return None
        webhook = self.subject
        progress = (await standing(self.connection, self.owner)).get(webhook.id, NOTHING)
        return WebhookView(
            subscription=webhook,
            state=state(webhook, progress),
            progress=progress,
            way=dict(_WAYS)[webhook.authentication],
            deliveries=await deliveries.latest(self.connection, self.owner, webhook.id, _FEW),
        )

    def offers(self, view: WebhookView) -> Iterator[Offer]:
        later = "What changes meanwhile is announced when it is resumed."
        if self.subject.paused:
            about = "It goes on where it was paused."
            yield Offer("resume", "Resume it", about, "Resume", tone="primary")
        else:
            yield Offer("pause", "Pause it", later, "Pause")
            if self.subject.failing_since:
                about = "Without waiting for the time of the next attempt."
                yield Offer("resume", "Try again now", about, "Try again now")
        yield Offer(
            "delete",
            "Delete it",
            "It is told of nothing more, and the record of its attempts goes with it.",
            "Delete",
            f"Delete {self.subject.name}? It is told of nothing more. The record of its attempts"
            " and its secret are lost, and so is what it has not been told of yet. This cannot be"
            " undone.",
            yes="Delete it",
        )

    async def pause(self) -> None:
        await subscriptions.pause(self.connection, self.owner, self.subject.id, self.by)

    async def resume(self) -> None:
        await subscriptions.resume(self.connection, self.owner, self.subject.id, self.by)

    async def delete(self) -> Response:
        await subscriptions.delete(self.connection, self.owner, self.subject.id, self.by)
        return self.visit.go(f"{self.path}?done=delete")

    async def replay(self) -> None:
        errors: dict[str, str] = {}
        span: dict[str, Any] = {}
        for name in ("from", "to"):
            text = self.form.text(name)
            span[name] = parse_time(text, self.visit.worker.timezone, name, errors)
        if not self.form.text("from").strip():
            errors["from"] = "Give the day and time that it begins at."
        if errors:
            wrong = errors.items()
            raise ApiError(
                [Problem("bad_request", text, {"path": f".{name}"}) for name, text in wrong]
            )
        await replays.replay(self.connection, self.owner, self.subject.id, span)

    async def show_deliveries(self) -> Response:
        """The attempts to notify, the newest first."""
        before = parsing.whole(self.visit.query("before"))
        attempts = await deliveries.latest(
            self.connection, self.owner, self.subject.id, _MANY + 1, before
        )
        older = attempts[_MANY - 1].id if len(attempts) > _MANY else None
        page = DeliveriesPage(
            frame=await self.frame(),
            subscription=self.subject,
            deliveries=attempts[:_MANY],
            older=older,
            newest=before is None,
        )
        return self.visit.page(f"{_FOLDER}/deliveries.html", page)

    def _rules(self) -> Rules:
        return Rules(BY_NAME, self.visit.parts.private_targets)

    def _row(self, webhook: Subscription, state: WebhookState) -> ObjectRow:
        more = len(webhook.resources) - _MOST_LISTED
        resources = ", ".join(webhook.resources[:_MOST_LISTED]) + (
            f" and {more} more" if more > 0 else ""
        )
        note = ""
        if webhook.failing_since and state.word == "failing":
            note = "since " + moment(webhook.failing_since, self.visit.worker.timezone)
        return ObjectRow(
            name=webhook.name,
            path=f"{self.path}/{webhook.id}",
            aside=webhook.notify_url,
            lines=[dotted(resources, state.sentence)],
            chips=[Chip(state.word, state.tone)],
            note=note,
        )


async def try_out(visit: Visit) -> Response:
    """Sends a test, and shows what came of it."""
    database, parts = visit.parts.database, visit.parts
    # The connection goes back before anything is sent: a receiver that does not answer must not
    # keep it.
    async with database.connection() as connection:
        webhook = (await WebhookPages.asked(visit, connection)).subject
    steps = await SubscriptionTrial(parts.box, parts.private_targets, parts.trusted)(webhook)
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/trial.html", SubscriptionTrialPart(steps))
    async with database.connection() as connection:
        pages = await WebhookPages.asked(visit, connection)
        view = await pages.view()
        assert view
        return await pages.show(view=replace(view, trial=steps))


_HERE: Final = f"{WebhookPages.path}/{{id}}"
ROUTES: Final = (
    *WebhookPages.routes(),
    PageRoute(f"{_HERE}/test", try_out, may=WebhookPages.may, methods=("POST",)),
    WebhookPages.get(f"{_HERE}/test", WebhookPages.back),
    WebhookPages.get(f"{_HERE}/deliveries", WebhookPages.show_deliveries),
)
