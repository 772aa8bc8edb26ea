"""Integration hooks."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_02_integration_hooks"
down_revision = "2026_12_01_processes"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("integrations")
    op.create_table(
        "integration_calls",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("job_id", sa.UUID(), nullable=False),
        sa.Column(
            "received_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="integration_calls_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "name", "digest", name=op.f("integration_calls_pkey")
        ),
    )
    op.add_column("integrations", sa.Column("hook_way", sa.Text(), nullable=True))
    op.add_column("integrations", sa.Column("hook_sealed", sa.LargeBinary(), nullable=True))
