"""Bulk messages."""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_15_bulk_messages"
down_revision = "2026_12_15_filter_groups"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "bulk_messages",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("contents", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="bulk_messages_worker_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="bulk_messages_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("bulk_messages_pkey")),
    )
    op.create_index(
        "bulk_messages_created_at_idx",
        "bulk_messages",
        ["environment_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "bulk_recipients",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("bulk_message_id", sa.UUID(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message_id", sa.UUID(), nullable=True),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "bulk_message_id"],
            ["bulk_messages.environment_id", "bulk_messages.id"],
            name="bulk_recipients_bulk_message_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="bulk_recipients_patient_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "bulk_message_id", "patient_id", name=op.f("bulk_recipients_pkey")
        ),
    )
    op.create_index(
        "bulk_recipients_patient_id_idx",
        "bulk_recipients",
        ["environment_id", "patient_id"],
        unique=False,
    )
