"""Where a subscription stands: what is announced, what is under way and what waits. Pure.

The notifier reads the log once for all subscriptions, span by span, and hands each the changes of
its resources. So that nothing is lost, what is under way goes back to what waits unless it is known
to have arrived and the position has moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from almoner.changes.feed import Position

# As many deleted ids as a notification names of a resource; the change feed has them all.
MOST_DELETED: Final = 1000


@dataclass(frozen=True, slots=True)
class ChangeSpan:
    """The changes of one resource: the first and the last time among them (UTC), and the ids of
    rows that were deleted.
    """

    first: datetime
    last: datetime
    deleted: tuple[str, ...] = ()

    def joined(self, other: ChangeSpan) -> ChangeSpan:
        """Both spans in one; the deleted of this one come first."""
        deleted = (
            tuple(dict.fromkeys(self.deleted + other.deleted))[:MOST_DELETED]
            if other.deleted
            else self.deleted
        )
        return ChangeSpan(min(self.first, other.first), max(self.last, other.last), deleted)


Groups = Mapping[str, ChangeSpan]


def joined(earlier: Groups, later: Groups) -> dict[str, ChangeSpan]:
    """What two parts of the log hold together, by resource."""
    together = dict(earlier)
    for resource, span in later.items():
        before = together.get(resource)
        together[resource] = span if before is None else before.joined(span)
    return together


@dataclass(slots=True)
class DeliveryProgress:
    """How far one subscription is.

    ``announced``: up to here all has arrived; it is what the database keeps. ``unread``: the part
    of the log, from ``announced`` to that position, which has not been looked at yet, or None.
    ``waiting``: what has been found behind it."""

    announced: Position
    unread: Position | None = None
    waiting: dict[str, ChangeSpan] = field(default_factory=dict)
    _sending: dict[str, ChangeSpan] | None = None
    _until: Position | None = None

    @classmethod
    def taken_over(cls, announced: Position, scanned: Position) -> DeliveryProgress:
        """Of a subscription that is served from here on by a notifier which has read the log up to
        ``scanned``.
        """
        return cls(announced, scanned if announced < scanned else None)

    @property
    def sending(self) -> bool:
        return self._sending is not None

    @property
    def idle(self) -> bool:
        """Whether all that has been read of the log is announced."""
        return not self.waiting and self._sending is None and self.unread is None

    def read(self, groups: Groups) -> None:
        """Adds what the unread part holds. What was noticed since comes behind it."""
        self.waiting = joined(groups, self.waiting)
        self.unread = None

    def notice(self, groups: Groups) -> None:
        """Adds what was found in the part of the log that was read last."""
        self.waiting = joined(self.waiting, groups)

    def begin(self, scanned: Position) -> Groups:
        """What to announce now, the log having been read up to ``scanned``. Only when nothing is
        under way or unread.
        """
        if self._sending is not None or self.unread is not None:
            raise ValueError("a notification is under way, or a part of the log is unread")
        self._sending, self._until, self.waiting = self.waiting, max(scanned, self.announced), {}
        return self._sending

    @property
    def until(self) -> Position:
        """The position to move to once what is under way has arrived."""
        return self.announced if self._until is None else self._until

    def arrived(self) -> None:
        """What was under way has arrived, and the position was moved in the database."""
        self.announced, self._sending, self._until = self.until, None, None

    def failed(self) -> None:
        """What was under way has not arrived, or that is not known: it waits again, before what
        came since.
        """
        self.waiting = joined(self._sending or {}, self.waiting)
        self._sending, self._until = None, None

    def advance(self, scanned: Position) -> None:
        """Moves an idle subscription over changes that it does not ask for."""
        if not self.idle:
            raise ValueError("there is something to announce first")
        self.announced = max(scanned, self.announced)

    def restart(self, scanned: Position) -> None:
        """Looks again at all behind the position, since what is asked for has changed."""
        self.waiting = {}
        self.unread = scanned if self.announced < scanned else None
