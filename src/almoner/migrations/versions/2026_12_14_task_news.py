"""Task news."""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_14_task_news"
down_revision = "2026_12_14_severities"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "task_news",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("task_id", sa.UUID(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("by_worker_id", sa.UUID(), nullable=False),
        sa.Column(
            "happened_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("noted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="task_news_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "worker_id", "task_id", name=op.f("task_news_pkey")
        ),
    )
