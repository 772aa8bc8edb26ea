"""Notes of workers, rows that were entered in error, and alerts for one worker.

Indexes are made; these tables stand still meanwhile: alerts."""

from textwrap import dedent

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_12_notes_and_errors"
down_revision = "2026_12_13_chains"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("alerts", "assessment_responses", "calls", "messages")
    op.get_bind().exec_driver_sql(
        dedent("""
    DROP TRIGGER almoner_touch ON messages
    """)
    )
    op.create_table(
        "notes",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("note_type", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "signed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("adds_to_note_id", sa.UUID(), nullable=True),
        sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("entered_in_error_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("entered_in_error_by", sa.UUID(), nullable=True),
        sa.Column("entered_in_error_reason", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="notes_patient_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="notes_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("notes_pkey")),
    )
    op.create_index(
        "notes_note_type_idx",
        "notes",
        ["environment_id", sa.literal_column("hashtextextended(note_type, 0)"), "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "notes_patient_id_idx",
        "notes",
        ["environment_id", "patient_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "notes_signed_at_idx",
        "notes",
        ["environment_id", "patient_id", "signed_at", "id"],
        unique=False,
    )
    op.create_index(
        "notes_updated_at_idx", "notes", ["environment_id", "updated_at", "id"], unique=False
    )
    op.create_index(
        "notes_worker_id_idx",
        "notes",
        ["environment_id", "worker_id", "updated_at", "id"],
        unique=False,
    )
    op.add_column("alerts", sa.Column("for_worker_id", sa.UUID(), nullable=True))
    op.create_index(
        "alerts_for_worker_id_idx",
        "alerts",
        ["environment_id", "for_worker_id", "updated_at", "id"],
        unique=False,
    )
    op.create_foreign_key(
        "alerts_for_worker_id_fkey",
        "alerts",
        "workers",
        ["environment_id", "for_worker_id"],
        ["environment_id", "id"],
    )
    op.add_column(
        "assessment_responses",
        sa.Column("entered_in_error_at", sa.TIMESTAMP(timezone=True), nullable=True),
    )
    op.add_column(
        "assessment_responses", sa.Column("entered_in_error_by", sa.UUID(), nullable=True)
    )
    op.add_column(
        "assessment_responses", sa.Column("entered_in_error_reason", sa.Text(), nullable=True)
    )
    op.add_column(
        "calls", sa.Column("entered_in_error_at", sa.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column("calls", sa.Column("entered_in_error_by", sa.UUID(), nullable=True))
    op.add_column("calls", sa.Column("entered_in_error_reason", sa.Text(), nullable=True))
    op.add_column(
        "messages", sa.Column("entered_in_error_at", sa.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column("messages", sa.Column("entered_in_error_by", sa.UUID(), nullable=True))
    op.add_column("messages", sa.Column("entered_in_error_reason", sa.Text(), nullable=True))
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE OF id, user_id, worker_id, conversation_id, direction, contents, automatically_sent, send_time, entered_in_error_at, entered_in_error_by, entered_in_error_reason, updated_at, created_at ON public.messages FOR EACH ROW EXECUTE FUNCTION almoner_touch()
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON public.notes FOR EACH ROW EXECUTE FUNCTION almoner_touch()
    """)
    )
