"""The tables of the Coach Portal: what coaches keep that no collection of the contract holds."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    UUID,
    Boolean,
    Column,
    Date,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    UniqueConstraint,
)

from almoner.schema.columns import (
    MOMENT,
    binary,
    guid,
    integer,
    key,
    moment,
    numbered,
    refers,
    string,
    table,
    worker_key,
)


def portal_tables(metadata: MetaData) -> None:
    _care_tables(metadata)
    _work_tables(metadata)
    _bulk_tables(metadata)
    _calendar_tables(metadata)


def _care_tables(metadata: MetaData) -> None:
    table(
        metadata,
        "timeline_stars",
        *refers("timeline_stars", "patient_id", "patients"),
        string("resource"),
        guid("row_id"),
        string("starred_by"),
        moment("starred_at"),
        PrimaryKeyConstraint("environment_id", "patient_id", "resource", "row_id"),
    )
    table(
        metadata,
        "consent_records",
        numbered(),
        *refers("consent_records", "patient_id", "patients"),
        string("resource"),
        guid("row_id"),
        string("consent"),
        Column("given", Boolean, nullable=False),
        # How it was received: by voice, in writing, digitally; and the day that it was.
        string("how"),
        Column("received_on", Date, nullable=False),
        string("note"),
        string("recorded_by"),
        moment("recorded_at"),
        PrimaryKeyConstraint("environment_id", "id"),
        Index("consent_records_row_id_idx", "environment_id", "row_id", "id"),
    )


def _work_tables(metadata: MetaData) -> None:
    """What is half done, and what was put together."""
    table(
        metadata,
        "assessment_drafts",
        *refers("assessment_drafts", "patient_id", "patients"),
        string("spec_id"),
        *worker_key("assessment_drafts"),
        integer("version"),
        Column("answers", JSON, nullable=False),
        moment("saved_at"),
        PrimaryKeyConstraint("environment_id", "patient_id", "spec_id", "worker_id"),
    )
    table(
        metadata,
        "task_news",
        # Who watches the task, and is told.
        *worker_key("task_news"),
        guid("task_id"),
        string("what"),
        # Null where a program wrote it, and did not say who did it.
        Column("by_worker_id", UUID),
        moment("happened_at"),
        # When they said that they know; null until then.
        Column("noted_at", MOMENT),
        PrimaryKeyConstraint("environment_id", "worker_id", "task_id"),
    )
    table(
        metadata,
        "patient_merges",
        # The record that was merged into the other one. It stays, so that its id never means
        # somebody else.
        *refers("patient_merges", "patient_id", "patients"),
        guid("kept_id"),
        Column("moved", JSON, nullable=False),
        string("merged_by"),
        moment("merged_at"),
        PrimaryKeyConstraint("environment_id", "patient_id"),
        Index("patient_merges_kept_id_idx", "environment_id", "kept_id"),
    )


def _bulk_tables(metadata: MetaData) -> None:
    """Messages to many, and what came of them for each."""
    table(
        metadata,
        "bulk_messages",
        guid(),
        # In whose name it is sent.
        *worker_key("bulk_messages"),
        string("channel"),
        # With the placeholders that are filled in for each.
        string("contents"),
        # Of the request that put it into the queue: the change log has it beside each message.
        string("request_id"),
        moment(),
        *key("bulk_messages", "environment_id", "id"),
        Index("bulk_messages_created_at_idx", "environment_id", "created_at"),
    )
    table(
        metadata,
        "bulk_recipients",
        *refers("bulk_recipients", "bulk_message_id", "bulk_messages"),
        *refers("bulk_recipients", "patient_id", "patients"),
        # Those of one part are sent in one transaction.
        integer("part"),
        string("state"),
        string("reason", nullable=True),
        Column("message_id", UUID),
        moment("settled_at", now=False),
        PrimaryKeyConstraint("environment_id", "bulk_message_id", "patient_id"),
        Index("bulk_recipients_patient_id_idx", "environment_id", "patient_id"),
    )


def _calendar_tables(metadata: MetaData) -> None:
    table(
        metadata,
        "working_hours",
        *worker_key("working_hours"),
        # Monday is 0. Minutes count from midnight in the worker's own time zone; ``to_minute`` is
        # not part of the span.
        Column("weekday", SmallInteger, nullable=False),
        Column("from_minute", SmallInteger, nullable=False),
        Column("to_minute", SmallInteger, nullable=False),
        PrimaryKeyConstraint("environment_id", "worker_id", "weekday", "from_minute"),
    )
    table(
        metadata,
        "absences",
        guid(),
        *worker_key("absences"),
        Column("from_time", MOMENT, nullable=False),
        Column("to_time", MOMENT, nullable=False),
        string("reason"),
        # Who does meanwhile what would be theirs to do.
        Column("cover_id", UUID),
        PrimaryKeyConstraint("environment_id", "id"),
        Index("absences_cover_id_idx", "environment_id", "cover_id", "to_time"),
        Index(
            "absences_worker_id_idx",
            "environment_id",
            "worker_id",
            "to_time",
        ),
    )
    table(
        metadata,
        "calendar_feeds",
        binary(),
        *worker_key("calendar_feeds"),
        # Patients are told by their initials unless the worker wants whole names where the feed is
        # read.
        Column("whole_names", Boolean, nullable=False),
        moment(),
        Column("expires_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("environment_id", "digest"),
        UniqueConstraint("digest", name="calendar_feeds_digest_key"),
    )
