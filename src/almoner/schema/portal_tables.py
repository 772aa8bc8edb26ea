"""The tables of the Coach Portal: what coaches keep that no collection of the contract holds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    UUID,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from almoner.schema.columns import MOMENT, environment, moment, string, worker_key


def _patient_key(table: str) -> list[Any]:
    reference = ForeignKeyConstraint(
        ["environment_id", "patient_id"], ["patients.environment_id", "patients.id"], name=f"{table}_patient_id_fkey"
    )
    return [Column("patient_id", UUID, nullable=False), reference]


def portal_tables(metadata: MetaData) -> None:
    _care_tables(metadata)
    _work_tables(metadata)
    _calendar_tables(metadata)


def _care_tables(metadata: MetaData) -> None:
    Table(
        "timeline_stars",
        metadata,
        environment(),
        *_patient_key("timeline_stars"),
        string("resource"),
        Column("row_id", UUID, nullable=False),
        string("starred_by"),
        moment("starred_at"),
        PrimaryKeyConstraint("environment_id", "patient_id", "resource", "row_id"),
    )
    consents = Table(
        "consent_records",
        metadata,
        environment(),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        *_patient_key("consent_records"),
        string("resource"),
        Column("row_id", UUID, nullable=False),
        string("consent"),
        Column("given", Boolean, nullable=False),
        # How it was received: by voice, in writing, digitally; and the day that it was.
        string("how"),
        Column("received_on", Date, nullable=False),
        string("note"),
        string("recorded_by"),
        moment("recorded_at"),
        PrimaryKeyConstraint("environment_id", "id"),
    )
    Index("consent_records_row_id_idx", consents.c.environment_id, consents.c.row_id, consents.c.id)


def _work_tables(metadata: MetaData) -> None:
    """What is half done, and what was put together."""
    Table(
        "assessment_drafts",
        metadata,
        environment(),
        *_patient_key("assessment_drafts"),
        string("spec_id"),
        *worker_key("assessment_drafts"),
        Column("version", Integer, nullable=False),
        Column("answers", JSON, nullable=False),
        moment("saved_at"),
        PrimaryKeyConstraint("environment_id", "patient_id", "spec_id", "worker_id"),
    )
    merges = Table(
        "patient_merges",
        metadata,
        environment(),
        # The record that was merged into the other one. It stays, so that its id never means somebody else.
        *_patient_key("patient_merges"),
        Column("kept_id", UUID, nullable=False),
        Column("moved", JSON, nullable=False),
        string("merged_by"),
        moment("merged_at"),
        PrimaryKeyConstraint("environment_id", "patient_id"),
    )
    Index("patient_merges_kept_id_idx", merges.c.environment_id, merges.c.kept_id)


def _calendar_tables(metadata: MetaData) -> None:
    Table(
        "working_hours",
        metadata,
        environment(),
        *worker_key("working_hours"),
        # Monday is 0. Minutes count from midnight in the worker's own time zone; ``to_minute`` is not part of the span.
        Column("weekday", SmallInteger, nullable=False),
        Column("from_minute", SmallInteger, nullable=False),
        Column("to_minute", SmallInteger, nullable=False),
        PrimaryKeyConstraint("environment_id", "worker_id", "weekday", "from_minute"),
    )
    absences = Table(
        "absences",
        metadata,
        environment(),
        Column("id", UUID, nullable=False),
        *worker_key("absences"),
        Column("from_time", MOMENT, nullable=False),
        Column("to_time", MOMENT, nullable=False),
        string("reason"),
        PrimaryKeyConstraint("environment_id", "id"),
    )
    Index("absences_worker_id_idx", absences.c.environment_id, absences.c.worker_id, absences.c.to_time)
    Table(
        "calendar_feeds",
        metadata,
        environment(),
        Column("digest", LargeBinary, nullable=False),
        *worker_key("calendar_feeds"),
        # Patients are told by their initials unless the worker wants whole names where the feed is read.
        Column("whole_names", Boolean, nullable=False),
        moment(),
        Column("expires_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("environment_id", "digest"),
        UniqueConstraint("digest", name="calendar_feeds_digest_key"),
    )
