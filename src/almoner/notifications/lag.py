"""How far each subscriber is behind, for Prometheus: the alarm that an operator needs.

It is read from the database whenever it is asked for, so that it tells the truth when no notifier
runs at all."""

from __future__ import annotations

from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric

from almoner.changes import feed
from almoner.database import Connection
from almoner.notifications.subscriptions import OLDEST_UNANNOUNCED

_LABELS: Final = ("environment", "subscription")
_STANDING: Final = f"""
SELECT s.environment_id::text AS environment, s.id::text AS subscription, s.failures, s.paused,
  coalesce(behind.seconds, 0) AS seconds
FROM subscriptions AS s
LEFT JOIN LATERAL ({OLDEST_UNANNOUNCED}) AS behind ON true
"""


async def gauges(connection: Connection) -> list[Metric]:
    """The gauges, as the database has them now."""
    rows = await _standing(connection)
    lag = GaugeMetricFamily(
        "almoner_subscription_lag_seconds",
        "Age of the oldest change that a subscriber has not been told of; 0 when there is none.",
        labels=_LABELS,
    )
    failures = GaugeMetricFamily(
        "almoner_subscription_failures", "Failed attempts in a row.", labels=_LABELS
    )
    paused = GaugeMetricFamily(
        "almoner_subscription_paused", "1 while a subscription is paused.", labels=_LABELS
    )
    for row in rows:
        labels = (row["environment"], row["subscription"])
        lag.add_metric(labels, row["seconds"])
        failures.add_metric(labels, row["failures"])
        paused.add_metric(labels, row["paused"])
    return [lag, failures, paused]


async def _standing(connection: Connection) -> list[Any]:
    settled = await feed.horizon(connection)
    rows: list[Any] = await connection.fetch(_STANDING, settled.epoch, settled.xid)
    return rows
