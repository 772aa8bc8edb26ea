"""The workers to choose from, wherever a page offers some: as coaches, as senders, for steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.names import full_name_sql, name_order_sql

# No limit: a list that is cut would hide somebody without saying so.
_TO_CHOOSE: Final = f"""
SELECT w.id::text, {full_name_sql("w")} AS name, w.email, a.disabled_at IS NOT NULL AS is_disabled,
  CASE WHEN a.disabled_at IS NULL THEN coalesce(a.roles, '{{}}') ELSE '{{}}' END AS roles
FROM workers w
LEFT JOIN worker_accounts a ON a.environment_id = w.environment_id AND a.worker_id = w.id
WHERE w.environment_id = $1 AND (a.disabled_at IS NULL OR w.id = ANY ($2::uuid[]))
  AND ($3::uuid[] IS NULL OR w.id = ANY ($3::uuid[]))
ORDER BY {name_order_sql("w")}, w.id
"""
# Counted no farther than it matters.
_NUMBER: Final = """
SELECT count(*) FROM (
  SELECT FROM workers w LEFT JOIN worker_accounts a ON a.environment_id = w.environment_id
      AND a.worker_id = w.id
  WHERE w.environment_id = $1 AND a.disabled_at IS NULL LIMIT $2
) AS first
"""


@dataclass(frozen=True)
class Worker:
    """Somebody who can be chosen. ``name`` says so where their account is closed; they have no
    ``roles`` then.
    """

    id: str
    name: str
    roles: tuple[str, ...]
    email: str = ""

    def sees(self, program: Program, coach_id: str | None) -> bool:
        """Whether their roles show them patients of this coach, who may be none."""
        rights = program.rights(self.roles)
        return self.may_care(program) and (rights.all_patients or coach_id == self.id)

    def may_care(self, program: Program) -> bool:
        """Whether patients can be theirs: whoever may not care for any would never meet them."""
        return "give_care" in program.rights(self.roles).may

    @property
    def choice(self) -> tuple[str, str]:
        """The value and the label of an option."""
        return self.id, self.name


async def to_choose(
    connection: Connection,
    environment_id: int,
    chosen: Iterable[str | None] = (),
    among: Iterable[str] | None = None,
) -> tuple[Worker, ...]:
    """The workers of an environment by name, all of them; those whose account is closed only where
    they are ``chosen`` already.

    ``among``: of these ids alone.
    """
    already = [worker_id for worker_id in chosen if worker_id]
    rows = await connection.fetch(
        _TO_CHOOSE, environment_id, already, None if among is None else list(among)
    )
    return tuple(
        Worker(
            row["id"],
            f"{row['name']} (account closed)" if row["is_disabled"] else row["name"],
            tuple(row["roles"]),
            row["email"] or "",
        )
        for row in rows
    )


async def are_more_than(connection: Connection, environment_id: int, number: int) -> bool:
    """Whether there are more to choose from than so many, which takes no time where there are."""
    return bool(await connection.fetchval(_NUMBER, environment_id, number + 1) > number)
