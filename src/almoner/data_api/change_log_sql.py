"""The SQL that writes the change log beside a row: one statement for both."""

from __future__ import annotations

from collections.abc import Iterable

from almoner.data_api.declare import Resource

# Actor, way and request id: the parameters that say who wrote.
_ACTOR = 3


def log_cte(
    resource: Resource,
    kind: str,
    source: str,
    first: int,
    fields: str = "NULL::text[]",
    differences: str = "NULL::json",
) -> str:
    """The CTE that writes the change rows of ``source``; the actor's three parameters begin at
    ``first``.

    ``fields`` and ``differences``: the SQL of which fields of the row are others now, and of what
    these held before and after, where that is kept.
    """
    moment = "almoner_stamp()" if kind == "delete" else f"{source}.updated_at"
    row = f"'{kind}', '{resource.name}', {source}.id, {about_patient(resource, source)}, {moment}"
    return _logged(row, source, first, fields, differences)


def _logged(row: str, source: str, first: int, fields: str, differences: str) -> str:
    actor = ", ".join(f"${first + n}::text" for n in range(_ACTOR))
    return (
        "INSERT INTO changes (environment_id, kind, resource, row_id, patient_id, changed_at,"
        f" actor, through, request_id, fields, differences) SELECT {source}.environment_id, {row},"
        f" {actor}, {fields}, {differences} FROM {source}"
    )


def whole_ctes(resource: Resource, ids: str, first: int) -> tuple[str, ...]:
    """The CTEs that stamp the patients of whom rows of ``resource`` are a part, and their change
    rows; none where the collection is no part of another (decision 103). ``ids`` selects them; the
    actor's three parameters begin at ``first``.
    """
    if not resource.part_of:
        return ()
    row = f"'update', '{resource.part_of}', stamped.id, stamped.id, stamped.updated_at"
    log = _logged(row, "stamped", first, f"ARRAY['{resource.name}']", "NULL::json")
    # The trigger has the time. In one order, so that two who change many wait for each other, and
    # not both for ever.
    return (
        f"whole AS (SELECT id FROM {resource.part_of} WHERE environment_id = $1 AND id IN ({ids})"
        " ORDER BY id FOR NO KEY UPDATE)",
        f"stamped AS (UPDATE {resource.part_of} AS p SET updated_at = p.updated_at FROM whole"
        " WHERE p.environment_id = $1 AND p.id = whole.id RETURNING p.*)",
        f"log_of_whole AS ({log})",
    )


def update_ctes(resource: Resource, first: int) -> str:
    """The CTEs of an update of ``written``, which has what ``changing`` answers with: its change
    rows, and what the collection runs along. The actor's three parameters begin at ``first``.
    """
    log = log_cte(
        resource,
        "update",
        source="written",
        first=first,
        fields="written.changed_fields",
        differences="written.differences",
    )
    along = resource.on_update.replace("{by}", f"${first}::text")
    return f"log AS ({log})" + (f", along AS ({along})" if along else "")


def about_patient(resource: Resource, source: str) -> str:
    """The patient whom a row is about, a mapping of a patient's id included."""
    if resource.any_reference:
        collection, reference = resource.any_reference
        return f"CASE WHEN {source}.{collection} = 'patients' THEN {source}.{reference} END"
    return f"{source}.{resource.patient}" if resource.patient else "NULL::uuid"


def values_json(resource: Resource, names: Iterable[str], source: str) -> str:
    """These fields of a row as a JSON object."""
    pairs = ", ".join(
        f"'{name}', {resource.field(name).kind.to_json(f'{source}.{name}')}" for name in names
    )
    return f"json_build_object({pairs})"
