"""The patients that every contender serves. Each value follows from the row's number, so that the
load generator and pgbench can name rows and windows without reading them first; ``load.lua`` and
``limit.py`` repeat ``row_id``."""

from __future__ import annotations

import uuid

import asyncpg

from almoner.workshop.publish import publish

ROWS = 200_000
# Row n was last changed n * STEP seconds after START (UTC).
START = "2018-05-01T00:00:00+00:00"
STEP = 10
# A window of one hour holds 360 rows: the page of 50 is full and has a successor.
WINDOW = 3_600
PAGE = 50
# The id that no row comes before.
BEFORE_ALL = "00000000-0000-0000-0000-000000000000"

PROGRAM = """program: Benchmark
phases:
  - {name: intake, title: Intake}
"""

FIELDS = [
    "id",
    "phase",
    "coach_id",
    "timezone",
    "first_name",
    "last_name",
    "birthday",
    "updated_at",
    "created_at",
    "street",
    "street_line_two",
    "city",
    "county",
    "zip_code",
    "state",
    "country",
]

BODY = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
    "street": "3265 17th St",
    "street_line_two": "#304",
    "city": "San Francisco",
    "county": "San Francisco County",
    "zip_code": "94110",
    "state": "CA",
    "country": "USA",
}

# The first eight digits scatter the rows over the index as random ids would.
ROW_ID_SQL = (
    "(lpad(to_hex(({n}) * 2654435761 % 4294967296), 8, '0') || '-0000-4000-8000-' ||"
    " lpad(({n})::text, 12, '0'))::uuid"
)


def row_id(number: int) -> uuid.UUID:
    return uuid.UUID(f"{number * 2654435761 % 2**32:08x}-0000-4000-8000-{number:012d}")


PATIENTS = f"""
insert into patients (environment_id, id, phase, timezone, first_name, last_name, birthday,
    updated_at, created_at,
                      street, street_line_two, city, county, zip_code, state, country)
select $1::int, {ROW_ID_SQL.format(n="n")}, 'intake', 'US/Pacific', 'Grace' || n, 'Hopper' || n,
       date '1930-01-01' + (n % 30000)::int,
       moment, moment, n || ' 17th St', '#' || n % 500, 'San Francisco', 'San Francisco County',
           '94110', 'CA', 'USA'
from generate_series(1::bigint, $2::bigint) n,
     lateral (select timestamptz '{START}' + n * interval '{STEP} s' as moment) m
"""

CHANGES = """
insert into changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor, through,
    request_id, fields)
select environment_id, 'create', 'patients', id, id, updated_at, 'bench', 'import', 'bench',
    '{}' from patients
where environment_id = $1
"""


async def load_patients(connection: asyncpg.Connection, environment: int, rows: int = ROWS) -> None:
    """Publish a program and fill the empty table of patients and the change log.

    The stamp of ``patients`` rests meanwhile, because it would give every row the present. All
    other triggers work.
    """
    await publish(connection, environment, PROGRAM, "bench")
    async with connection.transaction():
        await connection.execute("alter table patients disable trigger almoner_touch")
        await connection.execute(PATIENTS, environment, rows)
        await connection.execute("alter table patients enable trigger almoner_touch")
        await connection.execute(CHANGES, environment)
    await settle(connection)


async def settle(connection: asyncpg.Connection) -> None:
    """Bring the tables to rest, so that no vacuum or checkpoint that one contender caused falls
    upon the next.
    """
    await connection.execute("vacuum (analyze) patients, changes")
    await connection.execute("checkpoint")
