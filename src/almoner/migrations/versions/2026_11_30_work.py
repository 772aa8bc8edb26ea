"""Work that runs by itself: its steps, integrations, and the entries that wake who does them.

Nothing stands still meanwhile.
"""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_30_work"
down_revision = "2026_11_30_starts_index"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in (
        files("almoner.migrations")
        .joinpath("pgqueuer_1_6.sql")
        .read_text(encoding="utf-8")
        .split("--#\n")
    ):
        op.get_bind().exec_driver_sql(statement)
    op.create_table(
        "work_runners",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("alive_until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("work_runners_pkey")),
    )
    _steps()
    _indexes()
    _queues()


def _steps() -> None:
    op.create_table(
        "work_steps",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("job_id", sa.UUID(), nullable=False),
        sa.Column("parent_id", sa.UUID(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("call", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("args", sa.JSON(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'ready'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("claims", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "due_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("runner_id", sa.UUID(), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "parent_id"],
            ["work_steps.environment_id", "work_steps.id"],
            name="work_steps_parent_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("work_steps_pkey")),
        sa.UniqueConstraint(
            "environment_id", "parent_id", "call", "place", name="work_steps_place_key"
        ),
    )


def _indexes() -> None:
    op.create_index(
        "work_steps_blocked_part",
        "work_steps",
        ["environment_id", "queue"],
        unique=False,
        postgresql_where=sa.text("state = 'blocked'"),
    )
    op.create_index(
        "work_steps_job_id_idx", "work_steps", ["environment_id", "job_id"], unique=False
    )
    op.create_index(
        "work_steps_open_part",
        "work_steps",
        ["environment_id", "parent_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('ready', 'running', 'blocked')"),
    )
    op.create_index(
        "work_steps_ready_part",
        "work_steps",
        ["environment_id", "queue", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "work_steps_running_part",
        "work_steps",
        ["environment_id", "queue"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "work_steps_unsuccessful_part",
        "work_steps",
        ["environment_id", "queue"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'refused')"),
    )


def _queues() -> None:
    op.create_table(
        "work_queues",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="work_queues_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "name", name=op.f("work_queues_pkey")),
    )
    op.create_table(
        "integrations",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column(
            "changed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="integrations_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "name", name=op.f("integrations_pkey")),
    )
