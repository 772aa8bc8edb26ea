"""The tables of processes: how far the log was read for them, what set one off, and what it did."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    JSON,
    UUID,
    BigInteger,
    Column,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)

from almoner.schema.columns import MOMENT, binary, guid, integer, key, moment, refers, string, table


def process_tables(metadata: MetaData) -> None:
    # Up to where the change log was read, and up to when appointments ahead were looked for.
    table(
        metadata,
        "process_positions",
        integer("epoch"),
        Column("xid", BigInteger, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("ahead_until", MOMENT, nullable=False),
        *key("process_positions", "environment_id"),
    )
    # What is paused: a process by its name, a patient by the id, or all (blank).
    table(
        metadata,
        "process_pauses",
        string("kind"),
        string("name"),
        string("paused_by"),
        moment("paused_at"),
        *key("process_pauses", "environment_id", "kind", "name"),
    )
    # Of a process that the time sets off: up to when it was looked for, and, where that is under
    # way, up to when it is and behind which patient.
    table(
        metadata,
        "process_clocks",
        string("process"),
        Column("looked_until", MOMENT, nullable=False),
        moment("until", now=False),
        Column("patient_id", UUID),
        *key("process_clocks", "environment_id", "process"),
    )
    _hooks(metadata)
    _outside(metadata)
    _firings(metadata)
    table(
        metadata,
        "process_effects",
        *refers("process_effects", "firing_id", "process_firings"),
        # Which of the actions it came of.
        Column("place", SmallInteger, nullable=False),
        string("resource"),
        guid("row_id"),
        PrimaryKeyConstraint("environment_id", "firing_id", "place"),
        Index("process_effects_row_id_idx", "environment_id", "row_id"),
    )


def _hooks(metadata: MetaData) -> None:
    # The hooks that are open, each with how its callers prove who they are.
    table(
        metadata,
        "process_hooks",
        string("name"),
        string("way"),
        binary("sealed"),
        moment("changed_at"),
        *key("process_hooks", "environment_id", "name"),
    )
    # The calls that were taken, none twice, and when processes were set off by each.
    table(
        metadata,
        "process_calls",
        guid(),
        string("hook"),
        binary(),
        guid("patient_id"),
        moment("received_at"),
        moment("read_at", now=False),
        PrimaryKeyConstraint("environment_id", "id"),
        UniqueConstraint("environment_id", "hook", "digest", name="process_calls_digest_key"),
        Index("process_calls_received_at_idx", "environment_id", "hook", "received_at"),
        Index(
            "process_calls_unread_part",
            "environment_id",
            "received_at",
            postgresql_where=text("read_at IS NULL"),
        ),
    )


def _outside(metadata: MetaData) -> None:
    """What processes call."""
    # The addresses that processes call, each with the secret that calls are signed with.
    table(
        metadata,
        "process_webhooks",
        string("name"),
        string("url"),
        binary("sealed"),
        moment("changed_at"),
        *key("process_webhooks", "environment_id", "name"),
    )


def _firings(metadata: MetaData) -> None:
    firings = table(
        metadata,
        "process_firings",
        guid(),
        string("process"),
        # The version of the program whose process it is.
        integer("version"),
        # What set it off: no process is set off twice by the same.
        string("cause"),
        Column("event", JSON, nullable=False),
        guid("patient_id"),
        # The processes whose effects led to it, the first of them first.
        Column("chain", ARRAY(Text), nullable=False),
        string("state"),
        # Why it failed or was stopped: a code, and what to do in words.
        Column("error", JSON),
        # The event that it waits for, and what happened as it did.
        string("awaits", nullable=True),
        Column("happened", JSON),
        Column("due_at", MOMENT, nullable=False),
        moment("fired_at"),
        moment("ended_at", now=False),
        PrimaryKeyConstraint("environment_id", "id"),
        UniqueConstraint("environment_id", "process", "cause", name="process_firings_cause_key"),
    )
    Index(
        "process_firings_fired_at_idx",
        *(firings.c.environment_id, firings.c.process, firings.c.fired_at),
    )
    Index(
        "process_firings_awaits_part",
        *(firings.c.environment_id, firings.c.patient_id),
        postgresql_where=text("awaits IS NOT NULL"),
    )
    Index(
        "process_firings_order_part",
        *(firings.c.environment_id, firings.c.patient_id, firings.c.id),
        postgresql_where=text("state = 'open'"),
    )
    for state in ("failed", "held", "open", "stopped"):
        Index(
            f"process_firings_{state}_part",
            *(firings.c.environment_id, firings.c.process),
            postgresql_where=text(f"state = '{state}'"),
        )
