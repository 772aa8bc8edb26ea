"""Idempotency keys."""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_06_idempotency_keys"
down_revision = "2026_12_05_messages_of_partners"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "idempotency_keys",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("row_id", sa.UUID(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("patient", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("before", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "stored_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "client_id", "key", name=op.f("idempotency_keys_pkey")
        ),
    )
    op.create_index(
        "idempotency_keys_stored_at_idx",
        "idempotency_keys",
        ["environment_id", "stored_at"],
        unique=False,
    )
