"""Slowing down those who guess: failed attempts per client and per address (clarification 22, issue
of access).

Pure: no clock of its own, no waiting. One instance serves one process; several processes allow as
many times the guesses, which is still nothing against a secret of 256 bits.

A client that has lately fetched a token from an address is *known* there. It is judged there by its
own failures alone, so that neither a stranger who knows its id nor a neighbour behind the same
proxy can lock it out."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

FAILURES: Final = 10  # as many failures ...
WINDOW: Final = 60.0  # ... in as many seconds begin the waiting
LONGEST_WAIT: Final = 60.0  # seconds
# seconds without a failure after the last wait; longer than the longest wait, so that it counts
FORGOTTEN_AFTER: Final = 120.0
KNOWN_FOR: Final = 86_400.0  # seconds; programs fetch a token every hour


def network(address: str) -> str:
    """What an address is counted by: itself, or the /64 of an IPv6 one, all of whose addresses one
    subscriber may use.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed), 64), strict=False))


@dataclass(slots=True)
class _Record:
    """The failures under one key: when the latest were, how often a wait was imposed, and when the
    last one ends.
    """

    recent: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))
    waits: int = 0
    until: float = 0.0

    def fail(self, now: float) -> None:
        if self.waits and now > self.until + FORGOTTEN_AFTER:
            self.waits = 0
        self.recent.append(now)
        if self.waits or (len(self.recent) == FAILURES and now - self.recent[0] <= WINDOW):
            self.until = now + min(2.0 ** min(self.waits, 6), LONGEST_WAIT)
            self.waits += 1


_Key = tuple[str, ...]


class Throttle:
    """Counts failed attempts and tells how long to wait: 1, 2, 4 ... at most 60 seconds after ten
    failures in a minute.

    ``now`` is in seconds of any clock that only goes forward. ``client`` is the client id that an
    attempt names, or None where it names none that could exist; ``address`` counts as its
    ``network``. At most ``capacity`` keys of each sort are kept; the least recently used go first.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._records: OrderedDict[_Key, _Record] = OrderedDict()
        self._known: OrderedDict[_Key, float] = OrderedDict()

    def wait(self, client: str | None, address: str, now: float) -> float:
        """The seconds before the next attempt is looked at; 0 where it may be made now."""
        ends = [
            self._records[key].until
            for key in self._keys(client, address, now)
            if key in self._records
        ]
        return max(0.0, max(ends, default=now) - now)

    def failed(self, client: str | None, address: str, now: float) -> None:
        """An attempt was looked at and failed."""
        for key in self._keys(client, address, now):
            record = self._records.setdefault(key, _Record())
            record.fail(now)
            self._records.move_to_end(key)
        while len(self._records) > self._capacity:
            self._records.popitem(last=False)

    def succeeded(self, client: str, address: str, now: float) -> None:
        """The client proved itself from this address: its failures are forgotten, those of the
        address are not.
        """
        self._records.pop(("client", client), None)
        self._records.pop(("known", client, network(address)), None)
        place = (client, network(address))
        self._known[place] = now
        self._known.move_to_end(place)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def _keys(self, client: str | None, address: str, now: float) -> tuple[_Key, ...]:
        place = network(address)
        if client is None:
            return (("address", place),)
        proved = self._known.get((client, place))
        if proved is not None and now - proved <= KNOWN_FOR:
            return (("known", client, place),)
        return (("client", client), ("address", place))
