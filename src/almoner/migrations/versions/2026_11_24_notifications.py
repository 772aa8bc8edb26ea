"""Notifications: subscriptions, their deliveries and replays, and the processes that notify."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_24_notifications"
down_revision = "2026_11_24_foundation"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "notifiers",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column(
            "seen_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("notifiers_pkey")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("notify_url", sa.Text(), nullable=False),
        sa.Column("resources", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("authentication", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("token_url", sa.Text(), nullable=True),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("notifier_id", sa.UUID(), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="subscriptions_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("subscriptions_pkey")),
        sa.UniqueConstraint("environment_id", "name", name="subscriptions_name_key"),
    )
    _attempts()


def _attempts() -> None:
    """What has been sent, and what is still to be sent again."""
    op.create_table(
        "deliveries",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "attempted_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("from_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("to_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("resources", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id", "subscription_id"],
            ["subscriptions.environment_id", "subscriptions.id"],
            name="deliveries_subscription_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "subscription_id", "id", name=op.f("deliveries_pkey")
        ),
    )
    op.create_index("deliveries_attempted_at_idx", "deliveries", ["attempted_at"], unique=False)
    op.create_table(
        "replays",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("from_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("to_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "asked_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "subscription_id"],
            ["subscriptions.environment_id", "subscriptions.id"],
            name="replays_subscription_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "subscription_id", "id", name=op.f("replays_pkey")
        ),
    )
