"""The tables of the house: those that belong to no collection. The collections' are derived (``almoner.schema``)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from almoner.schema.columns import MOMENT, environment, key, moment, string, worker_key
from almoner.schema.portal_tables import portal_tables
from almoner.schema.program_tables import draft_tables, program_tables

# What nobody may change or delete, whoever they are: a trigger refuses it.
APPEND_ONLY: Final = (
    "changes",
    "audit_reads",
    "programs",
    "program_elements",
    "program_drafts",
    "program_locks",
    "worker_events",
    "consent_records",
)


def house_tables(metadata: MetaData) -> None:
    """Adds every table that belongs to no collection."""
    Table(
        "environments",
        metadata,
        Column("id", Integer, Identity(always=True), primary_key=True),
        Column("name", Text, nullable=False),
        # The environment whose programs are tested in this one; null for one that patients are cared for in.
        Column("test_of", Integer),
        moment(),
        UniqueConstraint("name", name="environments_name_key"),
        ForeignKeyConstraint(["test_of"], ["environments.id"], name="environments_test_of_fkey"),
    )
    # The id of the key that secrets are sealed with (access/keys.py). One row, since a database has one.
    Table(
        "secret_keys",
        metadata,
        Column("slot", Integer, primary_key=True, autoincrement=False, server_default=text("1")),
        string("id"),
        moment("since"),
    )
    _change_tables(metadata)
    _access_tables(metadata)
    _worker_tables(metadata)
    _sign_in_tables(metadata)
    _page_tables(metadata)
    _audit_tables(metadata)
    program_tables(metadata)
    draft_tables(metadata)
    portal_tables(metadata)
    _notification_tables(metadata)


def _change_tables(metadata: MetaData) -> None:
    Table(
        "epochs",
        metadata,
        Column("epoch", Integer, primary_key=True, autoincrement=False),
        Column("system_identifier", BigInteger, nullable=False),
        Column("timeline", Integer, nullable=False),
        moment("began_at"),
        UniqueConstraint("system_identifier", "timeline", name="epochs_cluster_key"),
    )
    changes = Table(
        "changes",
        metadata,
        environment(),
        # Where the writer is. The session's epoch is looked at here, since calling the function for it costs more than the rest.
        _position("epoch", Integer, "coalesce(nullif(current_setting('almoner.epoch', true), '')::integer, almoner_epoch())"),
        _position("xid", BigInteger, "pg_current_xact_id()::text::bigint"),
        _position("seq", BigInteger, "nextval('changes_seq')"),
        string("kind"),
        string("resource"),
        Column("row_id", UUID, nullable=False),
        Column("patient_id", UUID),
        Column("changed_at", MOMENT, nullable=False),
        string("actor"),
        string("through"),
        string("request_id"),
        Column("fields", ARRAY(Text)),
        # What the fields that differ held before and after (almoner_differences); null of rows that were created or moved.
        Column("differences", JSON),
        PrimaryKeyConstraint("environment_id", "epoch", "xid", "seq"),
    )
    Index(
        "changes_patient_id_idx",
        changes.c.environment_id,
        changes.c.patient_id,
        changes.c.epoch,
        changes.c.xid,
        changes.c.seq,
        postgresql_where=text("patient_id IS NOT NULL"),
    )
    # What a timeline tells of the log: rows are shown as themselves, so that their creation is no entry, and costs nothing here.
    Index(
        "changes_timeline_idx",
        changes.c.environment_id,
        changes.c.patient_id,
        changes.c.changed_at,
        changes.c.seq,
        postgresql_where=text("patient_id IS NOT NULL AND kind <> 'create'"),
    )
    # The audit trail, newest first. It grows at its end alone, so that a write adds to a page that is in memory anyway.
    Index("changes_changed_at_idx", changes.c.environment_id, changes.c.changed_at, changes.c.seq)


def _position(name: str, kind: Any, default: str) -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=text(default))


def _made_by() -> Column[Any]:
    """The actor who was shown it or said where it leads, to be reviewed when a worker is disabled. Blank: a program."""
    return Column("made_by", Text, nullable=False, server_default=text("''"))


def _access_tables(metadata: MetaData) -> None:
    Table(
        "clients",
        metadata,
        environment(),
        Column("id", UUID, nullable=False),
        string("name"),
        string("scope"),
        string("shape"),
        string("algorithm"),
        moment(),
        moment("disabled_at", now=False),
        *key("clients", "environment_id", "id"),
        UniqueConstraint("id", name="clients_id_key"),
    )
    Table(
        "client_secrets",
        metadata,
        environment(),
        Column("client_id", UUID, nullable=False),
        Column("id", UUID, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        _made_by(),
        moment(),
        moment("revoked_at", now=False),
        *key("client_secrets", "environment_id", "client_id", "id"),
        ForeignKeyConstraint(
            ["environment_id", "client_id"],
            ["clients.environment_id", "clients.id"],
            name="client_secrets_client_id_fkey",
        ),
    )
    tokens = Table(
        "access_tokens",
        metadata,
        environment(),
        Column("digest", LargeBinary, nullable=False),
        Column("client_id", UUID, nullable=False),
        string("scope"),
        _made_by(),
        moment(),
        Column("expires_at", MOMENT, nullable=False),
        *key("access_tokens", "environment_id", "digest"),
        ForeignKeyConstraint(
            ["environment_id", "client_id"],
            ["clients.environment_id", "clients.id"],
            name="access_tokens_client_id_fkey",
        ),
        UniqueConstraint("digest", name="access_tokens_digest_key"),
    )
    Index("access_tokens_expires_at_idx", tokens.c.expires_at)


def _worker_tables(metadata: MetaData) -> None:
    """How workers sign in, and what they may do."""
    Table(
        "worker_accounts",
        metadata,
        environment(),
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
        # How times and weeks are written for them, Monday being 0; null: as is usual where their time zone lies.
        Column("clock_hours", SmallInteger),
        Column("first_weekday", SmallInteger),
        CheckConstraint("clock_hours IN (12, 24)", name="worker_accounts_clock_hours_check"),
        CheckConstraint("first_weekday IN (0, 5, 6)", name="worker_accounts_first_weekday_check"),
        PrimaryKeyConstraint("environment_id", "worker_id"),
        UniqueConstraint("environment_id", "oidc_subject", name="worker_accounts_oidc_subject_key"),
    )
    sessions = Table(
        "worker_sessions",
        metadata,
        environment(),
        Column("digest", LargeBinary, nullable=False),
        *worker_key("worker_sessions"),
        moment(),
        moment("seen_at"),
        # Whether the identity provider vouched for a second factor.
        Column("provider_factor", Boolean, nullable=False, server_default=text("false")),
        PrimaryKeyConstraint("environment_id", "digest"),
        UniqueConstraint("digest", name="worker_sessions_digest_key"),
    )
    Index("worker_sessions_worker_id_idx", sessions.c.environment_id, sessions.c.worker_id)


def _sign_in_tables(metadata: MetaData) -> None:
    """Ways into an account besides its password, what failed, and what became of accounts."""
    Table(
        "reset_links",
        metadata,
        environment(),
        Column("digest", LargeBinary, nullable=False),
        *worker_key("reset_links"),
        string("made_by"),
        moment(),
        Column("expires_at", MOMENT, nullable=False),
        moment("used_at", now=False),
        PrimaryKeyConstraint("environment_id", "digest"),
        UniqueConstraint("digest", name="reset_links_digest_key"),
    )
    Table(
        "recovery_codes",
        metadata,
        environment(),
        Column("digest", LargeBinary, nullable=False),
        *worker_key("recovery_codes"),
        moment(),
        moment("used_at", now=False),
        PrimaryKeyConstraint("environment_id", "worker_id", "digest"),
    )
    failures = Table(
        "sign_in_failures",
        metadata,
        environment(),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        # A hash of the e-mail address that was given, whether or not somebody has it.
        Column("account", LargeBinary, nullable=False),
        moment("failed_at"),
        # A hash of the network or the device that it came from; whether that is one its owner has signed in with before.
        Column("source", LargeBinary, nullable=False, server_default=text("''")),
        Column("is_known", Boolean, nullable=False, server_default=text("false")),
        PrimaryKeyConstraint("environment_id", "id"),
    )
    Index("sign_in_failures_account_idx", failures.c.environment_id, failures.c.account, failures.c.failed_at)
    events = Table(
        "worker_events",
        metadata,
        environment(),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        moment("happened_at"),
        Column("worker_id", UUID),
        string("event"),
        string("actor"),
        string("detail"),
        string("request_id"),
        # What it is about where that is no account, as client:<id>; and what differs of it.
        Column("object", Text, nullable=False, server_default=text("''")),
        Column("before", JSON),
        Column("after", JSON),
        PrimaryKeyConstraint("environment_id", "id"),
    )
    Index("worker_events_worker_id_idx", events.c.environment_id, events.c.worker_id, events.c.id)


def _page_tables(metadata: MetaData) -> None:
    Table(
        "sent_forms",
        metadata,
        environment(),
        *worker_key("sent_forms"),
        # Of the form's token, its address and its content: nothing of what was typed can be read from it.
        Column("digest", LargeBinary, nullable=False),
        moment("sent_at"),
        # What was answered; null while it is under way. ``location`` is where a redirect led, a path of this server.
        Column("status", SmallInteger),
        string("location", nullable=True),
        PrimaryKeyConstraint("environment_id", "worker_id", "digest"),
    )


def _audit_tables(metadata: MetaData) -> None:
    reads = Table(
        "audit_reads",
        metadata,
        environment(),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        moment("read_at"),
        string("actor"),
        string("through"),
        string("request_id"),
        string("verb"),
        string("resource"),
        # Sixteen bytes for each patient: taking them apart into an array would cost the database more than the read did.
        Column("patients", LargeBinary, nullable=False),
        # Of a get alone.
        Column("row_id", UUID),
        PrimaryKeyConstraint("environment_id", "id"),
    )
    Index("audit_reads_read_at_idx", reads.c.environment_id, reads.c.read_at)


def _subscription_key(table: str) -> list[Any]:
    reference = ForeignKeyConstraint(
        ["environment_id", "subscription_id"],
        ["subscriptions.environment_id", "subscriptions.id"],
        name=f"{table}_subscription_id_fkey",
        ondelete="CASCADE",
    )
    return [Column("subscription_id", UUID, nullable=False), reference]


def _notification_tables(metadata: MetaData) -> None:
    # The processes that notify: who has not been seen for some seconds has lost its subscriptions to the others.
    Table("notifiers", metadata, Column("id", UUID, primary_key=True), moment("seen_at"))
    Table(
        "subscriptions",
        metadata,
        environment(),
        Column("id", UUID, nullable=False),
        string("name"),
        string("notify_url"),
        Column("resources", ARRAY(Text), nullable=False),
        string("authentication"),
        string("client_id"),
        Column("sealed", LargeBinary, nullable=False),
        string("audience"),
        string("token_url", nullable=True),
        Column("paused", Boolean, nullable=False, server_default=text("false")),
        # Up to where all has been announced: a position of the change log.
        Column("epoch", Integer, nullable=False),
        Column("xid", BigInteger, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("failures", Integer, nullable=False, server_default=text("0")),
        moment("failing_since", now=False),
        moment("next_attempt_at", now=False),
        Column("notifier_id", UUID),
        _made_by(),
        moment(),
        *key("subscriptions", "environment_id", "id"),
        UniqueConstraint("environment_id", "name", name="subscriptions_name_key"),
    )
    deliveries = Table(
        "deliveries",
        metadata,
        environment(),
        *_subscription_key("deliveries"),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        moment("attempted_at"),
        string("reason"),
        moment("from_time", now=False),
        moment("to_time", now=False),
        Column("resources", ARRAY(Text), nullable=False),
        string("outcome"),
        Column("status", Integer),
        Column("milliseconds", Integer, nullable=False),
        string("answer"),
        PrimaryKeyConstraint("environment_id", "subscription_id", "id"),
    )
    Index("deliveries_attempted_at_idx", deliveries.c.attempted_at)
    Table(
        "replays",
        metadata,
        environment(),
        *_subscription_key("replays"),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("from_time", MOMENT, nullable=False),
        Column("to_time", MOMENT, nullable=False),
        moment("asked_at"),
        PrimaryKeyConstraint("environment_id", "subscription_id", "id"),
    )
