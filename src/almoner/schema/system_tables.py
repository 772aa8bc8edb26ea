"""The tables of the house: those that belong to no collection. The collections' are derived
(``almoner.schema``).
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from almoner.schema.columns import (
    MOMENT,
    binary,
    counted,
    guid,
    integer,
    key,
    moment,
    monthly,
    numbered,
    refers,
    string,
    table,
    worker_key,
)
from almoner.schema.epoch_tables import epoch_tables
from almoner.schema.erasure_tables import chain_tables, erasure_tables, retention_tables
from almoner.schema.figure_tables import figure_tables
from almoner.schema.portal_tables import portal_tables
from almoner.schema.process_tables import process_tables
from almoner.schema.program_tables import draft_tables, program_tables
from almoner.schema.work_tables import work_tables
from almoner.schema.worker_tables import account_tables, event_table, sign_in_tables

# What nobody may change or delete, whoever they are: a trigger refuses it. The erasure of a patient
# alone goes past it (almoner_forget).
APPEND_ONLY: Final = (
    "changes",
    "audit_reads",
    "programs",
    "program_elements",
    "program_drafts",
    "program_locks",
    "worker_events",
    "consent_records",
    "chain_batches",
    "chain_amendments",
    "retention_removals",
)
# What goes on in one way only, by the trigger that sees to that; nobody who serves deletes of it.
PROOFS: Final = {
    "erasures": "almoner_erasure_stands",
    "chain_heads": "almoner_chain_goes_on",
}


def house_tables(metadata: MetaData) -> None:
    """Adds every table that belongs to no collection."""
    Table(
        "environments",
        metadata,
        Column("id", Integer, Identity(always=True), primary_key=True),
        Column("name", Text, nullable=False),
        # The environment whose programs are tested in this one; null for one that patients are
        # cared for in.
        Column("test_of", Integer),
        moment(),
        # How far the clock of a test environment is ahead for its processes.
        Column("clock_ahead", Interval, nullable=False, server_default=text("'0'")),
        # 'open', or what a move is at: 'moving', 'moved', 'arriving', 'leaving' (cells/moving.py).
        string("state", default="open"),
        Column("move_id", UUID),
        string("moved_to", nullable=True),
        # The number that its logs are hashed with: that of the environment where it began.
        Column("chained_as", Integer),
        UniqueConstraint("name", name="environments_name_key"),
        ForeignKeyConstraint(["test_of"], ["environments.id"], name="environments_test_of_fkey"),
    )
    # The id of the key that secrets are sealed with (access/keys.py). One row, since a database has
    # one.
    Table(
        "secret_keys",
        metadata,
        Column("slot", Integer, primary_key=True, autoincrement=False, server_default=text("1")),
        string("id"),
        moment("since"),
    )
    epoch_tables(metadata)
    _change_tables(metadata)
    _access_tables(metadata)
    _idempotency_tables(metadata)
    _sandbox_tables(metadata)
    account_tables(metadata)
    sign_in_tables(metadata)
    event_table(metadata)
    _page_tables(metadata)
    _audit_tables(metadata)
    program_tables(metadata)
    draft_tables(metadata)
    portal_tables(metadata)
    _notification_tables(metadata)
    work_tables(metadata)
    process_tables(metadata)
    figure_tables(metadata)
    erasure_tables(metadata)
    retention_tables(metadata)
    chain_tables(metadata)


def _change_tables(metadata: MetaData) -> None:
    monthly(
        metadata,
        "changes",
        "changed_at",
        # Where the writer is. The session's epoch is looked at here, since calling the function for
        # it costs more than the rest; and after the id is taken, so that a step misses nobody.
        _position(
            "epoch",
            Integer,
            "CASE WHEN pg_current_xact_id() IS NOT NULL AND"
            " nullif(current_setting('almoner.epoch', true), '')::bigint >="
            " coalesce(pg_sequence_last_value('almoner_stepped'::regclass), 0) THEN"
            " current_setting('almoner.epoch')::integer ELSE almoner_epoch() END",
        ),
        _position("xid", BigInteger, "pg_current_xact_id()::text::bigint"),
        _position("seq", BigInteger, "nextval('changes_seq')"),
        string("kind"),
        string("resource"),
        guid("row_id"),
        Column("patient_id", UUID),
        Column("changed_at", MOMENT, nullable=False),
        string("actor"),
        string("through"),
        string("request_id"),
        Column("fields", ARRAY(Text)),
        # What the fields that differ held before and after (almoner_differences); null of rows that
        # were created or moved.
        Column("differences", JSON),
        PrimaryKeyConstraint("environment_id", "epoch", "xid", "seq", "changed_at"),
        Index(
            "changes_patient_id_idx",
            "environment_id",
            "patient_id",
            "epoch",
            "xid",
            "seq",
            postgresql_where=text("patient_id IS NOT NULL"),
        ),
        # What a timeline tells of the log: rows are shown as themselves, so that their creation is
        # no entry, and costs nothing here.
        Index(
            "changes_timeline_idx",
            "environment_id",
            "patient_id",
            "changed_at",
            "seq",
            postgresql_where=text("patient_id IS NOT NULL AND kind <> 'create'"),
        ),
        # The audit trail, newest first. It grows at its end alone, so that a write adds to a page
        # that is in memory anyway.
        Index("changes_changed_at_idx", "environment_id", "changed_at", "seq"),
    )


def _position(name: str, kind: Any, default: str) -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=text(default))


def _made_by() -> Column[Any]:
    """The actor who was shown it or said where it leads, to be reviewed when a worker is disabled.
    Blank: a program.
    """
    return string("made_by", default="")


def _access_tables(metadata: MetaData) -> None:
    table(
        metadata,
        "clients",
        guid(),
        string("name"),
        string("scope"),
        string("shape"),
        string("algorithm"),
        moment(),
        moment("disabled_at", now=False),
        Column("sandbox", Boolean, nullable=False, server_default=text("false")),
        *key("clients", "environment_id", "id"),
        UniqueConstraint("id", name="clients_id_key"),
    )
    table(
        metadata,
        "client_secrets",
        *refers("client_secrets", "client_id", "clients"),
        guid(),
        binary("sealed"),
        _made_by(),
        moment(),
        moment("revoked_at", now=False),
        *key("client_secrets", "environment_id", "client_id", "id"),
    )
    table(
        metadata,
        "access_tokens",
        binary(),
        *refers("access_tokens", "client_id", "clients"),
        string("scope"),
        _made_by(),
        moment(),
        Column("expires_at", MOMENT, nullable=False),
        *key("access_tokens", "environment_id", "digest"),
        UniqueConstraint("digest", name="access_tokens_digest_key"),
        Index("access_tokens_expires_at_idx", "expires_at"),
    )


def _idempotency_tables(metadata: MetaData) -> None:
    # What writes were answered with, for a day. Of the key and of the request there are digests.
    table(
        metadata,
        "idempotency_keys",
        guid("client_id"),
        binary("key"),
        binary("request"),
        # What it was answered with: of one row, or the answer to a batch.
        Column("row_id", UUID),
        binary("body"),
        binary("patient"),
        moment("updated_at", now=False),
        moment("before", now=False),
        moment("stored_at"),
        PrimaryKeyConstraint("environment_id", "client_id", "key"),
        Index("idempotency_keys_stored_at_idx", "environment_id", "stored_at"),
    )


def _sandbox_tables(metadata: MetaData) -> None:
    # How often a sandbox client has sent a header, for a day. Of the header there is a digest.
    table(
        metadata,
        "sandbox_requests",
        guid("client_id"),
        binary("header"),
        integer("number"),
        moment("first_at"),
        PrimaryKeyConstraint("environment_id", "client_id", "header"),
    )


def _page_tables(metadata: MetaData) -> None:
    table(
        metadata,
        "sent_forms",
        *worker_key("sent_forms"),
        # Of the form's token, its address and its content: nothing of what was typed can be read
        # from it.
        binary(),
        moment("sent_at"),
        # What was answered; null while it is under way. ``location`` is where a redirect led, a
        # path of this server.
        Column("status", SmallInteger),
        string("location", nullable=True),
        PrimaryKeyConstraint("environment_id", "worker_id", "digest"),
    )


def _audit_tables(metadata: MetaData) -> None:
    monthly(
        metadata,
        "audit_reads",
        "read_at",
        counted("audit_reads"),
        moment("read_at"),
        string("actor"),
        string("through"),
        string("request_id"),
        string("verb"),
        string("resource"),
        # Sixteen bytes for each patient: taking them apart into an array would cost the database
        # more than the read did.
        binary("patients"),
        # Of a get alone.
        Column("row_id", UUID),
        PrimaryKeyConstraint("environment_id", "id", "read_at"),
        Index("audit_reads_read_at_idx", "environment_id", "read_at"),
        # Who has looked at a patient: most reads are of one, and taking the ids apart costs more.
        Index(
            "audit_reads_patient_part",
            "environment_id",
            "patients",
            postgresql_where=text("length(patients) = 16"),
        ),
        Index(
            "audit_reads_patients_part",
            "environment_id",
            text("almoner_ids(patients)"),
            postgresql_using="gin",
            postgresql_where=text("length(patients) > 16"),
        ),
        # Few, and looked for by the hook.
        Index(
            "audit_reads_refused_part",
            "environment_id",
            "resource",
            "through",
            "read_at",
            postgresql_where=text("verb = 'refuse'"),
        ),
    )


def _notification_tables(metadata: MetaData) -> None:
    # The processes that notify: who has not been seen for some seconds has lost its subscriptions
    # to the others.
    Table("notifiers", metadata, Column("id", UUID, primary_key=True), moment("seen_at"))
    table(
        metadata,
        "subscriptions",
        guid(),
        string("name"),
        string("notify_url"),
        Column("resources", ARRAY(Text), nullable=False),
        string("authentication"),
        string("client_id"),
        binary("sealed"),
        string("audience"),
        string("token_url", nullable=True),
        Column("paused", Boolean, nullable=False, server_default=text("false")),
        # Up to where all has been announced: a position of the change log.
        integer("epoch"),
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
    monthly(
        metadata,
        "deliveries",
        "attempted_at",
        *refers("deliveries", "subscription_id", "subscriptions", "CASCADE"),
        counted("deliveries"),
        moment("attempted_at"),
        string("reason"),
        moment("from_time", now=False),
        moment("to_time", now=False),
        Column("resources", ARRAY(Text), nullable=False),
        string("outcome"),
        Column("status", Integer),
        integer("milliseconds"),
        string("answer"),
        PrimaryKeyConstraint("environment_id", "subscription_id", "id", "attempted_at"),
        Index("deliveries_attempted_at_idx", "attempted_at"),
    )
    table(
        metadata,
        "replays",
        *refers("replays", "subscription_id", "subscriptions", "CASCADE"),
        numbered(),
        Column("from_time", MOMENT, nullable=False),
        Column("to_time", MOMENT, nullable=False),
        moment("asked_at"),
        PrimaryKeyConstraint("environment_id", "subscription_id", "id"),
    )
