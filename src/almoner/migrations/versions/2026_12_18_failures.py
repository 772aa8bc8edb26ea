"""Failures have somebody who sees to them, and what cannot be begun is among them."""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_18_failures"
down_revision = "2026_12_18_changes_by_month"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "work_faults",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("begun", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "noted_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="work_faults_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "begun", "name", name=op.f("work_faults_pkey")),
    )
    op.create_table(
        "work_owners",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.UUID(), nullable=False),
        sa.Column(
            "taken_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("taken_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="work_owners_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "job_id", name=op.f("work_owners_pkey")),
    )
    op.create_index(
        "process_firings_open_part",
        "process_firings",
        ["environment_id", "process"],
        postgresql_where=sa.text("state = 'open'"),
    )
