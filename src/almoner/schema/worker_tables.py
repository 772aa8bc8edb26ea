"""The tables of how workers sign in, and of what became of their accounts."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from almoner.schema.columns import MOMENT, binary, moment, numbered, string, table, worker_key


def account_tables(metadata: MetaData) -> None:
    """How workers sign in, and what they may do."""
    table(
        metadata,
        "worker_accounts",
        *worker_key("worker_accounts"),
        Column("roles", ARRAY(Text), nullable=False),
        # Argon2id, with its salt and costs; null until the worker has set a password.
        string("password_hash", nullable=True),
        Column("totp_sealed", LargeBinary),
        moment("totp_confirmed_at", now=False),
        # The last step of a code that was taken, so that none is taken twice (RFC 6238, 5.2).
        Column("totp_step", BigInteger, nullable=False, server_default=text("0")),
        string("oidc_subject", nullable=True),
        moment("disabled_at", now=False),
        moment(),
        # How times and weeks are written for them, Monday being 0; null: as is usual where their
        # time zone lies.
        Column("clock_hours", SmallInteger),
        Column("first_weekday", SmallInteger),
        CheckConstraint("clock_hours IN (12, 24)", name="worker_accounts_clock_hours_check"),
        CheckConstraint("first_weekday IN (0, 5, 6)", name="worker_accounts_first_weekday_check"),
        PrimaryKeyConstraint("environment_id", "worker_id"),
        UniqueConstraint("environment_id", "oidc_subject", name="worker_accounts_oidc_subject_key"),
    )
    table(
        metadata,
        "worker_sessions",
        binary(),
        *worker_key("worker_sessions"),
        moment(),
        moment("seen_at"),
        # Whether the identity provider vouched for a second factor.
        Column("provider_factor", Boolean, nullable=False, server_default=text("false")),
        PrimaryKeyConstraint("environment_id", "digest"),
        UniqueConstraint("digest", name="worker_sessions_digest_key"),
        Index("worker_sessions_worker_id_idx", "environment_id", "worker_id"),
    )


def sign_in_tables(metadata: MetaData) -> None:
    """Ways into an account besides its password, and what failed."""
    table(
        metadata,
        "reset_links",
        binary(),
        *worker_key("reset_links"),
        string("made_by"),
        moment(),
        Column("expires_at", MOMENT, nullable=False),
        moment("used_at", now=False),
        PrimaryKeyConstraint("environment_id", "digest"),
        UniqueConstraint("digest", name="reset_links_digest_key"),
    )
    table(
        metadata,
        "recovery_codes",
        binary(),
        *worker_key("recovery_codes"),
        moment(),
        moment("used_at", now=False),
        PrimaryKeyConstraint("environment_id", "worker_id", "digest"),
    )
    table(
        metadata,
        "sign_in_failures",
        numbered(),
        # A hash of the e-mail address that was given, whether or not somebody has it.
        binary("account"),
        moment("failed_at"),
        # A hash of the network or the device that it came from; whether that is one its owner has
        # signed in with before.
        Column("source", LargeBinary, nullable=False, server_default=text("''")),
        Column("is_known", Boolean, nullable=False, server_default=text("false")),
        PrimaryKeyConstraint("environment_id", "id"),
        Index(
            "sign_in_failures_account_idx",
            "environment_id",
            "account",
            "failed_at",
        ),
    )


def event_table(metadata: MetaData) -> None:
    """What became of accounts and other ways in."""
    table(
        metadata,
        "worker_events",
        numbered(),
        moment("happened_at"),
        Column("worker_id", UUID),
        string("event"),
        string("actor"),
        string("detail"),
        string("request_id"),
        # What it is about where that is no account, as client:<id>; and what differs of it.
        string("object", default=""),
        Column("before", JSON),
        Column("after", JSON),
        PrimaryKeyConstraint("environment_id", "id"),
        Index("worker_events_worker_id_idx", "environment_id", "worker_id", "id"),
    )
