"""Tasks of a job as pages show them: in a tree, or one below the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.integrations.again import EARLIER_RUN
from almoner.pages.visit import Visit
from almoner.resources import BY_NAME
from almoner.work.step import (
    BLOCKED,
    CANCELLED,
    DONE,
    FAILED,
    OPEN,
    READY,
    REFUSED,
    SUPERSEDED,
    UNSUCCESSFUL,
)
from almoner.workshop.pages.integrations import queries
from almoner.workshop.pages.integrations.queries import Read

# Of each call the first tasks stand in the tree, the failed ones before the others; the rest is on
# the page of whoever called them.
FEW: Final = 20
# Of what a task wrote the first rows are told of.
FEW_WRITTEN: Final = 20
# With so many tasks on it, the tree goes no further down.
_MANY: Final = 200
TONES: Final[Mapping[str, str]] = {"succeeded": "good", "failed": "bad", "running": "info"}
_STATES: Final[Mapping[str, str]] = {
    BLOCKED: "It waits for the tasks below it.",
    CANCELLED: "It was called off.",
    FAILED: "It is not tried again by itself.",
    SUPERSEDED: "It is of an earlier run.",
    REFUSED: "It is not tried again by itself: it would end alike.",
}
# Of rows that are about no patient, those with a page, and the right that opens it.
_PAGES: Final[Mapping[str, tuple[str, str]]] = {"workers": ("/admin/workers/{}", "administer")}
_KINDS: Final[Mapping[str, str]] = {"create": "created", "update": "changed", "delete": "deleted"}


@dataclass(frozen=True)
class TaskError:
    """An error that a task ended in; ``details`` are what else is known of it."""

    code: str
    message: str
    details: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class WrittenRow:
    """A row that a task wrote, and where it is read; blank where it is nowhere, or not for the
    visitor."""

    text: str
    path: str


@dataclass(frozen=True, kw_only=True)
class TaskLine:
    """A task. ``patient`` is whom it is about, id and name, where the visitor may see them;
    ``is_about_another``: it is about one whom they may not. ``took`` is blank where it has not
    begun. ``wrote_more``: ``written`` has the first rows only. ``is_superseded``: it is of a run
    before the one that counts; ``earlier_runs`` counts those of the task itself."""

    id: str
    name: str
    status: str
    tone: str
    sentence: str
    due_at: datetime | None
    attempts: int
    took: str
    ref_ids: Sequence[str]
    errors: Sequence[TaskError]
    patient: tuple[str, str] | None
    is_about_another: bool
    written: Sequence[WrittenRow]
    wrote_more: bool
    is_unsuccessful: bool
    has_succeeded: bool
    is_superseded: bool
    ended_at: datetime | None
    earlier_runs: int
    calls: list[CallLines] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class CallLines:
    """The first of the tasks that one call began; ``tasks`` and ``wrong`` count all of them."""

    tasks: int
    wrong: int
    lines: list[TaskLine] = field(default_factory=list)


async def tree(visit: Visit, connection: Connection, top: Read) -> tuple[TaskLine, bool]:
    """A task with those that it called below it, and so on downwards; and whether it goes on where
    this ends."""
    levels, rows = [[top]], [top]
    while levels[-1] and len(rows) < _MANY:
        parents = [row["id"] for row in levels[-1]]
        below = await queries.first_of_each_call(
            connection, visit.environment_id, parents, size=FEW
        )
        levels.append(list(below))
        rows += below
    lines = await of(visit, connection, rows)
    calls: dict[tuple[str, int], CallLines] = {}
    for row in rows[1:]:
        place = (row["parent_id"], row["call"])
        if place not in calls:
            calls[place] = CallLines(tasks=row["tasks"], wrong=row["wrong"])
            lines[row["parent_id"]].calls.append(calls[place])
        calls[place].lines.append(lines[row["id"]])
    return lines[top["id"]], bool(levels[-1])


async def of(visit: Visit, connection: Connection, rows: Sequence[Read]) -> dict[str, TaskLine]:
    """These tasks by their ids, in their order."""
    about = {row["user_id"] for row in rows if row["user_id"]}
    ids = [row["id"] for row in rows]
    written: dict[str, list[Read]] = {}
    for row in await queries.written(connection, visit.environment_id, ids, FEW_WRITTEN + 1):
        written.setdefault(row["task_id"], []).append(row)
    about |= {w["patient_id"] for some in written.values() for w in some if w["patient_id"]}
    names: Mapping[str, str] = {}
    if about and "give_care" in visit.rights.may:
        only_of = None if visit.rights.all_patients else visit.worker.worker_id
        names = await queries.names(connection, visit.environment_id, only_of, list(about))
    may = visit.rights.may
    return {row["id"]: _line(row, names, written.get(row["id"], ()), may) for row in rows}


def _line(
    row: Read, names: Mapping[str, str], written: Sequence[Read], may: Collection[str]
) -> TaskLine:
    state, user_id, errors = row["state"], row["user_id"], _errors(row["errors"])
    is_tried_again = state == READY and bool(errors)
    return TaskLine(
        id=row["id"],
        name=row["task_name"],
        status=row["status"],
        tone=TONES.get(row["status"], ""),
        sentence=_STATES.get(state, ""),
        due_at=row["due_at"] if is_tried_again else None,
        attempts=row["attempts"],
        took=lasted(row["started_at"], None if state in OPEN else row["finished_at"]),
        ref_ids=row["ref_ids"],
        errors=errors,
        patient=(user_id, names[user_id]) if user_id in names else None,
        is_about_another=user_id is not None and user_id not in names,
        written=tuple(_written(change, names, may) for change in written[:FEW_WRITTEN]),
        wrote_more=len(written) > FEW_WRITTEN,
        is_unsuccessful=state in UNSUCCESSFUL,
        has_succeeded=state == DONE,
        is_superseded=state == SUPERSEDED,
        ended_at=None if state in OPEN else row["finished_at"],
        earlier_runs=row["earlier_runs"],
    )


def _errors(text: str | None) -> tuple[TaskError, ...]:
    listed: list[dict[str, Any]] = msgspec.json.decode(text) if text else []
    return tuple(
        TaskError(error["code"], error["message"], tuple(_details(error.get("extra"))))
        for error in listed
        if error["code"] != EARLIER_RUN["code"]
    )


def _details(extra: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(extra, dict):
        return
    for name, value in extra.items():
        if name != "attempt_number":
            yield name, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _written(row: Read, names: Mapping[str, str], may: Collection[str]) -> WrittenRow:
    resource, patient_id = BY_NAME[row["resource"]], row["patient_id"]
    text = f"{resource.singular} {_KINDS.get(row['kind'], row['kind'])}"
    if row["kind"] != "delete" and row["resource"] in _PAGES:
        path, needed = _PAGES[row["resource"]]
        return WrittenRow(text, path.format(row["row_id"]) if needed in may else "")
    if patient_id not in names or row["kind"] == "delete":
        return WrittenRow(text, "")
    if resource.patient == "id":
        return WrittenRow(text, f"/patients/{patient_id}")
    place = resource.place.replace("{id}", row["row_id"])
    return WrittenRow(text, f"/patients/{patient_id}{place}" if place else "")


def lasted(began: datetime | None, ended: datetime | None) -> str:
    """How long something took: ``440 ms``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``; blank where it
    has not ended."""
    if began is None or ended is None:
        return ""
    seconds = max((ended - began).total_seconds(), 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    minutes, hours = divmod(int(seconds), 60), divmod(int(seconds) // 60, 60)
    if seconds < 60:
        return f"{int(seconds)} s"
    return f"{minutes[0]} min {minutes[1]} s" if seconds < 3600 else f"{hours[0]} h {hours[1]} min"
