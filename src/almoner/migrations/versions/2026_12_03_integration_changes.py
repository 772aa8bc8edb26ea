"""Integration changes."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_03_integration_changes"
down_revision = "2026_12_02_integration_hooks"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("integrations")
    op.add_column("integrations", sa.Column("changes_cursor", sa.Text(), nullable=True))
