"""Who opened a door; publishes that wait for a second person; calendar addresses that expire."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from almoner.migrations import locks

revision = "2026_11_29_authority"
down_revision = "2026_11_29_sent_forms"


def upgrade() -> None:
    locks.take(
        "access_tokens", "calendar_feeds", "client_secrets", "subscriptions", "worker_events"
    )
    op.add_column(
        "worker_events",
        sa.Column("object", sa.Text(), server_default=sa.text("''"), nullable=False),
    )
    op.add_column("worker_events", sa.Column("before", sa.JSON(), nullable=True))
    op.add_column("worker_events", sa.Column("after", sa.JSON(), nullable=True))
    # Who made what is there already is not known.
    for table in ("client_secrets", "access_tokens", "subscriptions"):
        op.add_column(
            table, sa.Column("made_by", sa.Text(), server_default=sa.text("''"), nullable=False)
        )
    op.create_table(
        "publish_requests",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("live_version", sa.Integer(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("accepted", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("widens", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column(
            "asked_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="publish_requests_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "number", name=op.f("publish_requests_pkey")),
    )
    # A calendar that somebody follows goes on for a year from now.
    op.add_column(
        "calendar_feeds", sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True)
    )
    op.execute("UPDATE calendar_feeds SET expires_at = clock_timestamp() + interval '1 year'")
    op.alter_column("calendar_feeds", "expires_at", nullable=False)
