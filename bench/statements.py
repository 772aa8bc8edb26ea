"""The three statements of the benchmark, as data: what Almoner sends, for the bare handler and for pgbench."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    """SQL with ``$1`` to ``$n``, and what each of these stands for: the name of a column or one of ``ARGUMENTS``.

    The first column of the answer's first row is JSON: the object, or the array of the page's objects.
    """

    sql: str
    arguments: tuple[str, ...]


# What a statement is given besides the columns of a new patient.
ARGUMENTS = ("environment_id", "id", "from", "to", "size", "actor", "through", "request_id", "fields")

_COLUMNS = "phase coach_id timezone first_name last_name birthday street street_line_two city county zip_code state country"
_OBJECT = """json_build_object('id', id, 'phase', phase, 'coach_id', coach_id, 'timezone', timezone,
 'first_name', first_name, 'last_name', last_name, 'birthday', to_char(birthday, 'YYYY-MM-DD'),
 'updated_at', to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
 'created_at', to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
 'street', street, 'street_line_two', street_line_two, 'city', city, 'county', county, 'zip_code', zip_code,
 'state', state, 'country', country)"""


def statements() -> dict[str, Statement]:
    """The statements of get, find and create."""
    columns = tuple(_COLUMNS.split())
    values = ", ".join(f"${n}" for n in range(3, 3 + len(columns)))
    log = ", ".join(f"${n}" for n in range(3 + len(columns), 7 + len(columns)))
    return {
        "get": Statement(f"select {_OBJECT} from patients where environment_id = $1 and id = $2", ("environment_id", "id")),
        "find": Statement(
            f"""select coalesce(json_agg({_OBJECT} order by updated_at, id), '[]') from (
 select * from patients where environment_id = $1 and updated_at between $2 and $3 order by updated_at, id limit $4) page""",
            ("environment_id", "from", "to", "size"),
        ),
        "create": Statement(
            f"""with row as (insert into patients (environment_id, id, {", ".join(columns)})
 values ($1, $2, {values}) returning *),
 log as (insert into changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor, through, request_id, fields)
 select environment_id, 'create', 'patients', id, id, updated_at, {log} from row)
select {_OBJECT} from row""",
            ("environment_id", "id", *columns, "actor", "through", "request_id", "fields"),
        ),
    }
