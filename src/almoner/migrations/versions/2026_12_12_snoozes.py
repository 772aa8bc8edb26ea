"""Patients whom a worker has put off in their inbox."""

from textwrap import dedent

import sqlalchemy as sa
from alembic import op

revision = "2026_12_12_snoozes"
down_revision = "2026_12_12_dismissals"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "snoozes",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("until_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="snoozes_patient_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="snoozes_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("snoozes_pkey")),
    )
    op.create_index(
        "snoozes_ahead_order",
        "snoozes",
        ["environment_id", sa.literal_column("worker_id"), sa.literal_column("until_time"), "id"],
        unique=False,
    )
    op.create_index(
        "snoozes_patient_id_idx",
        "snoozes",
        ["environment_id", "patient_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "snoozes_updated_at_idx", "snoozes", ["environment_id", "updated_at", "id"], unique=False
    )
    op.create_index(
        "snoozes_worker_id_idx",
        "snoozes",
        ["environment_id", "worker_id", "updated_at", "id"],
        unique=False,
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON public.snoozes FOR EACH ROW EXECUTE FUNCTION almoner_touch()
    """)
    )
