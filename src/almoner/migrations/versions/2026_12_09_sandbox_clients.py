"""Sandbox clients."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_09_sandbox_clients"
down_revision = "2026_12_08_calls_of_hooks"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("clients", "environments")
    op.create_table(
        "sandbox_requests",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.UUID(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "first_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "client_id", "header", name=op.f("sandbox_requests_pkey")
        ),
    )
    op.add_column(
        "clients",
        sa.Column("sandbox", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "environments",
        sa.Column("clock_ahead", sa.Interval(), server_default=sa.text("'0'"), nullable=False),
    )
