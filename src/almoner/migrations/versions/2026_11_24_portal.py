"""The Coach Portal: stars, read messages, records of consent, drafts of assessments, merged patients, working hours."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_portal"
down_revision = "2026_11_24_workshop"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    _search()
    _care()
    _work()
    _calendar()
    _timeline()
    op.execute(
        "CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_records "
        "FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()"
    )


def _search() -> None:
    """How people are found by what is typed, and lists that are walked through by name; and what is moved as a whole."""
    source = files("almoner") / "migrations" / "versions" / f"{revision}.sql"
    connection = op.get_bind()
    for statement in source.read_text(encoding="utf-8").split("--#\n"):
        connection.exec_driver_sql(statement)


def _care() -> None:
    """What coaches keep about patients."""
    op.create_table(
        "consent_records",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("row_id", sa.UUID(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="consent_records_patient_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("consent_records_pkey")),
    )
    op.create_index(
        "consent_records_row_id_idx",
        "consent_records",
        ["environment_id", "row_id", "id"],
        unique=False,
    )
    op.create_table(
        "timeline_stars",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("row_id", sa.UUID(), nullable=False),
        sa.Column("starred_by", sa.Text(), nullable=False),
        sa.Column(
            "starred_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="timeline_stars_patient_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "patient_id", "resource", "row_id", name=op.f("timeline_stars_pkey")
        ),
    )
    op.create_table(
        "message_reads",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=False),
        sa.Column("read_by", sa.Text(), nullable=False),
        sa.Column(
            "read_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "message_id"],
            ["messages.environment_id", "messages.id"],
            name="message_reads_message_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "message_id", name=op.f("message_reads_pkey")),
    )


def _work() -> None:
    """What is half done, and what was put together."""
    op.create_table(
        "assessment_drafts",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("spec_id", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column(
            "saved_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="assessment_drafts_patient_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="assessment_drafts_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id",
            "patient_id",
            "spec_id",
            "worker_id",
            name=op.f("assessment_drafts_pkey"),
        ),
    )
    op.create_table(
        "patient_merges",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("kept_id", sa.UUID(), nullable=False),
        sa.Column("moved", sa.JSON(), nullable=False),
        sa.Column("merged_by", sa.Text(), nullable=False),
        sa.Column(
            "merged_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="patient_merges_patient_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "patient_id", name=op.f("patient_merges_pkey")),
    )
    op.create_index(
        "patient_merges_kept_id_idx", "patient_merges", ["environment_id", "kept_id"], unique=False
    )


def _calendar() -> None:
    """When workers are there, and when they are not."""
    op.create_table(
        "absences",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("from_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("to_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="absences_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("absences_pkey")),
    )
    op.create_index(
        "absences_worker_id_idx",
        "absences",
        ["environment_id", "worker_id", "to_time"],
        unique=False,
    )
    op.create_table(
        "calendar_feeds",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("whole_names", sa.Boolean(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="calendar_feeds_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "digest", name=op.f("calendar_feeds_pkey")),
        sa.UniqueConstraint("digest", name="calendar_feeds_digest_key"),
    )
    op.create_table(
        "working_hours",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("from_minute", sa.SmallInteger(), nullable=False),
        sa.Column("to_minute", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="working_hours_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "worker_id", "weekday", "from_minute", name=op.f("working_hours_pkey")
        ),
    )
    for name, key, where in (
        ("timed", "start_time", "start_time IS NOT NULL"),
        ("long", "end_time", "end_time - start_time > interval '1 day'"),
        ("day", "day", "day IS NOT NULL"),
    ):
        keys = ["environment_id", "calendar_id", key]
        op.create_index(
            f"calendar_events_{name}_part",
            "calendar_events",
            keys,
            unique=False,
            postgresql_where=sa.text(where),
        )


def _timeline() -> None:
    """What a patient's timeline is read by."""
    op.create_index(
        "messages_send_time_idx",
        "messages",
        ["environment_id", "user_id", "send_time", "id"],
        unique=False,
    )
    op.create_index(
        "changes_timeline_idx",
        "changes",
        ["environment_id", "patient_id", "changed_at", "seq"],
        unique=False,
        postgresql_where=sa.text("patient_id IS NOT NULL AND kind <> 'create'"),
    )
    op.create_index(
        "changes_changed_at_idx", "changes", ["environment_id", "changed_at", "seq"], unique=False
    )
