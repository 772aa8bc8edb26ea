"""What ``almoner doctor`` says of how the database stands: the gauges that Prometheus is told, each
held against where its alarm goes off (operating/prometheus/almoner.rules.yml).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from almoner.commands.finding import WARNING, Finding
from almoner.commands.session import called
from almoner.database import Connection
from almoner.notifications import lag
from almoner.operations import database_gauges
from almoner.work import standing as work


@dataclass(frozen=True)
class _Alarm:
    """A gauge that is well up to ``most``; ``words`` take its highest value as ``value``."""

    looked_at: str
    gauge: str
    most: float
    words: str
    mend: str


_ALARMS: Final = (
    _Alarm(
        "subscribers",
        "almoner_subscription_lag_seconds",
        300,
        "the last is {value:.0f} s behind",
        "Does a worker run (almoner worker), and does the receiver answer? See: {almoner}"
        " subscription list",
    ),
    _Alarm(
        "work",
        "almoner_work_oldest_seconds",
        120,
        "what is due has waited for {value:.0f} s",
        "Does a worker run (almoner worker)? See: {almoner} integration list",
    ),
    _Alarm(
        "transaction ids",
        "almoner_database_transaction_age",
        1e9,
        "{value:,.0f} transactions are not frozen",
        "At two thousand million PostgreSQL takes no more. Does autovacuum run? What holds it"
        " stands in pg_stat_activity, pg_prepared_xacts and pg_replication_slots.",
    ),
    _Alarm(
        "log kept",
        "almoner_database_slot_bytes",
        4 * 2.0**30,
        "{value:,.0f} bytes of the database's log wait for whoever follows it",
        "Fetch it ({almoner} backup wal), or have the database let go of what nobody fetches any"
        " more: SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE ...",
    ),
)


async def findings(connection: Connection) -> AsyncIterator[Finding]:
    """One of each alarm."""
    reads = (lag.gauges, work.gauges, database_gauges.gauges)
    families = {family.name: family for read in reads for family in await read(connection)}
    for alarm in _ALARMS:
        values = [sample.value for sample in families[alarm.gauge].samples]
        highest = max(values, default=0.0)
        yield Finding(
            alarm.looked_at,
            highest <= alarm.most,
            alarm.words.format(value=highest),
            alarm.mend.format(almoner=called()),
            WARNING,
        )
