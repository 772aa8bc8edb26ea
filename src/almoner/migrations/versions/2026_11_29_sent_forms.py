"""Forms that were sent, so that each is taken once."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_sent_forms"
down_revision = "2026_11_29_provider_factor"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "sent_forms",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "sent_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="sent_forms_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "worker_id", "digest", name=op.f("sent_forms_pkey")
        ),
    )
