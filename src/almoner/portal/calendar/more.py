"""What an appointment says beside what its pages lay out: the fields that a site has added to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.data_api import statements
from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.forms.controls import FieldView
from almoner.pages.visit import Form, Visit
from almoner.portal.inputs import inputs, to_choose, typed_in
from almoner.portal.patient import Patient
from almoner.portal.values import fields_in_words, speaking, value_fields
from almoner.resources.calendar_events import calendar_events
from almoner.vocabulary.fields import Shape

NEW: Final = typed_in(calendar_events, "more", new=True)
FIELDS: Final = typed_in(calendar_events, "more")
_TITLE: Final = calendar_events.sections[-1].title
_SHOWN: Final = value_fields(calendar_events, "more")


@dataclass(frozen=True)
class More:
    """What a page has of them, nothing where none is declared: in words, each with its title, and the controls that change them.

    ``row`` is what the controls are made from.
    """

    facts: Sequence[tuple[str, str]] = ()
    controls: Sequence[FieldView] = ()
    row: Mapping[str, Any] | None = None
    title: str = _TITLE


def read(visit: Visit, form: Form, new: bool = False) -> dict[str, Any]:
    """What was typed of them, as the API takes it."""
    controls = inputs(NEW if new else FIELDS, visit)
    return {one.name: one.value(form) for one in controls if one.is_ticked or one.name in form}


async def of_new(visit: Visit, connection: Connection, typed: Mapping[str, Any], errors: Mapping[str, str]) -> More:
    """The controls on the form of a new appointment, with what was typed."""
    controls = inputs(NEW, visit, await to_choose(visit, connection, NEW))
    return More(controls=[one.view(typed.get(one.name), errors.get(one.name, "")) for one in controls])


async def of(
    visit: Visit,
    connection: Connection,
    event_id: str,
    patient: Patient,
    typed: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> More:
    """What an appointment says in them; ``typed`` and ``errors`` are of a form that was refused."""
    if not _SHOWN:
        return More()
    record = await connection.fetchrow(statements.get(calendar_events, Shape.STORED), visit.environment_id, event_id)
    row: Row = msgspec.json.decode(record["body"])
    facts = tuple(fields_in_words(_SHOWN, row, await speaking(visit, connection, patient, _SHOWN, row)))
    controls = inputs(FIELDS, visit, await to_choose(visit, connection, FIELDS, row))
    values, wrong = row if typed is None else typed, errors or {}
    views = [one.view(values.get(one.name), wrong.get(one.name, "")) for one in controls]
    return More(facts, views, {field.name: row.get(field.name) for field in FIELDS})
