"""What is in an environment and in those that its programs are tested in: for the people who look
after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from almoner.database import Connection
from almoner.vocabulary.names import full_name_sql

# Beyond this many patients the exact number is not worth counting them all.
MOST_COUNTED: Final = 100_000


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A published version of a program. ``published_at`` is in UTC; ``summary`` says what it
    changed.
    """

    number: int
    published_at: datetime
    published_by: str
    summary: str


@dataclass(frozen=True, slots=True)
class LockFacts:
    """A draft's revision that is under test. ``version`` is its number where it is tested;
    ``locked_at`` is in UTC.
    """

    number: int
    revision: int
    version: int
    locked_at: datetime
    locked_by: str
    message: str


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """An environment. ``patients`` is at most ``MOST_COUNTED`` + 1, which means more; ``version``
    is None before the first publish.

    ``lock`` is the newest one that is tested here, None where it is no test environment or nothing
    was locked yet."""

    id: int
    name: str
    test_of: int | None
    created_at: datetime
    patients: int
    workers: int
    clients: int
    webhooks: int
    version: VersionFacts | None
    lock: LockFacts | None


# Who did something is kept as worker:<id>, or as what the command line says of its user.
_WHO: Final = f"""
coalesce((SELECT {full_name_sql("w")} FROM workers w
  WHERE w.environment_id IN (e.id, e.test_of) AND 'worker:' || w.id::text = {{by}} LIMIT 1), {{by}})
"""
_FACTS: Final = f"""
SELECT e.id, e.name, e.test_of, e.created_at,
  (SELECT count(*) FROM (SELECT FROM patients WHERE environment_id = e.id
      LIMIT {MOST_COUNTED + 1}) p) AS patients,
  (SELECT count(*) FROM workers WHERE environment_id = e.id) AS workers,
  (SELECT count(*) FROM clients WHERE environment_id = e.id AND disabled_at IS NULL) AS clients,
  (SELECT count(*) FROM subscriptions WHERE environment_id = e.id) AS webhooks,
  p.version, p.published_at, {_WHO.format(by="p.published_by")} AS published_by, p.summary,
  l.number, l.revision, l.test_version, l.locked_at, {_WHO.format(by="l.locked_by")} AS locked_by,
      l.message
FROM environments e
LEFT JOIN LATERAL (SELECT * FROM programs WHERE environment_id = e.id ORDER BY version DESC
    LIMIT 1) p ON true
LEFT JOIN LATERAL (
  SELECT * FROM program_locks WHERE environment_id = e.test_of AND test_environment_id = e.id
      ORDER BY number DESC LIMIT 1
) l ON true
WHERE $1 IN (e.id, e.test_of)
ORDER BY e.id <> $1, e.name
"""


async def facts(connection: Connection, environment_id: int) -> list[EnvironmentFacts]:
    """This environment, then those that its programs are tested in, by name."""
    return [_from_row(row) for row in await connection.fetch(_FACTS, environment_id)]


def _from_row(row: Mapping[str, Any]) -> EnvironmentFacts:
    version = lock = None
    if row["version"] is not None:
        version = VersionFacts(
            row["version"], row["published_at"], row["published_by"], row["summary"]
        )
    if row["number"] is not None:
        locked = (row["test_version"], row["locked_at"], row["locked_by"], row["message"])
        lock = LockFacts(row["number"], row["revision"], *locked)
    own = ("id", "name", "test_of", "created_at", "patients", "workers", "clients", "webhooks")
    return EnvironmentFacts(**{name: row[name] for name in own}, version=version, lock=lock)
