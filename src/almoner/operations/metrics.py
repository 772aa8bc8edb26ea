"""Metrics for Prometheus, at ``/metrics``. With several worker processes, what they counted is added up."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts requests by operation and status, and how long they took; of a stream, until its first part."""

    def __init__(self) -> None:
        self._several = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        self.registry = CollectorRegistry()
        self._requests = Counter("almoner_requests", "Requests answered.", ("operation", "status"), registry=self.registry)
        self._seconds = Histogram(
            "almoner_request_seconds",
            "Seconds from request to answer.",
            ("operation",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._pool = Gauge(
            "almoner_database_connections",
            "Connections of the pool.",
            ("state",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._streams = Gauge(
            "almoner_streams",
            "Streams under way: live pages and exports.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._audit_dropped = Gauge(
            "almoner_audit_reads_dropped",
            "Reads that the audit trail could not keep, since the database was away for too long.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._holding = Counter(
            "almoner_waits_while_holding",
            "Waits for a connection or for the caller with a connection in hand: faults in the code.",
            registry=self.registry,
        )
        self._notifications = Counter(
            "almoner_notifications", "Attempts to notify subscribers.", ("outcome",), registry=self.registry
        )
        self._children: dict[tuple[str, int], Any] = {}
        self._timers: dict[str, Any] = {}

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Counts one answered request."""
        key = (operation, status)
        counter = self._children.get(key)
        if counter is None:
            counter = self._children[key] = self._requests.labels(operation, str(status))
        counter.inc()
        timer = self._timers.get(operation)
        if timer is None:
            timer = self._timers[operation] = self._seconds.labels(operation)
        timer.observe(seconds)

    def stream_begun(self) -> None:
        """Counts a stream among those under way."""
        self._streams.inc()

    def stream_ended(self) -> None:
        """Counts it no longer."""
        self._streams.dec()

    def held(self) -> None:
        """Counts a wait of a task that holds a connection (``almoner.connection_guard``)."""
        self._holding.inc()

    def notified(self, well: bool) -> None:
        """Counts one attempt to notify a subscriber."""
        self._notifications.labels("delivered" if well else "failed").inc()

    def exposition(self, pool_size: int, pool_idle: int, dropped: int) -> bytes:
        """The text that Prometheus scrapes."""
        self._pool.labels("open").set(pool_size)
        self._pool.labels("idle").set(pool_idle)
        self._audit_dropped.set(dropped)
        if not self._several:
            return generate_latest(self.registry)
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]  # it has no annotations
        return generate_latest(gathered)
