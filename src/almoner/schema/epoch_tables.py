"""The tables that say where the change log is: its epochs, and a mark a day in each."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, text

from almoner.schema.columns import integer, moment


def epoch_tables(metadata: MetaData) -> None:
    """Adds both. They are those of the database, whatever environments there are."""
    Table(
        "epochs",
        metadata,
        Column("epoch", Integer, primary_key=True, autoincrement=False),
        Column("system_identifier", BigInteger, nullable=False),
        integer("timeline"),
        moment("began_at"),
        # Writers whose transaction id is as great or greater write in it; null until that is known.
        Column("from_xid", BigInteger, server_default=text("0")),
    )
    # Whoever writes in this epoch under this id or a later one stamps later than at.
    Table(
        "change_marks",
        metadata,
        Column("epoch", Integer, primary_key=True, autoincrement=False),
        Column("xid", BigInteger, primary_key=True, autoincrement=False),
        moment("at", now=False),
    )
