"""Saving a form that somebody else may have been faster with: what differs is put together, what
clashes is shown side by side.

A form carries what it was made from: the row's ``updated_at`` and, as ``was.<field>``, each value
as JSON. So that two people who change different fields both keep their work, and two who change the
same one decide; nothing is ever overwritten unseen."""

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

# A row that changes this often between being read and being written is not a person's doing.
_TRIES: Final = 5

_LAST_CHANGE = f"""
SELECT {name_sql("c.actor")} AS name, c.through, c.changed_at FROM changes c
WHERE c.environment_id = $1 AND c.patient_id = $2 AND c.row_id = $3
ORDER BY c.epoch DESC, c.xid DESC, c.seq DESC LIMIT 1
"""


@dataclass(frozen=True)
class SavedRow:
    """The row as it is now, as the API shows it, and the paths that were changed:
    ``friendly_name``, ``body.dose``.
    """

    row: Row
    updated_at: datetime
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EditConflict:
    """What was not saved, and why: the row as it is now, and who changed it when, where the log
    tells (else empty and None).
    """

    resource: Resource
    row: Row
    updated_at: datetime
    conflicts: tuple[Conflict[str], ...]
    by: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ConflictSide:
    """Both values of a conflict in words."""

    path: str
    title: str
    was: str
    mine: str
    theirs: str


@dataclass(frozen=True, kw_only=True)
class EditConflictPage:
    """What the conflict's form needs: where it goes, what it sends again, and the sides to choose
    from.
    """

    action: str
    again: tuple[tuple[str, str], ...]
    sides: tuple[ConflictSide, ...]
    by: str
    at: datetime | None


