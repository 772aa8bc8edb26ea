"""What the role that serves may do in a database that another role owns and migrates: read and
write rows, put rows into the logs that are never rewritten and read them, and nothing else: it sets
no sequence and makes no table, not even for itself."""

from __future__ import annotations

from typing import Final

import asyncpg

from almoner.database.dialing import Dialler
from almoner.database.revisions import SECONDS
from almoner.schema.columns import PARTS_SCHEMA
from almoner.schema.system_tables import APPEND_ONLY, PROOFS
from almoner.work.library import SCHEMA

_ROLE: Final = "SELECT current_user::text"
_RELATIONS: Final = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN (current_schema(), $1, $2) AND c.relkind IN ('r', 'p', 'S') ORDER BY 1, 2
"""

# What is done with the owner's rights.
_BY_THE_OWNER: Final = "almoner_forget, almoner_add_month, almoner_tick, almoner_promise"
# The table in which Alembic writes down the revision.
_REVISIONS: Final = "alembic_version"
# PostgreSQL 17 lets others than the owner vacuum.
_MAINTAIN: Final = 17


async def role_of(dsn: str) -> str:
    """The role by which this address connects."""
    connection = await Dialler(dsn).dial(SECONDS)
    try:
        role: str = await connection.fetchval(_ROLE)
        return role
    finally:
        await connection.close()


async def grant(owner_dsn: str, role: str) -> None:
    """Lets a role serve the database, after each migration: in one transaction, by the owner. Where
    it owns the tables itself there is nothing to give or to take.
    """
    connection = await Dialler(owner_dsn).dial(SECONDS)
    try:
        async with connection.transaction():
            if await connection.fetchval(_ROLE) != role:
                await _grant(connection, f'"{role}"')
    finally:
        await connection.close()


async def _grant(connection: asyncpg.Connection, role: str) -> None:
    schema = '"' + await connection.fetchval("SELECT current_schema()") + '"'
    maintain = ", MAINTAIN" if connection.get_server_version().major >= _MAINTAIN else ""
    database = '"' + await connection.fetchval("SELECT current_database()") + '"'
    statements = [
        f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}",
        f"REVOKE ALL ON SCHEMA {schema}, {SCHEMA}, {PARTS_SCHEMA} FROM {role}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA {schema}, {SCHEMA} TO {role}",
        f"REVOKE EXECUTE ON FUNCTION {_BY_THE_OWNER} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {_BY_THE_OWNER} TO {role}",
    ]
    for relation in await connection.fetch(_RELATIONS, SCHEMA, PARTS_SCHEMA):
        name = f'"{relation["schema"]}"."{relation["name"]}"'
        if relation["kind"] == "S":
            # Who may set one makes ids that are taken, or a time that no write comes after.
            statements += [
                f"REVOKE ALL ON SEQUENCE {name} FROM {role}",
                f"GRANT USAGE, SELECT ON SEQUENCE {name} TO {role}",
            ]
            continue
        statements.append(f"REVOKE ALL ON {name} FROM {role}")
        if relation["schema"] == PARTS_SCHEMA:
            # It reads and writes the whole; who vacuums that has to be let into its parts.
            statements += [f"GRANT MAINTAIN ON {name} TO {role}"] if maintain else []
            continue
        rights = "SELECT, INSERT, UPDATE, DELETE"
        if relation["name"] in APPEND_ONLY:
            rights = "SELECT, INSERT"
        elif relation["name"] in PROOFS:
            rights = "SELECT, INSERT, UPDATE"
        elif relation["name"] == _REVISIONS:
            rights = "SELECT"
        statements.append(f"GRANT {rights}{maintain} ON {name} TO {role}")
    await connection.execute("; ".join(statements))
