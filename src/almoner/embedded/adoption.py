"""A restored folder of data as that of a home.

It waits as ``postgres.restored`` beside the data that there is, and takes its place in two steps. A
process that is ended between them leaves that to the next start of the home's server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from almoner.embedded.programs import EmbeddedServerError
from almoner.embedded.record import (
    ServerRecord,
    data_folder,
    is_server,
    postmaster,
    read_record,
    write_record,
)
from almoner.vocabulary import clocks


def restored_folder(home: Path) -> Path:
    """Where restored data waits, whole and with no server on it."""
    return home / "postgres.restored"


def must_not_run(home: Path) -> None:
    """Raises EmbeddedServerError while the home's server runs."""
    place = data_folder(home)
    there = postmaster(place)
    if there is not None and is_server(there[0], place):
        raise EmbeddedServerError(
            f"The embedded PostgreSQL of {home} runs. Stop the demo first, with Ctrl-C where it was"
            " started."
        )


def adopt(home: Path, password: str) -> Path | None:
    """Has the restored data take its place; ``password`` is the one that its superuser has.

    What the home had before stays beside it, and where is returned; None where it had nothing."""
    before = None
    place = data_folder(home)
    if place.exists():
        stamp = clocks.stamp(datetime.now(UTC))
        before = place.rename(place.with_name(f"{place.name}.before-{stamp}"))
    record = read_record(home) or ServerRecord(password=password, port=0, pid=None)
    write_record(home, replace(record, password=password, pid=None))
    complete(home)
    return before


def complete(home: Path) -> None:
    """Takes the last step of an adoption that was ended in the middle; else does nothing."""
    waiting, place = restored_folder(home), data_folder(home)
    if waiting.exists() and not place.exists():
        waiting.rename(place)
