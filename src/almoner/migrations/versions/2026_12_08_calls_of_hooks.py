"""Calls of hooks.

Indexes are made; these tables stand still meanwhile: audit_reads, integration_calls, process_calls."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_08_calls_of_hooks"
down_revision = "2026_12_07_process_alerts"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("audit_reads", "integration_calls", "process_calls")
    op.create_index(
        "audit_reads_refused_part",
        "audit_reads",
        ["environment_id", "resource", "through", "read_at"],
        unique=False,
        postgresql_where=sa.text("verb = 'refuse'"),
    )
    op.create_index(
        "integration_calls_received_at_idx",
        "integration_calls",
        ["environment_id", "name", "received_at"],
        unique=False,
    )
    op.create_index(
        "process_calls_received_at_idx",
        "process_calls",
        ["environment_id", "hook", "received_at"],
        unique=False,
    )
