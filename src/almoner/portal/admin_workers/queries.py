"""What the pages of workers read, and the one rule that keeps an environment from being left
without an administrator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from almoner.access.actors import name_sql
from almoner.data_api import statements
from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.resources.workers import workers
from almoner.vocabulary.definitions import Program, Rights
from almoner.vocabulary.fields import Shape

EVENTS: Final = 30  # on a page
# What a permission opens, for a person who gives roles.
OPENS: Final[Mapping[str, str]] = {
    "give_care": "Inbox, patients and calendar",
    "design": "the Workshop: the program and its drafts",
    "integrate": "clients and webhooks",
    "administer": "workers, environments, audit trail and exports",
    "correct": "says of what others have recorded that it was entered in error",
}

_PROFILE: Final = f"""
SELECT {statements.body(workers, Shape.STORED, "w")}, w.created_at, w.updated_at,
  (SELECT count(*) FROM patients p WHERE p.environment_id = $1 AND p.coach_id = w.id) AS coached,
  (SELECT max(l.expires_at) FROM reset_links l WHERE l.environment_id = $1 AND l.worker_id = w.id
      AND l.used_at IS NULL
    AND l.expires_at > clock_timestamp()) AS link_until
FROM workers w WHERE w.environment_id = $1 AND w.id = $2
"""
# As many of a coach's patients are counted.
_MOST_COUNTED: Final = 1000
_AT_WORK: Final = f"""
SELECT w.id::text,
  (SELECT count(*) FROM (SELECT FROM patients p WHERE p.environment_id = $1 AND p.coach_id = w.id
      LIMIT {_MOST_COUNTED + 1}) AS counted) AS patients,
  (SELECT max(a.to_time) FROM absences a WHERE a.environment_id = $1 AND a.worker_id = w.id
      AND a.from_time <= $2 AND a.to_time > $2) AS away_until
FROM workers w WHERE w.environment_id = $1
"""
_EVENTS: Final = f"""
SELECT id, happened_at, event, detail, CASE WHEN actor = 'worker:' || $2::text THEN ''
  WHEN actor = 'operator' THEN 'whoever runs the server'
  WHEN by LIKE 'worker:%' THEN 'an administrator of the live environment' ELSE by END AS by,
  request_id
FROM (SELECT v.*, {name_sql("v.actor")} AS by FROM worker_events v
  WHERE v.environment_id = $1 AND v.worker_id = $2::uuid AND ($3::bigint IS NULL OR v.id < $3)
  ORDER BY v.id DESC LIMIT {EVENTS + 1}) AS newest
ORDER BY id DESC
"""
# Locked, so that of two administrators who take the role from each other at once one is refused.
_ADMINISTRATORS: Final = """
SELECT worker_id::text, roles, password_hash IS NOT NULL OR oidc_subject IS NOT NULL
    OR $3 AS gets_in FROM worker_accounts
WHERE environment_id = $1 AND disabled_at IS NULL AND roles && $2::text[]
    ORDER BY worker_id FOR UPDATE
"""


@dataclass(frozen=True)
class RoleChoice:
    """A role that can be given. ``opens`` says what it opens; ``remarks`` what else it does, such
    as asking for a second factor.
    """

    name: str
    title: str
    opens: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is known of a worker beside the account. ``row`` is the worker as the API shows one.

    ``coached`` counts the patients whose coach the worker is; ``link_until`` is when an unused link
    ends, None where there is none."""

    row: Row
    created_at: datetime
    updated_at: datetime
    coached: int
    link_until: datetime | None


@dataclass(frozen=True)
class AtWork:
    """How many patients have a worker as coach, in words (blank: none), and until when the worker
    is away, in UTC; None where they are here.
    """

    caseload: str
    away_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class AccountEvent:
    """Something that happened to an account. ``by`` is empty where the worker did it;
    ``happened_at`` is in UTC.
    """

    id: int
    happened_at: datetime
    event: str
    detail: str
    by: str
    request_id: str


def role_choices(program: Program) -> tuple[RoleChoice, ...]:
    """Every role in force, in the program's order."""
    listed = []
    for name, rights in program.roles.items():
        remarks = []
        if "give_care" in rights.may and not rights.all_patients:
            remarks.append("only patients whose coach the worker is")
        if hidden := _hidden(program, rights):
            remarks.append(f"hides {', '.join(hidden)}")
        if rights.second_factor:
            remarks.append("asks for a second factor")
        opens = tuple(text for permission, text in OPENS.items() if permission in rights.may)
        listed.append(RoleChoice(name, program.role_title(name), opens, tuple(remarks)))
    return tuple(listed)


def _hidden(program: Program, rights: Rights) -> list[str]:
    """What a role does not see, as people call it."""
    types, specs = program.custom_data_types, program.newest_specs
    return sorted(
        [(types[name].title or name) if name in types else name for name in rights.hidden_data]
        + [specs[name].name if name in specs else name for name in rights.hidden_assessments]
        + [program.title("note_types", name) for name in rights.hidden_notes]
    )


async def profile(connection: Connection, environment_id: int, worker_id: str) -> Profile:
    """The profile of a worker who is there."""
    record = dict(await connection.fetchrow(_PROFILE, environment_id, worker_id))
    return Profile(row=msgspec.json.decode(record.pop("body")), **record)


async def at_work(
    connection: Connection, environment_id: int, now: datetime
) -> Mapping[str, AtWork]:
    """Each worker of the environment, by id."""
    rows = await connection.fetch(_AT_WORK, environment_id, now)
    return {key: AtWork(_caseload(patients), away) for key, patients, away in rows}


def _caseload(patients: int) -> str:
    if patients > _MOST_COUNTED:
        return f"{_MOST_COUNTED:,}+"
    return f"{patients:,}" if patients else ""


async def events(
    connection: Connection, environment_id: int, worker_id: str, before: int | None
) -> tuple[list[AccountEvent], bool]:
    """What happened to a worker's account, newest first, older than the event ``before``; and
    whether there is more.
    """
    rows = await connection.fetch(_EVENTS, environment_id, worker_id, before)
    return [AccountEvent(**row) for row in rows[:EVENTS]], len(rows) > EVENTS


async def leaves_an_administrator(
    visit: Visit, connection: Connection, worker_id: str, roles: Collection[str]
) -> bool:
    """Whether somebody who can sign in may still administer once this worker has these roles; none
    where they are disabled.

    For a transaction: the accounts of administrators are locked until it ends.
    """
    opening = [name for name, rights in visit.program.roles.items() if "administer" in rights.may]
    if set(opening) & set(roles):
        return True
    rows = await connection.fetch(
        _ADMINISTRATORS, visit.environment_id, opening, visit.parts.oidc is not None
    )
    gets_in_by_worker = {row["worker_id"]: row["gets_in"] for row in rows}
    return worker_id not in gets_in_by_worker or any(
        gets_in for other, gets_in in gets_in_by_worker.items() if other != worker_id
    )
