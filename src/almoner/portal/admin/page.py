"""The start of the administration: what needs a look, and the way to everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from almoner.access import created_by
from almoner.pages.health_looks import HealthLook
from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.portal.first_day.page import FirstDay, first_day
from almoner.vocabulary.names import full_name_sql
from almoner.workshop import publish_requests
from almoner.workshop.publish_requests import PublishRequest

# One line. Workers are few: their accounts are counted, never their patients.
_COUNTS: Final = """
SELECT count(*) AS workers,
  count(*) FILTER (WHERE cardinality(coalesce(a.roles, '{}')) = 0) AS roleless,
  count(*) FILTER (WHERE cardinality(a.roles) > 0 AND a.disabled_at IS NULL
      AND a.password_hash IS NULL
    AND a.oidc_subject IS NULL) AS never_in,
  count(*) FILTER (WHERE a.disabled_at IS NULL AND (a.password_hash IS NOT NULL
      AND a.totp_confirmed_at IS NULL)
    AND a.oidc_subject IS NULL) AS password_alone,
  count(*) FILTER (WHERE a.disabled_at IS NOT NULL) AS disabled,
  (SELECT count(*) FROM sign_in_failures WHERE environment_id = $1
      AND failed_at > clock_timestamp() - interval '24 hours')
    AS failures,
  (SELECT count(*) FROM environments WHERE test_of = $1) AS tests,
  (SELECT max(happened_at) FROM worker_events WHERE environment_id = $1 AND event = 'data exported'
    AND id > (SELECT coalesce(max(id), 0) - 100000 FROM worker_events
        WHERE environment_id = $1)) AS exported_at
FROM workers w LEFT JOIN worker_accounts a ON a.environment_id = w.environment_id
    AND a.worker_id = w.id
WHERE w.environment_id = $1
"""
_NAMES: Final = f"""
SELECT id::text, {full_name_sql()} FROM workers WHERE environment_id = $1 AND id = ANY ($2::uuid[])
"""


@dataclass(frozen=True, kw_only=True)
class AccountCounts:
    """How the environment's accounts stand.

    ``roleless`` have no role; ``never_in`` have one and no way to sign in yet; ``password_alone``
    sign in with a password alone; ``failures`` are refused sign-ins of the last day; ``tests`` its
    test environments; ``exported_at`` is None before the first export."""

    workers: int
    roleless: int
    never_in: int
    password_alone: int
    disabled: int
    failures: int
    tests: int
    exported_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class AdminStartPage:
    """The page. ``health`` is how the installation stands. ``waiting`` is a publish that waits for
    a second person; ``review`` what disabled workers made that works still: the worker's id, their
    name, and how much. ``first_day`` has what is to be done before the first call; None where all
    is, or it was put away."""

    health: Sequence[HealthLook]
    counts: AccountCounts
    waiting: PublishRequest | None
    review: tuple[tuple[str, str, int], ...]
    first_day: FirstDay | None


async def show(visit: Visit) -> Response:
    health = await visit.parts.health()
    async with visit.connection() as connection:
        counts = AccountCounts(**await connection.fetchrow(_COUNTS, visit.environment_id))
        waiting = await publish_requests.waiting(connection, visit.environment_id)
        left = await created_by.of_disabled(connection, visit.environment_id)
        names = (
            dict(await connection.fetch(_NAMES, visit.environment_id, list(left))) if left else {}
        )
        steps = await first_day(visit, connection)
    review = tuple((worker_id, names[worker_id], count) for worker_id, count in left.items())
    is_open = steps.next_step and not steps.is_away
    page = AdminStartPage(
        health=health,
        counts=counts,
        waiting=waiting,
        review=review,
        first_day=steps if is_open else None,
    )
    return visit.page("portal/admin/start.html", page)


ROUTES: Final = (PageRoute("/admin", show, may="administer"),)
