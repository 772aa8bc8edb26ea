"""What pages of things with a hook have in common: its secret made anew and shown once, the hook
closed, and the last calls, taken and refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, TypeVar

from starlette.responses import Response

from almoner.access import refused_calls
from almoner.access.hooks import Hooks
from almoner.pages.objects.views import NewSecret, Offer
from almoner.workshop.pages.object_pages import WorkshopPages

T = TypeVar("T")
# How its callers prove who they are, in words.
WAYS: Final = {"hmac": "signed", "bearer": "with a token"}
# So many of the last calls are shown, and of those that were refused.
MOST: Final = 10
_COPY: Final = "Copy it now: it is kept in no form that could be shown again."


@dataclass(frozen=True)
class HookCall:
    """A call that was taken, when (UTC), and where what came of it is read; blank where it is not
    for the visitor.
    """

    at: datetime
    path: str


@dataclass(frozen=True)
class HookView:
    """A hook that is open. ``refused``: when calls proved nothing, as far as the audit trail notes
    them, one a minute."""

    address: str
    way: str
    calls: Sequence[HookCall]
    refused: Sequence[datetime]


class HookPages(WorkshopPages[T]):
    """The pages of a kind of object that has a hook under its name. ``hooks`` are those of its
    sort, ``call_does`` is a sentence about what a caller does, ``closed`` about what ends.
    """

    hooks: ClassVar[Hooks]
    call_does: ClassVar[str]
    closed: ClassVar[str]
    hook_actions: ClassVar = {
        "hook-hmac": "",
        "hook-bearer": "",
        "close-hook": "The hook is closed: calls are refused.",
    }

    def way(self) -> str:
        """How callers prove who they are; blank where the hook is not open."""
        raise NotImplementedError

    async def calls(self) -> Sequence[HookCall]:
        """The latest calls that were taken."""
        raise NotImplementedError

    async def hook_view(self) -> HookView | None:
        """The hook as its page shows it; None where it is not open."""
        if not self.way():
            return None
        name = self.named()[0]
        refused = await refused_calls.latest(
            self.connection, self.owner, self.hooks.resource, name, MOST
        )
        address = self.hooks.address(self.visit.parts.url, name)
        return HookView(address, self.way(), await self.calls(), refused)

    def hook_offers(self) -> Iterator[Offer]:
        """What can be done with the hook."""
        title = self.named()[1]
        question = f"Make another secret for the hook of {title}? The one in use ends at once."
        ask, yes = (question, "Make another") if self.way() else ("", "")
        yield Offer(
            "hook-hmac",
            "A hook for signed calls",
            f"{self.call_does}, and signs each call with a secret that is shown once.",
            "New secret",
            question=ask,
            yes=yes,
        )
        yield Offer(
            "hook-bearer",
            "A hook for calls with a token",
            "For a partner who cannot sign: the secret is sent along.",
            "New token",
            question=ask,
            yes=yes,
        )
        if self.way():
            yield Offer(
                "close-hook",
                "Close the hook",
                self.closed,
                "Close",
                f"Close the hook of {title}? Its secret ends at once.",
                yes="Close it",
            )

    async def hook_hmac(self) -> Response:
        return await self._open("hmac")

    async def hook_bearer(self) -> Response:
        return await self._open("bearer")

    async def close_hook(self) -> None:
        await self._set("none")

    async def _open(self, way: str) -> Response:
        secret, name = await self._set(way), self.named()[0]
        assert secret is not None
        self.subject = await self.find(name)
        values = (
            ("issued-value", "Secret", secret),
            ("hook-address", "Address", self.hooks.address(self.visit.parts.url, name)),
        )
        return await self.show(NewSecret("The hook is open", _COPY, values))

    async def _set(self, way: str) -> str | None:
        box, name = self.visit.parts.box, self.named()[0]
        return await self.hooks.set(self.connection, box, self.owner, name, way, by=self.by)
