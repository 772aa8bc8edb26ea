"""Failures are put away with a reason; a run of a page is called off by any process of the server."""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_12_dismissals"
down_revision = "2026_12_11_imports"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "cancelled_runs",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column(
            "cancelled_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="cancelled_runs_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "run_id", name=op.f("cancelled_runs_pkey")),
    )
    op.create_table(
        "work_dismissals",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.UUID(), nullable=False),
        sa.Column(
            "dismissed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("dismissed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="work_dismissals_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "job_id", name=op.f("work_dismissals_pkey")),
    )
