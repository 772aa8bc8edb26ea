"""The place of a step in its job, the same in each run of that."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_14_keys_of_steps"
down_revision = "2026_12_12_notes_and_errors"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("work_steps")
    op.add_column("work_steps", sa.Column("key", sa.UUID(), nullable=True))
