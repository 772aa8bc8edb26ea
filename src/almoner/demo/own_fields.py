"""What the demo says in fields and collections that a site has added: made up of their
declarations, by kind and sample.

What its own people say is told in ``generate``, and stays as it is: chance is asked here by the id
of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Any, Final

from almoner.data_api.declare import Resource, Row, Verb
from almoner.demo import generate
from almoner.demo.chart import guid
from almoner.resources import BY_NAME, RESOURCES
from almoner.vocabulary.choices import Choice, Several
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Boolean, Ref
from almoner.vocabulary.times import IsoDate, IsoDateTime

_SOME_DAY: Final = date(2026, 1, 5)
_PEOPLE: Final = 40
_MOST_ROWS: Final = 3


def collections() -> tuple[str, ...]:
    """The demo's collections in the order of writing: those of a site come before the row that ends
    a patient's file.
    """
    own = [
        resource.name
        for resource in RESOURCES
        if resource.name not in generate.COLLECTIONS and _is_about_a_patient(resource)
    ]
    return (*generate.COLLECTIONS[:-1], *own, generate.COLLECTIONS[-1])


def with_own(file: Mapping[str, Sequence[Row]], today: date) -> dict[str, list[Row]]:
    """A patient's file with what the demo's people say in the fields and collections that a site
    has added.
    """
    whole = {
        name: [filled(BY_NAME[name], row, today) for row in rows] for name, rows in file.items()
    }
    (patient,) = file["patients"]
    for name in collections():
        if name not in whole:
            whole[name] = _rows_about(BY_NAME[name], patient, today)
    return whole


def filled(resource: Resource, row: Row, today: date) -> Row:
    """A row with values in the fields that nobody of the demo speaks of; now and then one of them
    is not known.
    """
    rng = Random(f"{row['id']}:own")  # noqa: S311 -- made-up data, which must come out the same each time
    own = [
        field
        for field in resource.writable
        if field.name not in _spoken_of(resource.name) and _can_be_invented(field)
    ]
    values = {
        field.name: _value(rng, field, today)
        for field in own
        if field.required or rng.random() < 0.8
    }
    return values | row


def _rows_about(resource: Resource, patient: Row, today: date) -> list[Row]:
    rng = Random(f"{patient['id']}:{resource.name}")  # noqa: S311 -- see above
    rows: list[Row] = []
    for number in range(rng.randrange(_MOST_ROWS + 1)):
        about = {"id": guid(rng), resource.patient or "": patient["id"]}
        rows.append(
            filled(resource, about, today)
            | {"created_at": patient["created_at"] + timedelta(hours=1 + number)}
        )
    return rows


@cache
def _spoken_of(collection: str) -> frozenset[str]:
    """The fields of a collection that the demo's people themselves say something in."""
    workers = generate.workers(1, _SOME_DAY)
    calendars = {worker["id"]: worker["id"] for worker in workers}
    files = [generate.patient(1, index, _SOME_DAY, workers, calendars) for index in range(_PEOPLE)]
    files.append({"workers": workers})
    return frozenset(name for file in files for row in file.get(collection, ()) for name in row)


def _is_about_a_patient(resource: Resource) -> bool:
    return resource.patient not in (None, "id") and Verb.CREATE in resource.verbs


def _can_be_invented(field: Field) -> bool:
    """Neither a row of another collection, nor what the contract's later edition alone knows."""
    return (
        field.create
        and field.returned
        and not field.only_enveloped
        and not isinstance(field.kind, Ref)
    )


def _value(rng: Random, field: Field, today: date) -> Any:
    kind = field.kind
    day = today - timedelta(days=rng.randrange(700))
    if isinstance(kind, Choice):
        return rng.choice(kind.values)
    if isinstance(kind, Several):
        return rng.sample(kind.values, rng.randint(1, len(kind.values)))
    if isinstance(kind, Boolean):
        return rng.random() < 0.5
    if isinstance(kind, IsoDate):
        return day.isoformat()
    if isinstance(kind, IsoDateTime):
        hour, minute = rng.randrange(8, 18), rng.choice((0, 15, 30, 45))
        return f"{day.isoformat()}T{hour:02d}:{minute:02d}:00+00:00"
    return field.example()
