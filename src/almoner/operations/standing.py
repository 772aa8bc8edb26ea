"""Metrics that are read from the database whenever somebody asks, so that they are true whatever
runs or does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from almoner.database import Connection, Database
from almoner.operations import database_gauges

Read = Callable[[Connection], Awaitable[list[Metric]]]


class _StandingMetrics(Collector):
    """Values that were read elsewhere; a gauge of the library would be kept and added up over
    processes.
    """

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def exposition(database: Database, *reads: Read) -> bytes:
    """The gauges of the database and of ``reads`` as the text that Prometheus scrapes. Raises
    UnavailableError where the database is away.
    """
    registry = CollectorRegistry()
    async with database.connection() as connection:
        registry.register(
            _StandingMetrics(
                [
                    family
                    for read in (database_gauges.gauges, *reads)
                    for family in await read(connection)
                ]
            )
        )
    return generate_latest(registry)