def hidden_fields(updated_at: datetime, values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The hidden fields of a form that is made from these JSON values of a row."""
    pairs = [("updated_at", updated_at.isoformat())]
    return (
        *pairs,
        *((f"was.{name}", msgspec.json.encode(value).decode()) for name, value in values.items()),
    )


def sent_again(form: Form) -> tuple[tuple[str, str], ...]:
    """The hidden fields of a form that was refused: drawn again, it goes on being made from what it
    was made from.
    """
    return tuple(
        (key, value) for key, value in form.pairs if key == "updated_at" or key.startswith("was.")
    )


def base_value(form: Form, name: str) -> Any:
    """The JSON value of a field that a form was made from; ABSENT where it does not say. Raises a
    400 ApiError where it is none.
    """
    sent = form.text(f"was.{name}")
    try:
        return msgspec.json.decode(sent) if sent else ABSENT
    except msgspec.DecodeError:
        raise problem("bad_request", "This form is not whole. Load the page again.") from None


async def update(
    visit: Visit,
    resource: Resource,
    row_id: str,
    values: Row,
    form: Form,
    *,
    within: Connection,
) -> SavedRow | EditConflict:
    """Saves those of these fields that the person changed: JSON values, as the API takes them, by
    name, or by path where a key of an object is a field of the form (``body.dose``).

    ``form`` tells what they were before (``hidden_fields``) and how an earlier conflict was
    decided. ``within``: the connection, and the transaction that this is part of where there is
    one. Raises ApiError: 404 where there is no such row, and every problem of what was typed."""
    store = visit.parts.store.within(within)
    for _ in range(_TRIES):
        body, updated_at = await _row(visit, resource, row_id, within)
        row: Row = msgspec.json.decode(body)
        changes, conflicts = _compared(resource, row, values, form)
        if conflicts:
            by, at = await last_change(
                visit, within, row.get(resource.patient or "", row_id), row_id
            )
            return EditConflict(
                resource=resource,
                row=row,
                updated_at=updated_at,
                conflicts=tuple(conflicts),
                by=by,
                at=at,
            )
        if not changes:
            return SavedRow(row, updated_at, ())
        try:
            merged = _merged(resource, json_values.decode(body), changes)
            written = await store.update(
                visit.actor, resource, row_id, merged, frozenset({updated_at})
            )
        except ApiError as refused:
            if refused.status != 412:
                raise
            continue
        return SavedRow(msgspec.json.decode(written.body), written.updated_at, tuple(changes))
    raise changed_since()


def conflict(
    visit: Visit,
    clash: EditConflict,
    form: Form,
    titles: Mapping[str, str] | None = None,
    show: Callable[[str, Any], str] | None = None,
) -> Response:
    """The 409 answer that shows both values of each conflict side by side, and sends everything
    again once they are chosen.

    ``titles``: what people call a path, where that is not the title of its field; ``show``: how
    its value is put in words, where plain text would not do."""
    named = {field.name: field.title for field in clash.resource.fields} | dict(titles or {})
    words = show or (lambda path, value: _in_words(value))
    sides = tuple(
        ConflictSide(
            path=c.path,
            title=named.get(c.path) or _title(c.path),
            was=words(c.path, c.base),
            mine=words(c.path, c.mine),
            theirs=words(c.path, c.theirs),
        )
        for c in clash.conflicts
    )
    left_out = {"csrf", "updated_at"} | {f"choose.{side.path}" for side in sides}
    again = [(k, v) for k, v in form.pairs if k not in left_out and not k.startswith("was.")]
    again += hidden_fields(clash.updated_at, _base_now(form, clash))
    context = EditConflictPage(
        action=visit.here, again=tuple(again), sides=sides, by=clash.by, at=clash.at
    )
    return visit.show("portal/conflict_page.html", "portal/conflict.html", context, 409)


def _base_now(form: Form, clash: EditConflict) -> Row:
    """What the form was made from, by field, with their values where two people changed one: those
    were now on the page.

    All else stays as it was, so that what only they changed does not look like a change of mine.
    """
    names = [
        key.removeprefix("was.") for key, value in form.pairs if key.startswith("was.") and value
    ]
    values = {name: base_value(form, name) for name in names}
    return values | {conflict.path: conflict.theirs for conflict in clash.conflicts}


async def _row(
    visit: Visit, resource: Resource, row_id: str, connection: Connection
) -> tuple[bytes, datetime]:
    """The row's JSON, as the store has it, and its ``updated_at``. Raises a 404 ApiError where
    there is none.
    """
    statement = statements.get(resource, Shape.STORED)
    record = await connection.fetchrow(statement, visit.environment_id, row_id)
    if record is None:
        raise not_found(resource)
    return record["body"], record["updated_at"]


def _compared(
    resource: Resource, row: Row, values: Row, form: Form
) -> tuple[dict[str, Any], list[Conflict[str]]]:
    """What is to be written, by path, and what somebody else changed as well."""
    changes: dict[str, Any] = {}
    conflicts: list[Conflict[str]] = []
    for path, was, theirs, mine, equal in _parts(resource, row, values, form):
        side = THEIRS if form.text(f"choose.{path}") == THEIRS else whose(was, theirs, mine, equal)
        if side is None:
            conflicts.append(Conflict(path, was, theirs, mine))
        elif side == MINE:
            changes[path] = mine
    return changes, conflicts


def _parts(
    resource: Resource, row: Row, values: Row, form: Form
) -> Iterator[tuple[str, Any, Any, Any, Same]]:
    """Path, what it was, theirs, mine and how they compare."""
    for path, mine in values.items():
        name, _, key = path.partition(".")
        was, theirs = base_value(form, path), row.get(name)
        if key:
            theirs = (theirs or {}).get(key)
        equal = same if key else _comparing(resource.field(name).kind)
        # Where the form does not say what it was made from, what is there counts as seen.
        yield path, theirs if was is ABSENT else was, theirs, mine, equal


def _comparing(kind: Any) -> Same:
    """Whether two JSON values mean the same: a phone number in two notations, a moment in two
    zones.
    """

    def meaning(value: Any) -> Any:
        problems: list[Any] = []
        decoded = None if value is None else kind.decode(value, "", problems)
        return value if problems else decoded

    return lambda mine, other: same(meaning(mine), meaning(other))


def _merged(resource: Resource, row: Row, changes: Mapping[str, Any]) -> Row:
    """What is written: whole fields, those that are objects with the changed keys put into what
    they hold now. What every update has to name is named as it is.
    """
    needed = {field.name: row[field.name] for field in resource.fields if field.update_required}
    return put_together(needed, changes, row)


def put_together(fields: Row, changes: Mapping[str, Any], row: Mapping[str, Any] = {}) -> Row:
    """The fields with these changes by path. An object that is changed is what the ``row`` holds,
    but for the keys that are named; one that is None is taken out.
    """
    changed = dict(fields)
    for path, value in changes.items():
        name, _, key = path.partition(".")
        if not key:
            changed[name] = value
            continue
        inside = changed.setdefault(name, dict(row.get(name) or {}))
        inside.pop(key, None)
        if value is not None:
            inside[key] = value
    return changed


async def last_change(
    visit: Visit, connection: Connection, patient_id: str, row_id: str
) -> tuple[str, datetime | None]:
    """By whom, in words, and when a row of a patient was changed last; empty and None where the log
    does not tell.
    """
    record = await connection.fetchrow(_LAST_CHANGE, visit.environment_id, patient_id, row_id)
    return (
        ("", None)
        if record is None
        else (f"{record['name']}, {through(record['through'])}", record["changed_at"])
    )


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
