"""How far reading the log for processes is behind, for Prometheus: while it stands still nothing is
set off, and no step waits that would tell.

It is read from the database, so that it tells the truth when nobody reads at all.
"""

from __future__ import annotations

from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from almoner.database import Connection
from almoner.database.open_environments import OPEN

# Over changes that set nothing off the position is moved every half a minute.
_LAG: Final = f"""
SELECT p.environment_id::text AS environment, coalesce((
  SELECT extract(epoch FROM clock_timestamp() - c.changed_at)::float8 FROM changes c
  WHERE c.environment_id = p.environment_id AND (c.epoch, c.xid, c.seq) > (p.epoch, p.xid, p.seq)
  ORDER BY c.epoch, c.xid, c.seq LIMIT 1), 0) AS seconds
FROM process_positions p WHERE {OPEN}
"""
_ABOUT: Final = (
    "For how long the first change that was not read for processes has stood in the log; 0 without"
    " any."
)


async def gauges(connection: Connection) -> list[Metric]:
    """The gauge, as the database has it now."""
    family = GaugeMetricFamily("almoner_process_lag_seconds", _ABOUT, labels=("environment",))
    for row in await connection.fetch(_LAG):
        family.add_metric((row["environment"],), row["seconds"])
    return [family]
