"""One attempt to deliver: authenticate, send, and say in words what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from almoner.notifications.authentication import AuthenticationError, Authenticator
from almoner.notifications.subscription import TOKEN_EXCHANGE, Subscription
from almoner.outbound.http import HttpAnswer, HttpClient, SendError

DELIVERED: Final = "delivered"
# As much of an answer is kept as tells a programmer what the receiver thought.
_MOST_ANSWER: Final = 2048


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """What came of one attempt, as the log of deliveries keeps it.

    ``outcome`` is ``delivered`` or sentences that say what went wrong; ``status`` the HTTP status
    of the last answer, None where there was none; ``answer`` its first bytes as text."""

    well: bool
    outcome: str
    status: int | None
    milliseconds: int
    answer: str


class Courier:
    """Takes notifications to subscribers. Success is a 2xx (clarification 26)."""

    def __init__(
        self,
        client: HttpClient,
        authenticator: Authenticator,
        pace: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.authenticator = authenticator
        self._pace = pace

    async def deliver(self, subscription: Subscription, body: bytes) -> DeliveryAttempt:
        """Sends one notification. A token that was fetched earlier and is refused now is renewed
        once.
        """
        begun = self._pace()
        try:
            token = await self.authenticator.token(subscription)
            answer = await self._sent(subscription, body, token.text)
            if answer.status == 401:
                self.authenticator.forget(subscription.id)
                if token.cached:
                    token = await self.authenticator.token(subscription)
                    answer = await self._sent(subscription, body, token.text)
            well, outcome = judged(subscription, answer.status)
            return DeliveryAttempt(
                well, outcome, answer.status, self._since(begun), _text(answer.body)
            )
        except SendError as error:
            return DeliveryAttempt(
                False,
                f"The receiver {error.words}",
                error.status,
                self._since(begun),
                _text(error.answer),
            )
        except AuthenticationError as error:
            return DeliveryAttempt(
                False, error.words, error.status, self._since(begun), _text(error.answer)
            )

    def _since(self, begun: float) -> int:
        return round((self._pace() - begun) * 1000)

    async def _sent(self, subscription: Subscription, body: bytes, token: str) -> HttpAnswer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self.client.post(subscription.notify_url, body, headers)


def judged(subscription: Subscription, status: int) -> tuple[bool, str]:
    """Whether an answer of this status means that the notification has arrived, and the outcome in
    words.
    """
    if 200 <= status < 300:
        return True, DELIVERED
    if 300 <= status < 400:
        outcome = (
            f"The receiver answered {status}, a redirect. None is followed: set the notify URL to"
            " the address meant."
        )
    elif status in (401, 403):
        checked = "client id, client secret, audience and token URL"
        if subscription.authentication != TOKEN_EXCHANGE:
            checked = "client id, client secret and audience"
        outcome = f"The receiver refused the token: {status}. Check {checked}."
    else:
        outcome = f"The receiver answered {status}."
    return False, outcome


def _text(body: bytes) -> str:
    return body[:_MOST_ANSWER].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
