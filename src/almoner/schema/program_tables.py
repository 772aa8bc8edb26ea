"""The tables of programs: what is published, and what is being designed."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Integer, MetaData, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from almoner.schema.columns import environment, key, moment, string, worker_key


def program_tables(metadata: MetaData) -> None:
    Table(
        "programs",
        metadata,
        environment(),
        Column("version", Integer, nullable=False),
        string("source"),
        string("digest"),
        string("summary"),
        # What the publisher says of it, beside the summary that is worked out.
        Column("message", Text, nullable=False, server_default=text("''")),
        string("published_by"),
        moment("published_at"),
        *key("programs", "environment_id", "version"),
    )
    Table(
        "program_elements",
        metadata,
        environment(),
        string("kind"),
        string("name"),
        Column("version", Integer, nullable=False),
        Column("program_version", Integer, nullable=False),
        Column("definition", JSON, nullable=False),
        *key("program_elements", "environment_id", "kind", "name", "version"),
    )


def draft_tables(metadata: MetaData) -> None:
    """Programs that are being designed: each save is a revision, and a lock is a revision that is tested."""
    Table(
        "program_drafts",
        metadata,
        environment(),
        Column("revision", Integer, nullable=False),
        Column("definition", JSON, nullable=False),
        string("summary"),
        string("saved_by"),
        moment("saved_at"),
        *key("program_drafts", "environment_id", "revision"),
    )
    Table(
        "program_locks",
        metadata,
        environment(),
        Column("number", Integer, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("test_environment_id", Integer, nullable=False),
        # The version that it is in the environment where it is tested.
        Column("test_version", Integer, nullable=False),
        string("message"),
        string("locked_by"),
        moment("locked_at"),
        *key("program_locks", "environment_id", "number"),
    )
    # A publish that waits for a second person (access.grants), and what became of it.
    Table(
        "publish_requests",
        metadata,
        environment(),
        Column("number", Integer, nullable=False),
        # The version that it is to replace.
        Column("live_version", Integer, nullable=False),
        Column("definition", JSON, nullable=False),
        string("message"),
        Column("accepted", ARRAY(Text), nullable=False),
        Column("widens", ARRAY(Text), nullable=False),
        string("asked_by"),
        string("author"),
        moment("asked_at"),
        Column("state", Text, nullable=False, server_default=text("'waiting'")),
        Column("decided_by", Text, nullable=False, server_default=text("''")),
        moment("decided_at", now=False),
        *key("publish_requests", "environment_id", "number"),
    )
    Table(
        "draft_editors",
        metadata,
        environment(),
        *worker_key("draft_editors"),
        string("part"),
        moment("seen_at"),
        PrimaryKeyConstraint("environment_id", "worker_id"),
    )
