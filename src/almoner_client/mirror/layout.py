"""The tables of a copy: those of collections by the server's OpenAPI document, and views of what
the program's assessments and data types ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from almoner_files.kinds import BOOLEAN as BOOLEAN
from almoner_files.kinds import DATE as DATE
from almoner_files.kinds import ID as ID
from almoner_files.kinds import INTEGER as INTEGER
from almoner_files.kinds import JSON as JSON
from almoner_files.kinds import NUMBER as NUMBER
from almoner_files.kinds import TEXT as TEXT
from almoner_files.kinds import TIME as TIME
from almoner_files.kinds import kind_of


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what it holds."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Table:
    """The table of a collection; its first column is ``id``."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A column of a view, what it holds, and the key of the JSON document that it is read from."""

    name: str
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class View:
    """The answers to one assessment, or the records of one data type, a column for each question or
    field: rows of ``table`` whose ``by`` is ``value``, out of the JSON in ``document``.
    """

    name: str
    table: str
    by: str
    value: str
    document: str
    plain: tuple[str, ...]
    members: tuple[Member, ...]


def tables(document: Mapping[str, Any]) -> dict[str, Table]:
    """The tables of every collection in an OpenAPI document, by its name."""
    paths = document["paths"]
    return {
        name: Table(name, _columns(document, schema))
        for path, item in paths.items()
        if f"{path}/find" in paths
        and path.removeprefix("/v1/").isidentifier()
        and (name := path.removeprefix("/v1/"))
        and (schema := _row_schema(document, item)) is not None
    }


def _row_schema(document: Mapping[str, Any], item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of a row of Find, in either shape; None where this is no Find."""
    try:
        answer = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        page = _resolved(document, answer)
        page = _resolved(document, page["items"]) if page.get("type") == "array" else page
        row = _resolved(document, page["properties"]["data"]["items"])
        return row if "id" in row["properties"] else None
    except KeyError:
        return None


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    resolved: Mapping[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return resolved


def _columns(document: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Column, ...]:
    properties = {
        name: _resolved(document, property_) for name, property_ in schema["properties"].items()
    }
    names = ["id", *(name for name in properties if name != "id")]
    return tuple(Column(name, kind_of(properties[name])) for name in names)


def views(program: Mapping[str, Any], tables: Mapping[str, Table]) -> list[View]:
    """The views of a published program, as ``GET /v1/program`` gives it."""
    parts = (
        ("assessments", "id", "assessment", "assessment_responses", "spec_id", "model"),
        ("custom_data_types", "name", "record", "custom_data_type_records", "type_name", "body"),
    )
    return [
        View(
            name=f"{prefix}_{element[identity]}",
            table=table,
            by=by,
            value=element[identity],
            document=document,
            plain=plain,
            members=_members(element["schema"], plain),
        )
        for group, identity, prefix, table, by, document in parts
        if table in tables
        for plain in [tuple(c.name for c in tables[table].columns if c.name != document)]
        for element in program.get(group, ())
    ]


def _members(schema: Mapping[str, Any], plain: tuple[str, ...]) -> tuple[Member, ...]:
    """A column for each field; one that is named as a column of the row gets a line behind it."""
    return tuple(
        Member(f"{key}_" if key in plain else key, kind_of(property_), key)
        for key, property_ in schema.get("properties", {}).items()
    )


def noted_views(text: str | None) -> list[View]:
    """The views that a copy's state notes; none where it notes nothing."""
    return msgspec.json.decode(text, type=list[View]) if text else []


def widened(views: Iterable[View], before: Mapping[str, View]) -> list[View]:
    """The views with the columns that they had: what an older version of the program asked stays to
    be read. A view that the program has no more stays as it was.
    """
    both = dict(before)
    for view in views:
        earlier = before[view.name].members if view.name in before else ()
        members = {member.name: member for member in (*earlier, *view.members)}
        both[view.name] = replace(view, members=tuple(members.values()))
    return list(both.values())
