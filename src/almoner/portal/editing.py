"""Saving a form that somebody else may have been faster with: what differs is put together, what clashes is shown side by side.

A form carries what it was made from: the row's ``updated_at`` and, as ``was.<field>``, each value as JSON. So that two people who
change different fields both keep their work, and two who change the same one decide; nothing is ever overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from starlette.responses import Response

from almoner.access.actors import name_sql, through
from almoner.data_api import statements
from almoner.data_api.declare import Resource, Row
from almoner.data_api.refusals import changed_since, not_found
from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.merging.three_way import ABSENT, MINE, THEIRS, Conflict, Same, same, whose
from almoner.pages.visit import Form, Visit
from almoner.vocabulary import json_values
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import AnyObject

# A row that changes this often between being read and being written is not a person's doing.
_TRIES: Final = 5

_LAST_CHANGE = f"""
SELECT {name_sql("c.actor")} AS name, c.through, c.changed_at FROM changes c
WHERE c.environment_id = $1 AND c.patient_id = $2 AND c.row_id = $3
ORDER BY c.epoch DESC, c.xid DESC, c.seq DESC LIMIT 1
"""


@dataclass(frozen=True)
class SavedRow:
    """The row as it is now, as the API shows it, and the paths that were changed: ``friendly_name``, ``body.dose``."""

    row: Row
    updated_at: datetime
    changed: tuple[str, ...]


@dataclass(frozen=True)
class EditConflict:
    """What was not saved, and why: the row as it is now, and who changed it when, where the log tells (else empty and None)."""

    row: Row
    updated_at: datetime
    conflicts: tuple[Conflict[str], ...]
    by: str
    at: datetime | None


@dataclass(frozen=True)
class ConflictSide:
    """Both values of a conflict in words."""

    path: str
    title: str
    was: str
    mine: str
    theirs: str


@dataclass(frozen=True)
class EditConflictPage:
    """What the conflict's form needs: where it goes, what it sends again, and the sides to choose from."""

    action: str
    again: tuple[tuple[str, str], ...]
    sides: tuple[ConflictSide, ...]
    by: str
    at: datetime | None


