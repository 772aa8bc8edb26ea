"""What the pages of workers read, and the one rule that keeps an environment from being left without an administrator."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from almoner.access.actors import name_sql
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.vocabulary.definitions import Program

EVENTS: Final = 30  # on a page
# What a permission opens, for a person who gives roles.
OPENS: Final[Mapping[str, str]] = {
    "give_care": "Inbox, patients and calendar",
    "design": "the Workshop: the program and its drafts",
    "integrate": "clients and webhooks",
    "administer": "workers, environments, audit trail and exports",
}

_PROFILE: Final = """
SELECT w.phone_number, w.timezone, w.gender, w.created_at, w.updated_at,
  (SELECT count(*) FROM patients p WHERE p.environment_id = $1 AND p.coach_id = w.id) AS coached,
  (SELECT max(l.expires_at) FROM reset_links l WHERE l.environment_id = $1 AND l.worker_id = w.id AND l.used_at IS NULL
    AND l.expires_at > clock_timestamp()) AS link_until
FROM workers w WHERE w.environment_id = $1 AND w.id = $2
"""
_EVENTS: Final = f"""
SELECT v.id, v.happened_at, v.event, v.detail, {name_sql("v.actor")} AS by, v.actor = 'worker:' || $2::text AS own, v.request_id
FROM worker_events v WHERE v.environment_id = $1 AND v.worker_id = $2::uuid AND ($3::bigint IS NULL OR v.id < $3)
ORDER BY v.id DESC LIMIT {EVENTS + 1}
"""
# Locked, so that of two administrators who take the role from each other at once one is refused.
_ADMINISTRATORS: Final = """
SELECT worker_id::text, roles, password_hash IS NOT NULL OR oidc_subject IS NOT NULL OR $3 AS gets_in FROM worker_accounts
WHERE environment_id = $1 AND disabled_at IS NULL AND roles && $2::text[] ORDER BY worker_id FOR UPDATE
"""


@dataclass(frozen=True)
class RoleChoice:
    """A role that can be given. ``opens`` says what it opens; ``remarks`` what else it does, such as asking for a second factor."""

    name: str
    title: str
    opens: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is known of a worker beside the account.

    ``coached`` counts the patients whose coach the worker is; ``link_until`` is when an unused link ends, None where there is none.
    """

    phone_number: str | None
    timezone: str
    gender: str | None
    created_at: datetime
    updated_at: datetime
    coached: int
    link_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class AccountEvent:
    """Something that happened to an account. ``by`` is empty where the worker did it; ``happened_at`` is in UTC."""

    id: int
    happened_at: datetime
    event: str
    detail: str
    by: str
    request_id: str


def role_choices(program: Program) -> tuple[RoleChoice, ...]:
    """Every role in force, in the program's order."""
    found = []
    for name, rights in program.roles.items():
        remarks = []
        if "give_care" in rights.may and not rights.all_patients:
            remarks.append("only patients whose coach the worker is")
        if rights.hidden_data or rights.hidden_assessments:
            hidden = sorted((*rights.hidden_data, *rights.hidden_assessments))
            remarks.append(f"hides {', '.join(hidden)}")
        if rights.second_factor:
            remarks.append("asks for a second factor")
        opens = tuple(text for permission, text in OPENS.items() if permission in rights.may)
        found.append(RoleChoice(name, program.role_title(name), opens, tuple(remarks)))
    return tuple(found)


async def profile(connection: Connection, environment_id: int, worker_id: str) -> Profile:
    """The profile of a worker who is there."""
    return Profile(**await connection.fetchrow(_PROFILE, environment_id, worker_id))


async def events(
    connection: Connection, environment_id: int, worker_id: str, before: int | None
) -> tuple[list[AccountEvent], bool]:
    """What happened to a worker's account, newest first, older than the event ``before``; and whether there is more."""
    rows = await connection.fetch(_EVENTS, environment_id, worker_id, before)
    found = [
        AccountEvent(
            id=r["id"],
            happened_at=r["happened_at"],
            event=r["event"],
            detail=r["detail"],
            by="" if r["own"] else _named(r["by"]),
            request_id=r["request_id"],
        )
        for r in rows[:EVENTS]
    ]
    return found, len(rows) > EVENTS


def _named(by: str) -> str:
    if by == "operator":
        return "whoever runs the server"
    return "an administrator of the live environment" if by.startswith("worker:") else by


async def leaves_an_administrator(visit: Visit, connection: Connection, worker_id: str, roles: Collection[str]) -> bool:
    """Whether somebody who can sign in may still administer once this worker has these roles; none where they are disabled.

    For a transaction: the accounts of administrators are locked until it ends.
    """
    opening = [name for name, rights in visit.program.roles.items() if "administer" in rights.may]
    if set(opening) & set(roles):
        return True
    rows = await connection.fetch(_ADMINISTRATORS, visit.environment_id, opening, visit.parts.oidc is not None)
    held = {row["worker_id"]: row["gets_in"] for row in rows}
    return worker_id not in held or any(gets_in for one, gets_in in held.items() if one != worker_id)
