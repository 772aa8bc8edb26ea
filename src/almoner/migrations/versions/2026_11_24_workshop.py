"""The Workshop: drafts and locks of programs, how workers sign in, and assessments in sections."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_24_workshop"
down_revision = "2026_11_24_notifications"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    _workers()
    _ways_in()
    _programs()
    for table in ("program_drafts", "program_locks", "worker_events"):
        op.execute(
            f"CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()"
        )
    _sections()
    _single_records()


def _workers() -> None:
    """Who may sign in, and how."""
    op.create_table(
        "worker_accounts",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("totp_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("totp_confirmed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("disabled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="worker_accounts_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "worker_id", name=op.f("worker_accounts_pkey")),
        sa.UniqueConstraint(
            "environment_id", "oidc_subject", name="worker_accounts_oidc_subject_key"
        ),
    )
    op.create_table(
        "worker_sessions",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "seen_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="worker_sessions_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "digest", name=op.f("worker_sessions_pkey")),
        sa.UniqueConstraint("digest", name="worker_sessions_digest_key"),
    )
    op.create_index(
        "worker_sessions_worker_id_idx",
        "worker_sessions",
        ["environment_id", "worker_id"],
        unique=False,
    )


def _ways_in() -> None:
    """Ways into an account besides its password, what failed, and what became of accounts."""
    op.create_table(
        "sign_in_failures",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", sa.LargeBinary(), nullable=False),
        sa.Column(
            "failed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("sign_in_failures_pkey")),
    )
    op.create_index(
        "sign_in_failures_account_idx",
        "sign_in_failures",
        ["environment_id", "account", "failed_at"],
        unique=False,
    )
    op.create_table(
        "worker_events",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "happened_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("worker_id", sa.UUID(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("worker_events_pkey")),
    )
    op.create_index(
        "worker_events_worker_id_idx",
        "worker_events",
        ["environment_id", "worker_id", "id"],
        unique=False,
    )
    op.create_table(
        "reset_links",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("used_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="reset_links_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "digest", name=op.f("reset_links_pkey")),
        sa.UniqueConstraint("digest", name="reset_links_digest_key"),
    )


def _programs() -> None:
    """What is being designed, and where it is tested."""
    op.create_table(
        "draft_editors",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column(
            "seen_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="draft_editors_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "worker_id", name=op.f("draft_editors_pkey")),
    )
    op.create_table(
        "program_drafts",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column(
            "saved_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="program_drafts_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "revision", name=op.f("program_drafts_pkey")),
    )
    op.create_table(
        "program_locks",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("test_environment_id", sa.Integer(), nullable=False),
        sa.Column("test_version", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("locked_by", sa.Text(), nullable=False),
        sa.Column(
            "locked_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="program_locks_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "number", name=op.f("program_locks_pkey")),
    )
    op.add_column("environments", sa.Column("test_of", sa.Integer(), nullable=True))
    op.create_foreign_key(
        "environments_test_of_fkey", "environments", "environments", ["test_of"], ["id"]
    )
    op.add_column(
        "programs", sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False)
    )


def _sections() -> None:
    """Puts the fields of assessments that were published before into one section without a heading."""
    op.execute("ALTER TABLE program_elements DISABLE TRIGGER almoner_append_only")
    op.execute(
        "UPDATE program_elements SET definition = (definition::jsonb - 'fields' || jsonb_build_object('sections', "
        "jsonb_build_array(jsonb_build_object('questions', definition::jsonb -> 'fields'))))::json "
        "WHERE kind = 'assessment' AND definition::jsonb ? 'fields'"
    )
    op.execute("ALTER TABLE program_elements ENABLE TRIGGER almoner_append_only")


def _single_records() -> None:
    """Custom data types of which a patient has one record."""
    op.add_column(
        "custom_data_type_records",
        sa.Column("single", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "custom_data_type_records_user_id_type_name_key",
        "custom_data_type_records",
        ["environment_id", sa.text("user_id"), sa.text("type_name")],
        unique=True,
        postgresql_where=sa.text("single"),
    )
