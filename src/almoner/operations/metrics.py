"""Metrics for Prometheus, at ``/metrics``. With several worker processes, what they counted is
added up.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# How long what several processes have counted waits before it is seen by the one that is asked.
_HAND_ON_SECONDS: Final = 1.0
# Events of the log that tell of somebody who is not let in.
REFUSALS: Final = ("sign-in refused", "token refused", "a call of a hook is refused")

# How the values of several processes become one.
_Mode = Literal["livesum", "mostrecent"]


class _Tally:
    """Requests since they were last handed on: a number for each of ``_BUCKETS`` and one for
    beyond, and their seconds together.
    """

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BUCKETS) + 1)
        self.seconds = 0.0


class Metrics:
    """Counts requests by operation and status, and how long they took; of a stream, until its first
    part.

    The library takes some 3 µs to count a request. So they are tallied here and handed on to it
    when somebody asks; with several processes within a second, since any of them may be the one
    that is asked."""

    def __init__(self) -> None:
        self._several = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "almoner_requests", "Requests answered.", "operation", "status"
        )
        self._seconds = Histogram(
            "almoner_request_seconds",
            "Seconds from request to answer.",
            ("operation",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._pool = self._gauge(
            "almoner_database_connections", "Connections of the pool.", "state"
        )
        self._streams = self._gauge("almoner_streams", "Streams under way: live pages and exports.")
        self._audit_dropped = self._gauge(
            "almoner_audit_reads_dropped",
            "Reads that the audit trail could not keep, since the database was away for too long.",
        )
        self._holding = self._counter(
            "almoner_waits_while_holding",
            "Waits for a connection or for the caller with a connection in hand: faults in the"
            " code.",
        )
        self._notifications = self._counter(
            "almoner_notifications", "Attempts to notify subscribers.", "outcome"
        )
        self._tries = self._counter("almoner_work_tries", "Tries of steps.", "queue", "outcome")
        self._lines = self._counter(
            "almoner_log_lines",
            "Lines of the log, those among them that are told by their number alone.",
            "level",
            "event",
        )
        # They are there before the first one, so that a first hundred of them is an increase.
        for event in REFUSALS:
            self._lines.labels("warning", event)
        self._certificates = self._gauge(
            "almoner_receiver_certificate_end_seconds",
            "When the certificate ends that a host showed which was connected to, in seconds since"
            " 1970.",
            "host",
            mode="mostrecent",
        )
        self._tallies: dict[tuple[str, int], _Tally] = {}
        self._next_look: asyncio.TimerHandle | None = None

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str, mode: _Mode = "livesum") -> Gauge:
        return Gauge(name, about, labels, registry=self.registry, multiprocess_mode=mode)

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Counts an answered request, by the name of its operation and never by its address."""
        tally = self._tallies.get((operation, status))
        if tally is None:
            tally = self._tallies[operation, status] = _Tally()
        tally.seconds += seconds
        tally.buckets[bisect_left(_BUCKETS, seconds)] += 1
        if self._several and self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(_HAND_ON_SECONDS, self.hand_on)

    def hand_on(self) -> None:
        """Hands the requests that were counted on to where they are read, as before the process
        ends.
        """
        tallies, self._tallies, self._next_look = self._tallies, {}, None
        for (operation, status), tally in tallies.items():
            self._requests.labels(operation, str(status)).inc(sum(tally.buckets))
            # The library has no call that takes many observations at once; this is what its own
            # does for each.
            timer = self._seconds.labels(operation)
            timer._sum.inc(tally.seconds)
            for bucket, number in zip(timer._buckets, tally.buckets, strict=True):
                if number:
                    bucket.inc(number)

    def stream_begun(self) -> None:
        """Counts a stream among those under way."""
        self._streams.inc()

    def stream_ended(self) -> None:
        self._streams.dec()

    def hold(self) -> None:
        """Counts a wait of a task that holds a connection
        (``almoner.database.connection_guard``).
        """
        self._holding.inc()

    def notified(self, well: bool) -> None:
        """Counts an attempt to notify a subscriber, apart by whether it went well."""
        self._notifications.labels("delivered" if well else "failed").inc()

    def tried(self, queue: str, outcome: str) -> None:
        """Counts one try of a step of work, and what came of it."""
        self._tries.labels(queue, outcome).inc()

    def logged(self, level: str, event: str) -> None:
        """Counts a line of the log."""
        self._lines.labels(level, event).inc()

    def certified(self, host: str, ends_at: float) -> None:
        """Notes when a receiver's certificate ends, in seconds since 1970."""
        self._certificates.labels(host).set(ends_at)

    def exposition(self, pool_size: int, pool_idle: int, dropped: int) -> bytes:
        """The metrics of all processes in Prometheus' text format."""
        self.hand_on()
        self._pool.labels("open").set(pool_size)
        self._pool.labels("idle").set(pool_idle)
        self._audit_dropped.set(dropped)
        if not self._several:
            return generate_latest(self.registry)
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]  # it has no annotations
        return generate_latest(gathered)
