"""A subscription as its form states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from almoner.errors import ApiError
from almoner.notifications.subscription import TOKEN_EXCHANGE, Subscription, usual_audience
from almoner.pages.forms.problems import by_field
from almoner.pages.visit import Form

_LINES: Final = ("name", "notify_url", "client_id", "client_secret", "audience", "token_url")
# What is said where nothing was filled in.
_EMPTY: Final[Mapping[str, str]] = {
    "name": "Give it a name by which people know it again.",
    "notify_url": "Give the address that notifications are posted to.",
    "resources": "Tick at least one.",
    "client_id": "Give the client id that the receiver issued for us.",
    "client_secret": "Give the secret that the receiver issued for us.",
    "token_url": "Give the address where the receiver exchanges tokens.",
}


@dataclass(frozen=True, kw_only=True)
class WebhookForm:
    """What was typed, as it was typed."""

    name: str = ""
    notify_url: str = ""
    resources: tuple[str, ...] = ()
    authentication: str = TOKEN_EXCHANGE
    client_id: str = ""
    client_secret: str = ""
    audience: str = ""
    token_url: str = ""

    def terms(self, is_new: bool) -> dict[str, Any]:
        """The same as the terms that the subscriptions take. Without a secret, the earlier one stays."""
        terms: dict[str, Any] = {name: getattr(self, name) for name in _LINES} | {"authentication": self.authentication}
        terms["resources"] = list(self.resources)
        terms["audience"] = self.audience or None
        exchanged = self.authentication == TOKEN_EXCHANGE
        # The field is out of sight for the other way, with whatever was typed there before.
        terms["token_url"] = (self.token_url or None) if exchanged else None
        if not is_new and not self.client_secret:
            del terms["client_secret"]
        return terms

    def errors(self, refused: ApiError) -> dict[str, str]:
        """What is wrong by field. Raises the error again where it is about no field."""
        found = by_field(refused)
        return {name: _EMPTY[name] if name in _EMPTY and not getattr(self, name) else text for name, text in found.items()}


def from_form(form: Form) -> WebhookForm:
    """What a form states, without spaces around it."""
    lines = {name: form.text(name).strip() for name in _LINES}
    return WebhookForm(**lines, resources=form.texts("resources"), authentication=form.text("authentication"))


def from_subscription(subscription: Subscription) -> WebhookForm:
    """What a form begins with. The secret is never told, nor is an audience that is the usual one."""
    usual = usual_audience(subscription.authentication, subscription.notify_url, subscription.token_url)
    return WebhookForm(
        name=subscription.name,
        notify_url=subscription.notify_url,
        resources=subscription.resources,
        authentication=subscription.authentication,
        client_id=subscription.client_id,
        audience="" if subscription.audience == usual else subscription.audience,
        token_url=subscription.token_url or "",
    )
