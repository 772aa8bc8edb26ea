"""``test``: an empty notification to a subscriber, told step by step in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, Final

from almoner.access.secrets import SecretBox
from almoner.notifications.authentication import Authenticator
from almoner.notifications.delivery import Courier, DeliveryAttempt
from almoner.notifications.message import EMPTY
from almoner.notifications.subscription import TOKEN_EXCHANGE, Subscription
from almoner.outbound import targets
from almoner.outbound.http import HttpAnswer, HttpClient, SendError

# Two requests, one after the other, within the time that a request to the API may take.
PATIENCE: Final = 12.0
# What comes one after the other when something is sent. A step that failed means that those before
# it went well.
_ORDER: Final = ("name", "connection", "tls")
_RECEIVER: Final = "receiver"
_TOKEN_ENDPOINT: Final = "token endpoint"  # noqa: S105  # what it is called


@dataclass(frozen=True, slots=True)
class TrialStep:
    """One step of a test: what was done, whether it went well, and what was seen, as a sentence."""

    step: str
    well: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        """The step as the API shows it."""
        return {"step": self.step, "well": self.well, "detail": self.detail}


class SubscriptionTrial:
    """Sends an empty notification as the notifier would, but neither moves a position nor keeps
    what came of it.
    """

    def __init__(
        self,
        box: SecretBox,
        private_targets: bool,
        trusted: SSLContext,
        patience: float = PATIENCE,
    ) -> None:
        self._box = box
        self._private = private_targets
        self._trusted = trusted
        self._patience = patience

    async def __call__(self, subscription: Subscription) -> list[TrialStep]:
        """Every step that was come to, in order; the last one is not well where the test failed."""
        client = _NotingClient(self._private, self._patience, self._trusted)
        try:
            attempt = await Courier(client, Authenticator(self._box, client)).deliver(
                subscription, EMPTY
            )
        finally:
            await client.close()
        return _steps(subscription, client.noted, attempt)


class _NotingClient(HttpClient):
    """Keeps what came of each request."""

    def __init__(self, private_targets: bool, patience: float, trusted: SSLContext) -> None:
        super().__init__(private_targets, patience, trusted)
        self.noted: list[tuple[str, HttpAnswer | SendError]] = []

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        try:
            answer = await super().post(url, body, headers)
        except SendError as error:
            self.noted.append((url, error))
            raise
        self.noted.append((url, answer))
        return answer


async def try_post(
    client: HttpClient, url: str, body: bytes, headers: Mapping[str, str]
) -> list[TrialStep]:
    """The steps of a request that is sent as it is, whatever it is for."""
    try:
        answer = await client.post(url, body, headers)
    except SendError as error:
        steps = _reached(_RECEIVER, url, error)
        failed = TrialStep("answer", False, f"The {_RECEIVER} {error.words}")
        return [*steps, failed] if error.step == "answer" else steps
    well = 200 <= answer.status < 300
    last = TrialStep("answer", well, f"The {_RECEIVER} answered {answer.status}.")
    return [*_reached(_RECEIVER, url, answer), last]


def _steps(
    subscription: Subscription,
    noted: list[tuple[str, HttpAnswer | SendError]],
    attempt: DeliveryAttempt,
) -> list[TrialStep]:
    exchanged = subscription.authentication == TOKEN_EXCHANGE
    steps: list[TrialStep] = []
    if exchanged and noted:
        steps += _reached(_TOKEN_ENDPOINT, *noted[0])
    posted = noted[1:] if exchanged else noted
    if not posted:
        # The token is what it ended at, and the attempt says why.
        return [*steps, TrialStep("token", False, attempt.outcome)]
    signed = f"A JWT was signed for the audience {subscription.audience}"
    steps.append(
        TrialStep(
            "token",
            True,
            (
                f"{signed} and exchanged for a token."
                if exchanged
                else f"{signed}, as the bearer token."
            ),
        )
    )
    steps += _reached(_RECEIVER, *posted[0])
    if attempt.well:
        took = f"The receiver answered {attempt.status}; all of it took {attempt.milliseconds} ms."
        return [*steps, TrialStep("answer", True, took)]
    answer = f" It said: {_line(attempt.answer)}" if attempt.answer.strip() else ""
    return (
        [*steps, TrialStep("answer", False, attempt.outcome + answer)]
        if _answered(posted[-1][1])
        else steps
    )


def _answered(came: HttpAnswer | SendError) -> bool:
    """Whether it came as far as the answer; what ended before that is a step of its own already."""
    return isinstance(came, HttpAnswer) or came.step == "answer"


def _reached(who: str, url: str, came: HttpAnswer | SendError) -> list[TrialStep]:
    """The steps up to a connection: those that went well, and the one that it ended at."""
    ended, addresses = (came.step, ()) if isinstance(came, SendError) else ("", came.addresses)
    if isinstance(came, SendError) and ended == "answer" and came.status is None:
        # Nothing came at all: whether there was a connection is not known.
        return []
    if isinstance(came, SendError) and ended == "url":
        return [TrialStep(f"{who}: url", False, f"The {who} {came.words}")]
    # It was judged before it was dialled; this reads it once more for what is said of it.
    target = targets.read(url, private_targets=True)
    at = f" ({', '.join(addresses)})" if addresses else ""
    well = {
        "name": f"{target.raw_host}{at} may be sent to.",
        "connection": f"There is a connection to {target.raw_authority}.",
        "tls": (
            "TLS is agreed on, and the certificate is trusted."
            if target.scheme == "https"
            else "No TLS; that is allowed here."
        ),
    }
    steps: list[TrialStep] = []
    for name in _ORDER:
        if name == ended and isinstance(came, SendError):
            return [*steps, TrialStep(f"{who}: {name}", False, f"The {who} {came.words}")]
        if name in well:
            steps.append(TrialStep(f"{who}: {name}", True, well[name]))
    return steps


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
