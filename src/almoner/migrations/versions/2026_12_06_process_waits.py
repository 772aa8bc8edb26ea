"""Process waits.

Indexes are made; these tables stand still meanwhile: process_firings."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_06_process_waits"
down_revision = "2026_12_06_idempotency_keys"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("process_firings")
    op.add_column("process_firings", sa.Column("awaits", sa.Text(), nullable=True))
    op.add_column("process_firings", sa.Column("happened", sa.JSON(), nullable=True))
    op.create_index(
        "process_firings_awaits_part",
        "process_firings",
        ["environment_id", "patient_id"],
        unique=False,
        postgresql_where=sa.text("awaits IS NOT NULL"),
    )
