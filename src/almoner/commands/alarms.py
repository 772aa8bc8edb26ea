"""What ``almoner doctor`` says of how the database stands: the gauges that Prometheus is told, each
held against where its alarm goes off (operating/prometheus/almoner.rules.yml).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from almoner.chains import lag as chain_lag
from almoner.commands.finding import WARNING, Finding
from almoner.commands.session import called
from almoner.database import Connection
from almoner.notifications import lag
from almoner.operations import database_gauges
from almoner.processes import lag as process_lag
from almoner.work import standing as work


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A gauge that is well up to ``most``, with what is said then (``calm``) of what people know as
    ``title``; else ``words``, which take its highest value as ``value``.
    """

    looked_at: str
    title: str
    gauge: str
    most: float
    calm: str
    words: str
    mend: str


ALARMS: Final = (
    Alarm(
        looked_at="subscribers",
        title="Notifications",
        gauge="almoner_subscription_lag_seconds",
        most=300,
        calm="No subscriber is more than 5 minutes behind.",
        words="the last is {value:.0f} s behind",
        mend="Does a worker run (almoner worker), and does the receiver answer? See: {almoner}"
        " subscription list",
    ),
    Alarm(
        looked_at="work",
        title="Work in the background",
        gauge="almoner_work_oldest_seconds",
        most=120,
        calm="Nothing that is due waits longer than 2 minutes.",
        words="what is due has waited for {value:.0f} s",
        mend="Does a worker run (almoner worker)? See: {almoner} integration list",
    ),
    Alarm(
        looked_at="processes",
        title="Processes",
        gauge="almoner_process_lag_seconds",
        most=120,
        calm="What sets processes off is read within 2 minutes.",
        words="what happened {value:.0f} s ago has not been read for processes",
        mend="Does a worker run (almoner worker)? Failures in the inbox of whoever administers, and"
        " its log, say what keeps it.",
    ),
    Alarm(
        looked_at="chains",
        title="Sealing of the logs",
        gauge="almoner_unsealed_seconds",
        most=600,
        calm="What is logged is sealed within 10 minutes.",
        words="what was logged {value:.0f} s ago is not sealed yet",
        mend="Does a worker run (almoner worker)? Its log says what keeps it. Until then nobody"
        " would notice that a log was rewritten.",
    ),
    Alarm(
        looked_at="transaction ids",
        title="Transaction ids",
        gauge="almoner_database_transaction_age",
        most=1e9,
        calm="Less than half of them are in use.",
        words="{value:,.0f} transactions are not frozen",
        mend="At two thousand million PostgreSQL takes no more. Does autovacuum run? What holds it"
        " stands in pg_stat_activity, pg_prepared_xacts and pg_replication_slots.",
    ),
    Alarm(
        looked_at="log kept",
        title="Log of the database",
        gauge="almoner_database_slot_bytes",
        most=4 * 2.0**30,
        calm="Less than 4 GiB of it wait for whoever follows it.",
        words="{value:,.0f} bytes of the database's log wait for whoever follows it",
        mend="Fetch it ({almoner} backup wal), or have the database let go of what nobody fetches"
        " any more: SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE ...",
    ),
)


async def findings(connection: Connection) -> AsyncIterator[Finding]:
    """One of each alarm."""
    reads = (
        lag.gauges,
        work.gauges,
        process_lag.gauges,
        chain_lag.gauges,
        database_gauges.gauges,
    )
    families = {family.name: family for read in reads for family in await read(connection)}
    for alarm in ALARMS:
        values = [sample.value for sample in families[alarm.gauge].samples]
        highest = max(values, default=0.0)
        is_well = highest <= alarm.most
        yield Finding(
            alarm.looked_at,
            is_well,
            alarm.calm if is_well else alarm.words.format(value=highest),
            alarm.mend.format(almoner=called()),
            WARNING,
        )
