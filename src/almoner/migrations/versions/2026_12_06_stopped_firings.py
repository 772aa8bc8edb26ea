"""Firings that were stopped are found without a look at the others."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_06_stopped_firings"
down_revision = "2026_12_06_process_waits"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("process_firings")
    op.create_index(
        "process_firings_stopped_part",
        "process_firings",
        ["environment_id", "process"],
        postgresql_where=sa.text("state = 'stopped'"),
    )
