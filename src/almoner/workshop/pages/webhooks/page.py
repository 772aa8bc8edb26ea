"""Webhooks, which the API calls subscriptions: made, changed, watched, tried out and sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.access.worker_events import By
from almoner.database import Connection
from almoner.errors import ApiError
from almoner.notifications import subscriptions
from almoner.notifications.progress_report import NOTHING, SubscriptionProgress, standing
from almoner.notifications.subscription import BEARER_JWT, TOKEN_EXCHANGE, Subscription
from almoner.notifications.subscription_terms import Rules
from almoner.notifications.subscriptions import Delivery
from almoner.notifications.trial import Trial, TrialStep
from almoner.pages import parsing
from almoner.pages.forms.problems import by_field, missing_as
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop.pages.frame import Frame, frame
from almoner.workshop.pages.webhooks.replay_span import parse_time
from almoner.workshop.pages.webhooks.state import WebhookState, state
from almoner.workshop.pages.webhooks.webhook_form import WebhookForm, from_form, from_subscription

_FOLDER: Final = "workshop/pages/webhooks"
_PATH: Final = "/workshop/webhooks"
_FEW: Final = 5
_MANY: Final = 50
WAYS: Final = (
    (TOKEN_EXCHANGE, "Our signed token is exchanged for the receiver's own"),
    (BEARER_JWT, "Our signed token is sent as it is"),
)
_DONE: Final[Mapping[str, str]] = {
    "made": "The webhook is made. What changes from now on is announced; see with a test whether it can be reached.",
    "changed": "Saved. The next attempt is made at once.",
    "paused": "Paused. What changes meanwhile is announced when it is resumed.",
    "resumed": "Resumed: it goes on where it was paused.",
    "replay": "What changed in this span is announced once more, as soon as the notifier comes to it.",
    "deleted": "The webhook is deleted.",
}
_OFFERED: Final = tuple((resource.name, resource.title) for resource in RESOURCES)


@dataclass(frozen=True)
class WebhookRow:
    """A webhook in the list."""

    subscription: Subscription
    state: WebhookState


@dataclass(frozen=True)
class WebhooksPage:
    frame: Frame
    lines: list[WebhookRow]
    done: str


@dataclass(frozen=True, kw_only=True)
class WebhookFormPage:
    """The form of a webhook; of a new one where ``subscription`` is None."""

    frame: Frame
    subscription: Subscription | None
    form: WebhookForm
    errors: Mapping[str, str]
    resources: tuple[tuple[str, str], ...] = _OFFERED
    ways: tuple[tuple[str, str], ...] = WAYS


@dataclass(frozen=True)
class ReplaySpan:
    """What was typed as the span of a replay, in the time zone of the worker."""

    start: str = ""
    end: str = ""


@dataclass(frozen=True, kw_only=True)
class WebhookPage:
    """One webhook. ``steps`` are those of a test that was just made, None without one."""

    frame: Frame
    subscription: Subscription
    state: WebhookState
    standing: SubscriptionProgress
    way: str
    deliveries: list[Delivery]
    done: str
    steps: list[TrialStep] | None
    span: ReplaySpan
    errors: Mapping[str, str]


@dataclass(frozen=True)
class TrialPart:
    """What came of a test."""

    steps: list[TrialStep]


@dataclass(frozen=True)
class DeliveriesPage:
    """A page of attempts. ``older`` is the id that the next page begins before, None on the last; ``newest``: it is the first."""

    frame: Frame
    subscription: Subscription
    deliveries: list[Delivery]
    older: int | None
    newest: bool


async def show_all(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        found = await subscriptions.list_subscriptions(connection, visit.environment_id)
        how = await standing(connection, visit.environment_id)
        lines = [WebhookRow(one, state(one, how.get(one.id, NOTHING))) for one in found]
        context = WebhooksPage(await frame(visit, connection), lines, _DONE.get(visit.query("done"), ""))
    return visit.page(f"{_FOLDER}/list.html", context)


async def show_new(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        return await _form(visit, connection, None, WebhookForm(), {})


async def create(visit: Visit) -> Response:
    form = from_form(await visit.form())
    async with visit.parts.database.connection() as connection:
        try:
            made = await subscriptions.create(
                connection,
                visit.parts.box,
                environment_id=visit.environment_id,
                given=form.terms(is_new=True),
                rules=_rules(visit),
                by=visit.by,
            )
        except ApiError as error:
            return await _form(visit, connection, None, form, form.errors(error))
    return _go(visit, made, "made")


async def show(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        return await _one(visit, connection, await _found(visit, connection))


async def show_form(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        found = await _found(visit, connection)
        return await _form(visit, connection, found, from_subscription(found), {})


async def change(visit: Visit) -> Response:
    form = from_form(await visit.form())
    async with visit.parts.database.connection() as connection:
        found = await _found(visit, connection)
        try:
            await subscriptions.change(
                connection,
                visit.parts.box,
                environment_id=visit.environment_id,
                key=found.id,
                given=form.terms(is_new=False),
                rules=_rules(visit),
                by=visit.by,
            )
        except ApiError as error:
            return await _form(visit, connection, found, form, form.errors(error))
    return _go(visit, found, "changed")


def _doing(
    work: Callable[[Connection, int, str, By], Awaitable[Subscription]], done: str
) -> Callable[[Visit], Awaitable[Response]]:
    async def answer(visit: Visit) -> Response:
        async with visit.parts.database.connection() as connection:
            found = await _found(visit, connection)
            await work(connection, visit.environment_id, found.id, visit.by)
        return _go(visit, found, done)

    return answer


async def delete(visit: Visit) -> Response:
    async with visit.parts.database.connection() as connection:
        found = await _found(visit, connection)
        await subscriptions.delete(connection, visit.environment_id, found.id, visit.by)
    return visit.go(f"{_PATH}?done=deleted")


async def try_out(visit: Visit) -> Response:
    # The connection goes back before anything is sent: a receiver that does not answer must not keep it.
    async with visit.parts.database.connection() as connection:
        found = await _found(visit, connection)
    steps = await Trial(visit.parts.box, visit.parts.private_targets, visit.parts.trusted)(found)
    if visit.is_fragment:
        return visit.fragment(f"{_FOLDER}/trial.html", TrialPart(steps))
    async with visit.parts.database.connection() as connection:
        return await _one(visit, connection, found, steps=steps)


async def replay(visit: Visit) -> Response:
    form = await visit.form()
    span = ReplaySpan(form.text("from"), form.text("to"))
    zone = visit.worker.timezone
    errors: dict[str, str] = {}
    start, end = parse_time(span.start, zone, "from", errors), parse_time(span.end, zone, "to", errors)
    if not span.start.strip():
        errors["from"] = "Give the day and time that it begins at."
    async with visit.parts.database.connection() as connection:
        found = await _found(visit, connection)
        if not errors:
            try:
                await subscriptions.replay(connection, visit.environment_id, found.id, {"from": start, "to": end})
            except ApiError as error:
                errors = by_field(error)
            else:
                return _go(visit, found, "replay")
        return await _one(visit, connection, found, span=span, errors=errors)


async def show_deliveries(visit: Visit) -> Response:
    before = parsing.whole(visit.query("before"))
    async with visit.parts.database.connection() as connection:
        found = await _found(visit, connection)
        attempts = await subscriptions.deliveries(connection, visit.environment_id, found.id, _MANY + 1, before)
        shown, more = attempts[:_MANY], len(attempts) > _MANY
        older = shown[-1].id if more else None
        context = DeliveriesPage(await frame(visit, connection), found, shown, older, before is None)
    return visit.page(f"{_FOLDER}/deliveries.html", context)


async def back(visit: Visit) -> Response:
    """Where the answer to a form was shown, loading it again shows the webhook."""
    async with visit.parts.database.connection() as connection:
        found = await _found(visit, connection)
    return visit.go(f"{_PATH}/{found.id}")


def _rules(visit: Visit) -> Rules:
    return Rules(BY_NAME, visit.parts.private_targets)


def _go(visit: Visit, subscription: Subscription, done: str) -> Response:
    return visit.go(f"{_PATH}/{subscription.id}?done={done}")


async def _found(visit: Visit, connection: Connection) -> Subscription:
    """The subscription of this environment that the address names. Raises a 404 ApiError."""
    with missing_as("There is no such webhook in your environment."):
        return await subscriptions.find(connection, visit.environment_id, visit.path("id"))


async def _form(
    visit: Visit, connection: Connection, subscription: Subscription | None, form: WebhookForm, errors: Mapping[str, str]
) -> Response:
    context = WebhookFormPage(frame=await frame(visit, connection), subscription=subscription, form=form, errors=errors)
    return visit.page(f"{_FOLDER}/form.html", context, 400 if errors else 200)


async def _one(
    visit: Visit,
    connection: Connection,
    found: Subscription,
    steps: list[TrialStep] | None = None,
    span: ReplaySpan | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    how = (await standing(connection, visit.environment_id)).get(found.id, NOTHING)
    context = WebhookPage(
        frame=await frame(visit, connection),
        subscription=found,
        state=state(found, how),
        standing=how,
        way=dict(WAYS)[found.authentication],
        deliveries=await subscriptions.deliveries(connection, visit.environment_id, found.id, _FEW),
        done=_DONE.get(visit.query("done"), ""),
        steps=steps,
        span=span or ReplaySpan(),
        errors=errors or {},
    )
    return visit.page(f"{_FOLDER}/webhook.html", context, 400 if errors else 200)


ROUTES: Final = (
    PageRoute(_PATH, show_all, may="integrate"),
    PageRoute(_PATH, create, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/new", show_new, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}", show, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}/edit", show_form, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}/edit", change, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/pause", _doing(subscriptions.pause, "paused"), may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/resume", _doing(subscriptions.resume, "resumed"), may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/delete", delete, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/test", back, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}/test", try_out, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/replay", back, may="integrate"),
    PageRoute(f"{_PATH}/{{id}}/replay", replay, may="integrate", methods=("POST",)),
    PageRoute(f"{_PATH}/{{id}}/deliveries", show_deliveries, may="integrate"),
)
