"""The tables: those of the collections, derived from their declarations, and those of the house.

SQLAlchemy holds them as data for Alembic to compare and migrate; no request passes through here. Every table's key starts
with the environment (design: One database, everywhere).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from almoner.data_api.declare import Resource, unique_name
from almoner.fields import MISSING, NOW, Field
from almoner.kinds import Texts

MOMENT = TIMESTAMP(timezone=True)
_TYPES: dict[str, Any] = {
    "text": Text(),
    "uuid": UUID(),
    "boolean": Boolean(),
    "bigint": BigInteger(),
    "double precision": Double(),
    "date": Date(),
    "timestamptz": MOMENT,
    "text[]": ARRAY(Text()),
    "json": JSON(),
}
# Names of constraints follow one rule, so that an error of the database can be traced to its declaration.
_NAMING = {"pk": "%(table_name)s_pkey"}


def functions() -> str:
    """The SQL of the functions and of the triggers' bodies."""
    return files("almoner").joinpath("functions.sql").read_text(encoding="utf-8")


def triggers(resources: Iterable[Resource]) -> list[str]:
    """The statements that attach the triggers: the stamp on every collection, the position and the lock on the logs."""
    stamps = [
        f"CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON {r.name} FOR EACH ROW EXECUTE FUNCTION almoner_touch()"
        for r in resources
    ]
    position = "CREATE TRIGGER almoner_position BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION almoner_position()"
    locks = [
        f"CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()"
        for table in ("changes", "audit_reads", "programs", "program_elements")
    ]
    return [*stamps, position, *locks]


def build(resources: Iterable[Resource]) -> MetaData:
    """All tables of a database that serves these collections."""
    metadata = MetaData(naming_convention=_NAMING)
    _house_tables(metadata)
    known = list(resources)
    for resource in known:
        _collection_table(metadata, resource, known)
    return metadata


def reference_name(resource: Resource, field: Field) -> str:
    return f"{resource.name}_{field.name}_fkey"


def _collection_table(metadata: MetaData, resource: Resource, known: list[Resource]) -> Table:
    columns = [Column("environment_id", Integer, nullable=False), *(_column(f) for f in resource.stored)]
    keys: list[Any] = [PrimaryKeyConstraint("environment_id", "id")]
    for field, ref in resource.references:
        local, remote = ["environment_id", field.name], [f"{ref.to}.environment_id", f"{ref.to}.id"]
        if ref.within:
            local.append(ref.within)
            remote.append(f"{ref.to}.{ref.within}")
        keys.append(ForeignKeyConstraint(local, remote, name=reference_name(resource, field)))
    inner = {ref.within for r in known for _, ref in r.references if ref.to == resource.name and ref.within}
    keys += [UniqueConstraint("environment_id", "id", column, name=f"{resource.name}_id_{column}_key") for column in sorted(inner)]
    table = Table(resource.name, metadata, *columns, *keys)
    _indexes(table, resource)
    return table


def _column(field: Field) -> Column[Any]:
    if field.name in ("updated_at", "created_at"):
        return Column(field.name, MOMENT, nullable=False)
    computed = [] if field.generated is None else [Computed(field.generated, persisted=True)]
    nullable = field.nullable and field.name != "id"
    return Column(field.name, _TYPES[field.kind.column], *computed, nullable=nullable, server_default=_default(field))


def _default(field: Field) -> Any:
    if field.default is MISSING:
        return None
    if field.default is NOW:
        return text("clock_timestamp()")
    literals = {False: "false", True: "true"}
    if field.default == []:
        return text("'{}'" if isinstance(field.kind, Texts) else "'[]'")
    return text(literals[field.default])


def _indexes(table: Table, resource: Resource) -> None:
    Index(f"{resource.name}_updated_at_idx", table.c.environment_id, table.c.updated_at, table.c.id)
    for field in resource.filters:
        name = f"{resource.name}_{field.name}_idx"
        if isinstance(field.kind, Texts):
            Index(name, table.c[field.name], postgresql_using="gin")
            continue
        indexed = field.kind.filter_index(field.name)
        key = table.c[field.name] if indexed == field.name else text(indexed)
        Index(name, table.c.environment_id, key, table.c.updated_at, table.c.id)
    for rule in resource.unique:
        keys = [key for name in rule.fields for key in _unique_keys(resource.field(name))]
        Index(unique_name(resource, rule), table.c.environment_id, *keys, unique=True)


def _unique_keys(field: Field) -> list[Any]:
    """What a unique index holds for a field: the value, or 128 bits of hash where a string may be too long to be indexed."""
    if field.kind.filter_index(field.name) == field.name:
        return [text(field.name)]
    return [text(f"hashtextextended({field.name}, {seed})") for seed in (0, 1)]


def _key(table: str, *columns: str) -> list[Any]:
    """A primary key, and the environment's foreign key. The collections and the logs do without the latter: every write would

    lock the environment's one row, and what writes them has the environment from a client or worker of it.
    """
    environment = ForeignKeyConstraint(["environment_id"], ["environments.id"], name=f"{table}_environment_id_fkey")
    return [PrimaryKeyConstraint(*columns), environment]


def _moment(name: str = "created_at", now: bool = True) -> Column[Any]:
    return Column(name, MOMENT, nullable=not now, server_default=text("clock_timestamp()") if now else None)


