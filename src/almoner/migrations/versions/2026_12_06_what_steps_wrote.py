"""What steps wrote."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_06_what_steps_wrote"
down_revision = "2026_12_06_stopped_firings"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("work_steps")
    op.add_column("work_steps", sa.Column("epoch", sa.Integer(), nullable=True))
    op.add_column("work_steps", sa.Column("xid", sa.BigInteger(), nullable=True))
