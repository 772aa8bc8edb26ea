"""Forgetting."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_04_forgetting"
down_revision = "2026_12_03_integration_changes"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("work_steps")
    op.create_index(
        "work_steps_given_part",
        "work_steps",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NULL AND args IS NOT NULL"),
    )
