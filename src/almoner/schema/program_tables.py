"""The tables of programs: what is published, and what is being designed."""

from __future__ import annotations

from sqlalchemy import JSON, Column, MetaData, PrimaryKeyConstraint, Text
from sqlalchemy.dialects.postgresql import ARRAY

from almoner.schema.columns import integer, key, moment, string, table, worker_key


def program_tables(metadata: MetaData) -> None:
    table(
        metadata,
        "programs",
        integer("version"),
        string("source"),
        string("digest"),
        string("summary"),
        # What the publisher says of it, beside the summary that is worked out.
        string("message", default=""),
        string("published_by"),
        moment("published_at"),
        *key("programs", "environment_id", "version"),
    )
    table(
        metadata,
        "program_elements",
        string("kind"),
        string("name"),
        integer("version"),
        integer("program_version"),
        Column("definition", JSON, nullable=False),
        *key("program_elements", "environment_id", "kind", "name", "version"),
    )


def draft_tables(metadata: MetaData) -> None:
    """Programs that are being designed: each save is a revision, and a lock is a revision that is
    tested.
    """
    table(
        metadata,
        "program_drafts",
        integer("revision"),
        Column("definition", JSON, nullable=False),
        string("summary"),
        string("saved_by"),
        moment("saved_at"),
        *key("program_drafts", "environment_id", "revision"),
    )
    table(
        metadata,
        "program_locks",
        integer("number"),
        integer("revision"),
        integer("test_environment_id"),
        # The version that it is in the environment where it is tested.
        integer("test_version"),
        string("message"),
        string("locked_by"),
        moment("locked_at"),
        *key("program_locks", "environment_id", "number"),
    )
    # A publish that waits for a second person (access.grants), and what became of it.
    table(
        metadata,
        "publish_requests",
        integer("number"),
        # The version that it is to replace.
        integer("live_version"),
        Column("definition", JSON, nullable=False),
        string("message"),
        Column("accepted", ARRAY(Text), nullable=False),
        Column("widens", ARRAY(Text), nullable=False),
        string("asked_by"),
        string("author"),
        moment("asked_at"),
        string("state", default="waiting"),
        string("decided_by", default=""),
        moment("decided_at", now=False),
        *key("publish_requests", "environment_id", "number"),
    )
    table(
        metadata,
        "draft_editors",
        *worker_key("draft_editors"),
        string("part"),
        moment("seen_at"),
        PrimaryKeyConstraint("environment_id", "worker_id"),
    )
