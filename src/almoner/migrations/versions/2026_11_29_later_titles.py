"""Conversations have a title."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_later_titles"
down_revision = "2026_11_29_notation"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("conversations", sa.Column("title", sa.Text()))
