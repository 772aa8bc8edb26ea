"""Making one record of two of one person as somebody chose (``patient_merges``). What it would do
is in ``merge_preview.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.patient_merges import merge as merging
from almoner.portal.patient import Patient
from almoner.portal.patients.merge_preview import (
    OTHER,
    SURVIVOR,
    MergePreview,
    RowClash,
    Value,
    preview,
)

# What the form calls the word that two records, unlike as they are, are of one person.
SURE: Final = "sure"


async def merge(
    visit: Visit,
    connection: Connection,
    survivor: Patient,
    other: Patient,
    choices: Mapping[str, str],
    digest: str,
) -> None:
    """Moves everything of ``other`` to the survivor in one transaction. ``choices`` says SURVIVOR
    or OTHER by the names of what differs.

    ``digest`` is that of the preview by which they were made. Raises ApiError: 400 where something
    was not decided, or one of the two has been merged meanwhile; 412 where either of them was
    changed since that preview."""
    by = visit.actor
    ids = {"kept_id": survivor.id, "other_id": other.id}
    async with connection.transaction():
        await merging.lock(connection, by.environment_id, **ids)
        planned = await preview(visit, connection, survivor, other)
        _refuse_undecided(planned, choices, digest)
        taken = [
            value.name
            for value in planned.values
            if (choices.get(value.name) if value.differs else value.takes) == OTHER
        ]
        decided = [(clash.of, choices[clash.name] == SURVIVOR) for clash in planned.clashes]
        store = visit.parts.store.within(connection)
        await merging.merge(connection, store, by, **ids, decided=decided, taken=taken)


def _refuse_undecided(planned: MergePreview, choices: Mapping[str, str], digest: str) -> None:
    if planned.digest != digest:
        raise problem(
            "precondition_failed",
            "One of the two records was changed while you looked. Look again, then merge.",
        )
    differing = (value for value in planned.values if value.differs)
    choosing: list[Value | RowClash] = [*differing, *planned.clashes]
    decided = {name for name, side in choices.items() if side in (SURVIVOR, OTHER)}
    undecided = [choice.title for choice in choosing if choice.name not in decided]
    if undecided:
        raise problem(
            "bad_request",
            f"Choose what is kept of: {', '.join(undecided)}.",
            undecided=undecided,
        )
    if planned.unlike and choices.get(SURE) != "yes":
        raise problem(
            "bad_request",
            "Confirm first that the two records, unlike as they are, are of one person.",
        )
