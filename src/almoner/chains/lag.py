"""For how long the logs have waited to be sealed, for Prometheus: what is not sealed can be
rewritten unnoticed, and whoever stops the worker has that go on.

It is read from the database, so that it tells the truth when nobody seals at all.
"""

from __future__ import annotations

from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from almoner.chains.logs import LOGS, ChainedLog
from almoner.database import Connection

_ABOUT: Final = (
    "For how long the first entry that is not sealed has stood in a log that is chained; 0 without"
    " any."
)


async def gauges(connection: Connection) -> list[Metric]:
    """The gauge, as the database has it now."""
    family = GaugeMetricFamily("almoner_unsealed_seconds", _ABOUT, labels=("environment", "log"))
    for row in await connection.fetch(_UNSEALED):
        family.add_metric((row["environment"], row["log"]), row["seconds"])
    return [family]


def _unsealed(log: ChainedLog) -> str:
    """The SQL of a row an environment."""
    last = [f"coalesce(b.to_key[{number}], 0)" for number in range(1, len(log.key) + 1)]
    return (
        f"SELECT e.id::text AS environment, '{log.name}' AS log, coalesce((SELECT greatest(extract("
        f"epoch FROM clock_timestamp() - l.{log.written}), 0)::float8 FROM {log.name} l"
        f" WHERE l.environment_id = e.id AND {log.keys} > ({', '.join(last)})"
        f" ORDER BY {', '.join(log.key)} LIMIT 1), 0) AS seconds FROM environments e"
        " LEFT JOIN LATERAL (SELECT to_key FROM chain_batches WHERE environment_id = e.id"
        f" AND log = '{log.name}' ORDER BY number DESC LIMIT 1) b ON true WHERE e.state = 'open'"
    )


_UNSEALED: Final = " UNION ALL ".join(map(_unsealed, LOGS))
