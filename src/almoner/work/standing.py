"""How much work waits, for how long, and what failed, for Prometheus: the alarm that an operator
needs.

It is read from the database, so that it tells the truth when no runner runs at all.
"""

from __future__ import annotations

from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from almoner.database import Connection

_LABELS: Final = ("environment", "queue")
# Each count is by an index of the few that are in that state.
_STANDING: Final = """
SELECT q.environment_id::text AS environment, q.name AS queue,
  (SELECT count(*) FROM work_steps AS s WHERE s.environment_id = q.environment_id
      AND s.queue = q.name
    AND s.state = 'ready' AND s.due_at <= statement_timestamp()) AS waiting,
  (SELECT count(*) FROM work_steps AS s WHERE s.environment_id = q.environment_id
      AND s.queue = q.name
    AND s.state = 'running') AS running,
  (SELECT count(*) FROM work_steps AS s WHERE s.environment_id = q.environment_id
      AND s.queue = q.name
    AND s.state IN ('failed', 'refused')) AS failed,
  coalesce((SELECT extract(epoch FROM clock_timestamp() - min(s.due_at))::float8
      FROM work_steps AS s
    WHERE s.environment_id = q.environment_id AND s.queue = q.name AND s.state = 'ready'
    AND s.due_at <= statement_timestamp()), 0) AS seconds
FROM work_queues AS q
"""
_GAUGES: Final = (
    ("almoner_work_waiting", "Steps that are due and that nobody does yet.", "waiting"),
    (
        "almoner_work_oldest_seconds",
        "For how long the first of them has been due; 0 without any.",
        "seconds",
    ),
    ("almoner_work_running", "Steps that are being done.", "running"),
    ("almoner_work_failed", "Steps that failed for good, until they are retried.", "failed"),
)


async def gauges(connection: Connection) -> list[Metric]:
    """The gauges, as the database has them now."""
    rows = await connection.fetch(_STANDING)
    families: list[Metric] = []
    for name, about, column in _GAUGES:
        family = GaugeMetricFamily(name, about, labels=_LABELS)
        for row in rows:
            family.add_metric((row["environment"], row["queue"]), row[column])
        families.append(family)
    return families
