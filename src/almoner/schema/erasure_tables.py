"""The tables of erasures: who was erased, why, and who asked and decided, and who may not be; of
logs that grow old; and those of the chains, by which every other change of a log is noticed.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    JSON,
    UUID,
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Text,
)

from almoner.schema.columns import (
    MOMENT,
    binary,
    guid,
    integer,
    key,
    moment,
    numbered,
    string,
    table,
)


def erasure_tables(metadata: MetaData) -> None:
    erasures = table(
        metadata,
        "erasures",
        guid(),
        # Of whom nothing else is left. Records that were merged into this one go with it.
        guid("patient_id"),
        Column("record_ids", ARRAY(UUID), nullable=False),
        string("reason"),
        # It waits for a second person, is done, or was refused or withdrawn.
        string("state"),
        string("asked_by"),
        moment("asked_at"),
        string("decided_by", default=""),
        moment("decided_at", now=False),
        # How many rows of each table went.
        Column("counts", JSON),
        # The transaction that did it, by which the change log tells what it wrote.
        Column("xid", BigInteger),
        # When what the database had not written over yet was cleared away.
        moment("cleared_at", now=False),
        *key("erasures", "environment_id", "id"),
    )
    Index("erasures_patient_id_idx", erasures.c.environment_id, erasures.c.patient_id)
    table(
        metadata,
        "erasure_holds",
        guid("patient_id"),
        string("reason"),
        string("placed_by"),
        moment("placed_at"),
        *key("erasure_holds", "environment_id", "patient_id"),
    )


def retention_tables(metadata: MetaData) -> None:
    """For how long logs stay (``retention/``), where an operator has decided it."""
    table(
        metadata,
        "retention_terms",
        string("log"),
        integer("months"),
        moment("set_at"),
        *key("retention_terms", "environment_id", "log"),
    )
    table(
        metadata,
        "retention_holds",
        string("reason"),
        moment("placed_at"),
        *key("retention_holds", "environment_id"),
    )
    # What went because it was old: rows that were written before a moment.
    table(
        metadata,
        "retention_removals",
        guid(),
        string("log"),
        Column("before", MOMENT, nullable=False),
        Column("rows", BigInteger, nullable=False),
        # The last key among them.
        Column("to_key", ARRAY(BigInteger), nullable=False),
        # The name of the file in which they were written down; blank where they were not.
        string("dump"),
        moment("removed_at"),
        *key("retention_removals", "environment_id", "id"),
    )


def chain_tables(metadata: MetaData) -> None:
    """Logs sealed in batches, each with the hash of the one before (``chains/``)."""
    batches = table(
        metadata,
        "chain_batches",
        string("log"),
        integer("number"),
        # The key of the last row; the batch begins behind that of the one before.
        Column("to_key", ARRAY(BigInteger), nullable=False),
        integer("rows"),
        # Those that were hashed, in this order.
        Column("columns", ARRAY(Text), nullable=False),
        # Sixteen bytes of the hash of each row, in the order of their keys.
        binary("hashes"),
        binary("digest"),
        binary("previous"),
        binary("hash"),
        moment("sealed_at"),
        PrimaryKeyConstraint("environment_id", "log", "number"),
    )
    Index("chain_batches_to_key_idx", *(batches.c[n] for n in ("environment_id", "log", "to_key")))
    # Where each chain ends. Whoever seals or amends holds it.
    table(
        metadata,
        "chain_heads",
        string("log"),
        Column("number", Integer, nullable=False, server_default="0"),
        binary("hash"),
        PrimaryKeyConstraint("environment_id", "log"),
    )
    # What an erasure has made of a batch, or the removal of what was old: ``erasure_id`` is of
    # either.
    table(
        metadata,
        "chain_amendments",
        numbered(),
        string("log"),
        integer("number"),
        guid("erasure_id"),
        integer("rows"),
        binary("hashes"),
        binary("digest_before"),
        binary("digest"),
        moment("amended_at"),
        PrimaryKeyConstraint("environment_id", "id"),
        Index("chain_amendments_number_idx", "environment_id", "log", "number", "id"),
    )
