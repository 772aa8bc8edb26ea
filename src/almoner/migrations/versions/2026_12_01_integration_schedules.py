"""Integration schedules."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_01_integration_schedules"
down_revision = "2026_11_30_work"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("integrations")
    op.add_column("integrations", sa.Column("schedule", sa.Text(), nullable=True))
    op.add_column("integrations", sa.Column("zone", sa.Text(), nullable=True))
    op.add_column("integrations", sa.Column("next_at", sa.TIMESTAMP(timezone=True), nullable=True))