def hidden_fields(updated_at: datetime, values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The hidden fields of a form that is made from these JSON values of a row."""
    pairs = [("updated_at", updated_at.isoformat())]
    return (*pairs, *((f"was.{name}", msgspec.json.encode(value).decode()) for name, value in values.items()))


def sent_again(form: Form) -> tuple[tuple[str, str], ...]:
    """The hidden fields of a form that was refused: drawn again, it goes on being made from what it was made from."""
    return tuple((key, value) for key, value in form.pairs if key == "updated_at" or key.startswith("was."))


def made_from(form: Form, name: str) -> Any:
    """The JSON value of a field that a form was made from; ABSENT where it does not say. Raises a 400 ApiError where it is none."""
    sent = form.text(f"was.{name}")
    try:
        return msgspec.json.decode(sent) if sent else ABSENT
    except msgspec.DecodeError:
        raise problem("bad_request", "This form is not whole. Load the page again.") from None


async def update(
    visit: Visit, resource: Resource, row_id: str, given: Row, form: Form, within: Connection | None = None
) -> SavedRow | EditConflict:
    """Saves the fields of ``given`` (JSON values, as the API takes them) that the person changed.

    ``form`` tells what they were before (``hidden_fields``) and how an earlier clash was decided. ``within``: a connection in a
    transaction that this is part of. Raises ApiError: 404 where there is no such row, and every problem of what was typed.
    """
    store = visit.parts.store if within is None else visit.parts.store.within(within)
    for _ in range(_TRIES):
        body, updated_at = await _row(visit, resource, row_id, within)
        row: Row = msgspec.json.decode(body)
        wanted, conflicts = _compared(resource, row, given, form)
        if conflicts:
            by, at = await _by_whom(visit, row, row_id, within)
            return EditConflict(row, updated_at, tuple(conflicts), by, at)
        if not wanted:
            return SavedRow(row, updated_at, ())
        try:
            merged = _merged(json_values.decode(body), wanted)
            written = await store.update(visit.actor, resource, row_id, merged, frozenset({updated_at}))
        except ApiError as refused:
            if refused.status != 412:
                raise
            continue
        return SavedRow(msgspec.json.decode(written.body), written.updated_at, tuple(wanted))
    raise changed_since()


def conflict(
    visit: Visit,
    clash: EditConflict,
    form: Form,
    titles: Mapping[str, str] | None = None,
    show: Callable[[str, Any], str] | None = None,
) -> Response:
    """The 409 answer that shows both values of each conflict side by side, and sends everything again once they are chosen.

    ``titles``: what people call a path; ``show``: how its value is put in words, where plain text would not do.
    """
    named = titles or {}
    words = show or (lambda path, value: _in_words(value))
    sides = tuple(
        ConflictSide(
            c.path, named.get(c.path) or _title(c.path), words(c.path, c.base), words(c.path, c.mine), words(c.path, c.theirs)
        )
        for c in clash.conflicts
    )
    left_out = {"csrf", "updated_at"} | {f"choose.{side.path}" for side in sides}
    again = [(k, v) for k, v in form.pairs if k not in left_out and not k.startswith("was.")]
    again += hidden_fields(clash.updated_at, _seen(form, clash))
    context = EditConflictPage(visit.here, tuple(again), sides, clash.by, clash.at)
    return visit.show("portal/conflict_page.html", "portal/conflict.html", context, 409)


def _seen(form: Form, clash: EditConflict) -> Row:
    """What the form was made from, by field, with their values where two people changed one: those have now been seen.

    All else stays as it was, so that what only they changed does not look like a change of mine.
    """
    names = [key.removeprefix("was.") for key, value in form.pairs if key.startswith("was.") and value]
    seen = {name: made_from(form, name) for name in names}
    for one in clash.conflicts:
        name, _, key = one.path.partition(".")
        if key:
            seen[name] = {**(seen[name] or {}), key: one.theirs}
        else:
            seen[name] = one.theirs
    return seen


async def _row(visit: Visit, resource: Resource, row_id: str, within: Connection | None) -> tuple[bytes, datetime]:
    """The row's JSON, as the store has it, and its ``updated_at``. Raises a 404 ApiError where there is none."""
    statement = statements.get(resource, Shape.STORED)
    if within is None:
        async with visit.parts.database.connection() as connection:
            record = await connection.fetchrow(statement, visit.environment_id, row_id)
    else:
        record = await within.fetchrow(statement, visit.environment_id, row_id)
    if record is None:
        raise not_found(resource)
    return record["body"], record["updated_at"]


def _compared(resource: Resource, row: Row, given: Row, form: Form) -> tuple[dict[str, Any], list[Conflict[str]]]:
    """What is to be written, by path, and what somebody else changed as well."""
    wanted: dict[str, Any] = {}
    conflicts: list[Conflict[str]] = []
    for path, was, theirs, mine, equal in _parts(resource, row, given, form):
        side = THEIRS if form.text(f"choose.{path}") == THEIRS else whose(was, theirs, mine, equal)
        if side is None:
            conflicts.append(Conflict(path, was, theirs, mine))
        elif side == MINE:
            wanted[path] = mine
    return wanted, conflicts


def _parts(resource: Resource, row: Row, given: Row, form: Form) -> Iterator[tuple[str, Any, Any, Any, Same]]:
    """Path, what it was, theirs, mine and how they compare: a field each, or a key each where a field is an object."""
    for name, mine in given.items():
        kind = resource.field(name).kind
        was, theirs = made_from(form, name), row.get(name)
        if isinstance(kind, AnyObject) and isinstance(mine, dict) and isinstance(was, dict):
            now = theirs or {}
            for key in dict.fromkeys((*was, *now, *mine)):
                yield f"{name}.{key}", was.get(key), now.get(key), mine.get(key), same
        else:
            # Where the form does not say what it was made from, what is there counts as seen.
            yield name, theirs if was is ABSENT else was, theirs, mine, _comparing(kind)


def _comparing(kind: Any) -> Same:
    """Whether two JSON values mean the same: a phone number in two notations, a moment in two zones."""

    def meaning(value: Any) -> Any:
        problems: list[Any] = []
        decoded = None if value is None else kind.decode(value, "", problems)
        return value if problems else decoded

    return lambda one, other: same(meaning(one), meaning(other))


def _merged(row: Row, wanted: Mapping[str, Any]) -> Row:
    """What is written: whole fields, those that are objects with the changed keys put into what they hold now."""
    merged: Row = {}
    for path, value in wanted.items():
        name, _, key = path.partition(".")
        if not key:
            merged[name] = value
            continue
        inside = merged.setdefault(name, dict(row.get(name) or {}))
        inside.pop(key, None)
        if value is not None:
            inside[key] = value
    return merged


async def _by_whom(visit: Visit, row: Row, row_id: str, within: Connection | None) -> tuple[str, datetime | None]:
    patient_id = row.get("user_id", row_id)
    if within is not None:
        return await last_change(visit, within, patient_id, row_id)
    async with visit.parts.database.connection() as connection:
        return await last_change(visit, connection, patient_id, row_id)


async def last_change(visit: Visit, connection: Connection, patient_id: str, row_id: str) -> tuple[str, datetime | None]:
    """By whom, in words, and when a row of a patient was changed last; empty and None where the log does not tell."""
    record = await connection.fetchrow(_LAST_CHANGE, visit.environment_id, patient_id, row_id)
    return ("", None) if record is None else (f"{record['name']}, {through(record['through'])}", record["changed_at"])


def _title(path: str) -> str:
    words = path.rpartition(".")[2].replace("_", " ")
    return words[:1].upper() + words[1:]


def _in_words(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_in_words(item) for item in value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
