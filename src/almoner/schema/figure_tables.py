"""The tables of what is counted of each patient, for lists that sort and filter by it."""

from __future__ import annotations

from sqlalchemy import JSON, UUID, BigInteger, Column, Double, Index, MetaData, Text, text

from almoner.schema.columns import MOMENT, guid, integer, key, string, table, worker_key


def figure_tables(metadata: MetaData) -> None:
    table(
        metadata,
        "patient_figures",
        string("figure"),
        guid("patient_id"),
        # What lists sort by, and what is the same as a word: a band, a choice.
        Column("number", Double),
        Column("word", Text(collation="C")),
        Column("before", Double),
        Column("at", MOMENT),
        Column("until", MOMENT),
        *key("patient_figures", "environment_id", "figure", "patient_id"),
        Index("patient_figures_patient_id_idx", "environment_id", "patient_id"),
        Index("patient_figures_number_idx", "environment_id", "figure", "number", "patient_id"),
        Index(
            "patient_figures_word_idx",
            "environment_id",
            "figure",
            "word",
            "patient_id",
            postgresql_where=text("word IS NOT NULL"),
        ),
        Index(
            "patient_figures_until_idx",
            "environment_id",
            "until",
            postgresql_where=text("until IS NOT NULL"),
        ),
    )
    table(
        metadata,
        "figure_positions",
        integer("epoch"),
        Column("xid", BigInteger, nullable=False),
        Column("seq", BigInteger, nullable=False),
        # Up to whom patients were counted for the first time; null once all were.
        Column("filled_to", UUID),
        *key("figure_positions", "environment_id"),
    )
    table(
        metadata,
        "panel_views",
        guid(),
        *worker_key("panel_views"),
        string("title"),
        # Since when every coach sees it; null where it is the worker's own.
        Column("shared_at", MOMENT),
        Column("view", JSON, nullable=False),
        Column("saved_at", MOMENT, nullable=False, server_default=text("clock_timestamp()")),
        *key("panel_views", "environment_id", "id"),
        Index("panel_views_worker_id_idx", "environment_id", "worker_id"),
    )