def _text(name: str, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def _environment() -> Column[Any]:
    return Column("environment_id", Integer, nullable=False)


def _house_tables(metadata: MetaData) -> None:
    Table(
        "environments",
        metadata,
        Column("id", Integer, Identity(always=True), primary_key=True),
        Column("name", Text, nullable=False),
        _moment(),
        UniqueConstraint("name", name="environments_name_key"),
    )
    _change_tables(metadata)
    _access_tables(metadata)
    _audit_tables(metadata)
    _program_tables(metadata)
    _notification_tables(metadata)


def _change_tables(metadata: MetaData) -> None:
    Table(
        "epochs",
        metadata,
        Column("epoch", Integer, primary_key=True, autoincrement=False),
        Column("system_identifier", BigInteger, nullable=False),
        Column("timeline", Integer, nullable=False),
        _moment("began_at"),
        UniqueConstraint("system_identifier", "timeline", name="epochs_cluster_key"),
    )
    changes = Table(
        "changes",
        metadata,
        _environment(),
        *(Column(name, kind, nullable=False) for name, kind in (("epoch", Integer), ("xid", BigInteger), ("seq", BigInteger))),
        _text("kind"),
        _text("resource"),
        Column("row_id", UUID, nullable=False),
        Column("patient_id", UUID),
        Column("changed_at", MOMENT, nullable=False),
        _text("actor"),
        _text("through"),
        _text("request_id"),
        Column("fields", ARRAY(Text)),
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


def _access_tables(metadata: MetaData) -> None:
    Table(
        "clients",
        metadata,
        _environment(),
        Column("id", UUID, nullable=False),
        _text("name"),
        _text("scope"),
        _text("shape"),
        _text("algorithm"),
        _moment(),
        _moment("disabled_at", now=False),
        *_key("clients", "environment_id", "id"),
        UniqueConstraint("id", name="clients_id_key"),
    )
    Table(
        "client_secrets",
        metadata,
        _environment(),
        Column("client_id", UUID, nullable=False),
        Column("id", UUID, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        _moment(),
        _moment("revoked_at", now=False),
        *_key("client_secrets", "environment_id", "client_id", "id"),
        ForeignKeyConstraint(
            ["environment_id", "client_id"],
            ["clients.environment_id", "clients.id"],
            name="client_secrets_client_id_fkey",
        ),
    )
    tokens = Table(
        "access_tokens",
        metadata,
        _environment(),
        Column("digest", LargeBinary, nullable=False),
        Column("client_id", UUID, nullable=False),
        _text("scope"),
        _moment(),
        Column("expires_at", MOMENT, nullable=False),
        *_key("access_tokens", "environment_id", "digest"),
        ForeignKeyConstraint(
            ["environment_id", "client_id"],
            ["clients.environment_id", "clients.id"],
            name="access_tokens_client_id_fkey",
        ),
        UniqueConstraint("digest", name="access_tokens_digest_key"),
    )
    Index("access_tokens_expires_at_idx", tokens.c.expires_at)


def _audit_tables(metadata: MetaData) -> None:
    reads = Table(
        "audit_reads",
        metadata,
        _environment(),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        _moment("read_at"),
        _text("actor"),
        _text("through"),
        _text("request_id"),
        _text("verb"),
        _text("resource"),
        # Sixteen bytes for each patient: taking them apart into an array would cost the database more than the read did.
        Column("patients", LargeBinary, nullable=False),
        PrimaryKeyConstraint("environment_id", "id"),
    )
    Index("audit_reads_read_at_idx", reads.c.environment_id, reads.c.read_at)


def _program_tables(metadata: MetaData) -> None:
    Table(
        "programs",
        metadata,
        _environment(),
        Column("version", Integer, nullable=False),
        _text("source"),
        _text("digest"),
        _text("summary"),
        _text("published_by"),
        _moment("published_at"),
        *_key("programs", "environment_id", "version"),
    )
    Table(
        "program_elements",
        metadata,
        _environment(),
        _text("kind"),
        _text("name"),
        Column("version", Integer, nullable=False),
        Column("program_version", Integer, nullable=False),
        Column("definition", JSON, nullable=False),
        *_key("program_elements", "environment_id", "kind", "name", "version"),
    )


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
    Table("notifiers", metadata, Column("id", UUID, primary_key=True), _moment("seen_at"))
    Table(
        "subscriptions",
        metadata,
        _environment(),
        Column("id", UUID, nullable=False),
        _text("name"),
        _text("notify_url"),
        Column("resources", ARRAY(Text), nullable=False),
        _text("authentication"),
        _text("client_id"),
        Column("sealed", LargeBinary, nullable=False),
        _text("audience"),
        _text("token_url", nullable=True),
        Column("paused", Boolean, nullable=False, server_default=text("false")),
        # Up to where all has been announced: a position of the change log.
        Column("epoch", Integer, nullable=False),
        Column("xid", BigInteger, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("failures", Integer, nullable=False, server_default=text("0")),
        _moment("failing_since", now=False),
        _moment("next_attempt_at", now=False),
        Column("notifier_id", UUID),
        _moment(),
        *_key("subscriptions", "environment_id", "id"),
        UniqueConstraint("environment_id", "name", name="subscriptions_name_key"),
    )
    deliveries = Table(
        "deliveries",
        metadata,
        _environment(),
        *_subscription_key("deliveries"),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        _moment("attempted_at"),
        _text("reason"),
        _moment("from_time", now=False),
        _moment("to_time", now=False),
        Column("resources", ARRAY(Text), nullable=False),
        _text("outcome"),
        Column("status", Integer),
        Column("milliseconds", Integer, nullable=False),
        _text("answer"),
        PrimaryKeyConstraint("environment_id", "subscription_id", "id"),
    )
    Index("deliveries_attempted_at_idx", deliveries.c.attempted_at)
    Table(
        "replays",
        metadata,
        _environment(),
        *_subscription_key("replays"),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("from_time", MOMENT, nullable=False),
        Column("to_time", MOMENT, nullable=False),
        _moment("asked_at"),
        PrimaryKeyConstraint("environment_id", "subscription_id", "id"),
    )
