"""Processes: up to where the log was read for them, what set one off, and what it did.

Nothing stands still meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_01_processes"
down_revision = "2026_12_01_integration_schedules"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    _firings()
    _effects()
    _pauses()
    _positions()


def _firings() -> None:
    op.create_table(
        "process_firings",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("event", sa.JSON(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("chain", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "fired_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("process_firings_pkey")),
        sa.UniqueConstraint("environment_id", "process", "cause", name="process_firings_cause_key"),
    )
    op.create_index(
        "process_firings_failed_part",
        "process_firings",
        ["environment_id", "process"],
        unique=False,
        postgresql_where=sa.text("state = 'failed'"),
    )
    op.create_index(
        "process_firings_held_part",
        "process_firings",
        ["environment_id", "process"],
        unique=False,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "process_firings_fired_at_idx",
        "process_firings",
        ["environment_id", "process", "fired_at"],
        unique=False,
    )


def _effects() -> None:
    op.create_table(
        "process_effects",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("firing_id", sa.UUID(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("row_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id", "firing_id"],
            ["process_firings.environment_id", "process_firings.id"],
            name="process_effects_firing_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "firing_id", "place", name=op.f("process_effects_pkey")
        ),
    )
    op.create_index(
        "process_effects_row_id_idx", "process_effects", ["environment_id", "row_id"], unique=False
    )


def _pauses() -> None:
    op.create_table(
        "process_pauses",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column(
            "paused_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="process_pauses_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "kind", "name", name=op.f("process_pauses_pkey")),
    )


def _positions() -> None:
    op.create_table(
        "process_positions",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("ahead_until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="process_positions_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", name=op.f("process_positions_pkey")),
    )
