"""What a schema is made of, read from PostgreSQL's catalogues, so that two databases can be
compared.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import MetaData

from almoner import embedded, schema
from almoner.data_api.declare import Resource
from almoner.resources import RESOURCES
from almoner.schema import migrate

# What a schema is made of, as PostgreSQL itself writes it down. Every row is a name and what is
# behind it.
CATALOGS = {
    "table": (
        "SELECT relname, relkind::text || relpersistence::text FROM pg_class WHERE relnamespace ="
        " 'public'::regnamespace"
    ),
    "column": (
        """
        SELECT c.relname || '.' || a.attname,
          concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull
              THEN 'not null' END,
            nullif(a.attidentity::text, ''), nullif(a.attgenerated::text, ''), pg_get_expr(d.adbin,
                d.adrelid))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
            AND a.attnum > 0 AND NOT a.attisdropped
    """
    ),
    "constraint": (
        """
        SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    """
    ),
    "index": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "trigger": (
        """
        SELECT t.tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid) || tgenabled::text
            FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT tgisinternal
            AND c.relnamespace = 'public'::regnamespace
    """
    ),
    "function": (
        """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
    """
    ),
    "sequence": (
        """
        SELECT sequencename,
          concat_ws(' ', data_type::text, start_value::text, min_value::text, max_value::text,
              increment_by::text, cache_size::text)
        FROM pg_sequences WHERE schemaname = 'public'
    """
    ),
}
# Alembic keeps the revision here; no declaration describes it.
OF_ALEMBIC = "alembic_version"


async def described(connection: Any) -> dict[str, str]:
    """Everything in the schema, by kind and name."""
    catalog = {}
    for kind, query in CATALOGS.items():
        for name, behind in await connection.fetch(query):
            if OF_ALEMBIC not in name:
                catalog[f"{kind} {name}"] = behind
    return catalog


def differences(
    left: dict[str, str], right: dict[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    return {
        name: (left.get(name), right.get(name))
        for name in left | right
        if left.get(name) != right.get(name)
    }


async def declare(
    dsn: str, metadata: MetaData | None = None, resources: Sequence[Resource] = RESOURCES
) -> None:
    """Makes the schema of the declarations, without any migration."""
    tables = schema.build(resources) if metadata is None else metadata
    await migrate.with_connection(
        dsn, lambda connection: schema.create(connection, tables, resources)
    )


async def new_database(postgres: str, name: str) -> tuple[str, str]:
    unique = f"almoner_{name}_{uuid.uuid4().hex[:12]}"
    return unique, await embedded.create_database(postgres, unique)
