"""All that is known of one person, for themselves: as JSON, and as a page that a browser shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from almoner.access.secrets import SecretBox
from almoner.data_api import statements
from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.erasure import coverage, house, person
from almoner.resources import BY_NAME
from almoner.vocabulary import clocks
from almoner.vocabulary.fields import Shape


async def gather(
    connection: Connection, box: SecretBox, environment_id: int, records: Sequence[str]
) -> dict[str, Any]:
    """Everything about a person by what it is called, each a list of rows as the API has them; at
    one moment, in the caller's transaction. Moments are ISO 8601 in UTC.
    """
    gathered: dict[str, Any] = {
        "exported_at": clocks.iso(datetime.now(UTC)),
        "records": list(records),
        "collections": {},
        "house": {},
    }
    ids: list[str] = []
    for resource in coverage.collections():
        rows = await connection.fetch(
            _rows(resource, f"{resource.patient}"), environment_id, records
        )
        gathered["collections"][resource.name] = [msgspec.json.decode(row["body"]) for row in rows]
        ids += [row["id"] for row in rows]
    for resource in coverage.mappings():
        assert resource.any_reference is not None
        rows = await connection.fetch(
            _rows(resource, resource.any_reference[1]), environment_id, ids
        )
        gathered["collections"][resource.name] = [msgspec.json.decode(row["body"]) for row in rows]
    firings = await connection.fetch(house.FIRINGS, environment_id, records)
    subject = house.ExportSubject(
        environment_id=environment_id,
        records=records,
        rows=[*records, *ids],
        firings=[row["id"] for row in firings],
        known=await person.terms(connection, environment_id, records),
    )
    tables = await house.gather(connection, box, subject)
    gathered["house"] = {house.title(table): rows for table, rows in tables.items()}
    return gathered


async def counts(
    connection: Connection, environment_id: int, records: Sequence[str]
) -> dict[str, int]:
    """How many rows of each collection are about a person, those without any left out."""
    numbers = {
        resource.name: await connection.fetchval(
            f"SELECT count(*) FROM {resource.name} WHERE environment_id = $1"
            f" AND {resource.patient} = ANY ($2::uuid[])",
            environment_id,
            records,
        )
        for resource in coverage.collections()
    }
    return {name: number for name, number in numbers.items() if number}


def as_json(gathered: Mapping[str, Any]) -> bytes:
    """For programs: UTF-8, indented."""
    return msgspec.json.format(msgspec.json.encode(gathered), indent=2)


def as_html(gathered: Mapping[str, Any]) -> bytes:
    """For people: a page that stands by itself, in UTF-8."""
    sections = [
        (BY_NAME[name].things, [_labelled(BY_NAME[name], row) for row in rows])
        for name, rows in gathered["collections"].items()
        if rows
    ]
    sections += [
        (name.capitalize(), [list(row.items()) for row in rows])
        for name, rows in gathered["house"].items()
        if rows
    ]
    text: str = _template().render(
        exported_at=clocks.utc_words(datetime.fromisoformat(gathered["exported_at"])),
        records=gathered["records"],
        sections=sections,
    )
    return text.encode()


def _labelled(resource: Resource, row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    titles = {key: field.title for key, field in resource.spelled[Shape.DOCUMENTED].answered}
    return [(titles.get(name, name), value) for name, value in row.items() if value is not None]


@cache
def _rows(resource: Resource, column: str) -> str:
    return (
        f"SELECT id::text, {statements.body(resource, Shape.DOCUMENTED, resource.name)} FROM"
        f" {resource.name} WHERE environment_id = $1 AND {column} = ANY ($2::uuid[])"
        " ORDER BY created_at, id"
    )


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("almoner.erasure", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("export.html")
