"""Process triggers."""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_04_process_triggers"
down_revision = "2026_12_04_forgetting"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "process_calls",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("hook", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column(
            "received_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("read_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("process_calls_pkey")),
        sa.UniqueConstraint("environment_id", "hook", "digest", name="process_calls_digest_key"),
    )
    op.create_index(
        "process_calls_unread_part",
        "process_calls",
        ["environment_id", "received_at"],
        unique=False,
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_table(
        "process_clocks",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("looked_until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("patient_id", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="process_clocks_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "process", name=op.f("process_clocks_pkey")),
    )
    op.create_table(
        "process_hooks",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column(
            "changed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="process_hooks_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "name", name=op.f("process_hooks_pkey")),
    )
