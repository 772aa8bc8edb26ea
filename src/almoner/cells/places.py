"""What has to be true of the two databases before an environment moves from one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.database.revisions import newest
from almoner.errors import SettingError

_WHERE: Final = """
SELECT (SELECT system_identifier FROM pg_control_system()), current_database()::text,
  (SELECT version_num FROM alembic_version),
  (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'changes'::regclass),
  extract(epoch FROM almoner_now())::float8
"""
_THERE: Final = """
SELECT id, name, state, move_id, test_of FROM environments
WHERE name = $1 OR test_of = (SELECT id FROM environments WHERE name = $1) ORDER BY test_of NULLS
  FIRST, id
"""
# The clocks of two machines that are kept by NTP differ by much less.
_MOST_AHEAD: Final = 60.0


@dataclass(frozen=True)
class EnvironmentHere:
    """An environment that moves, or a test environment of it, where it is now. ``state`` is that of
    environments; ``move_id`` None where it has never moved.
    """

    id: int
    name: str
    state: str
    move_id: UUID | None
    test_of: int | None


async def environments_of(connection: asyncpg.Connection, name: str) -> list[EnvironmentHere]:
    """The environment of this name and those in which its programs are tested; empty where there is
    none.
    """
    return [EnvironmentHere(*row) for row in await connection.fetch(_THERE, name)]


async def check(
    source: asyncpg.Connection, target: asyncpg.Connection, key_source: KeySource
) -> SecretBox:
    """Raises SettingError where one of the two databases is not ready. Answers with what seals in
    the target and opens what was sealed in either.
    """
    here, there = await source.fetchrow(_WHERE), await target.fetchrow(_WHERE)
    assert here is not None
    assert there is not None
    if tuple(here[:2]) == tuple(there[:2]):
        raise SettingError("--to leads to the database in which the environment is already.")
    for which, revision in (("This database", here[2]), ("The database of --to", there[2])):
        if revision != newest():
            raise SettingError(
                f"{which} is at the schema {revision}, and this version of Almoner needs"
                f" {newest()}. Run `almoner migrate` there first, with this version."
            )
    for which, owns, setting in (
        ("This database", here[3], "ALMONER_OWNER_DATABASE_URL"),
        ("The database of --to", there[3], "--to"),
    ):
        if not owns:
            raise SettingError(f"{which}: name the role that owns the tables in {setting}.")
    if here[4] - there[4] > _MOST_AHEAD:
        raise SettingError(
            f"The clock of this database is {here[4] - there[4]:.0f} seconds ahead of that of --to."
            " Set the machines' clocks first."
        )
    await keys.look(source, key_source)
    return await keys.box(target, key_source)


def address_of(dsn: str) -> str:
    """An address as people are told it: host and database, without who comes in and how."""
    parts = urlsplit(dsn)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
