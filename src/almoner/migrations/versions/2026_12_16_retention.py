"""For how many months logs stay, what is held, and what has gone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_12_16_retention"
down_revision = "2026_12_15_bulk_messages"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    moment = postgresql.TIMESTAMP(timezone=True)
    now = sa.text("clock_timestamp()")
    op.create_table(
        "retention_terms",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("set_at", moment, server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "log", name="retention_terms_pkey"),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="retention_terms_environment_id_fkey"
        ),
    )
    op.create_table(
        "retention_holds",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_at", moment, server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("environment_id", name="retention_holds_pkey"),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="retention_holds_environment_id_fkey"
        ),
    )
    op.create_table(
        "retention_removals",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("before", moment, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("to_key", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("dump", sa.Text(), nullable=False),
        sa.Column("removed_at", moment, server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "id", name="retention_removals_pkey"),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="retention_removals_environment_id_fkey"
        ),
    )
    op.execute(
        "CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON"
        " retention_removals FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()"
    )
