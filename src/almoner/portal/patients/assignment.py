"""Giving many patients to a coach at once: one statement, however many they are, and the way back
for an hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from almoner.errors import ApiError
from almoner.pages.forms.refusals import refusals
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import is_current
from almoner.portal.patient_access import OF_WORKER, only_of
from almoner.portal.patients.listing import NOBODY, Chosen, fitting
from almoner.portal.workers import Worker, to_choose
from almoner.resources.patients import patients
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql
from almoner.vocabulary.times import IsoDateTime

# Kept from changing before they are looked at, in the order in which everybody locks several.
_LOCK: Final = (
    "SELECT FROM patients WHERE environment_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR NO"
    " KEY UPDATE"
)
# Those of the ids whom the visitor may see, whether they have another coach than $4, and whether
# somebody else than the visitor ($6) has given them to one since $5, when the visitor saw whose
# they were.
_CHANGING: Final = f"""
SELECT p.id::text AS id, {full_name_sql("p")} AS name, {full_name_sql("w")} AS coach,
  p.coach_id IS DISTINCT FROM $4::uuid AS changes,
  EXISTS (
    SELECT FROM changes c WHERE c.environment_id = $1 AND c.patient_id = p.id
        AND c.changed_at > $5::timestamptz
      AND c.kind <> 'create' AND c.resource = 'patients' AND 'coach_id' = ANY (c.fields)
          AND c.actor <> $6
  ) AS is_reassigned
FROM patients p LEFT JOIN workers w ON w.environment_id = $1 AND w.id = p.coach_id
WHERE p.environment_id = $1 AND {OF_WORKER} AND p.id = ANY ($3::uuid[])
  AND {is_current("p.id")}
ORDER BY p.id
"""
# What the visitor's own request has changed within the hour, and nobody else since. $2 who, $3 the
# request.
_UNDONE: Final = """
SELECT c.row_id::text AS id, c.differences #>> '{coach_id,0}' AS was FROM changes c
JOIN patients p ON p.environment_id = $1 AND p.id = c.row_id
WHERE c.environment_id = $1 AND c.changed_at > now() - interval '1 hour' AND c.actor = $2
    AND c.request_id = $3
  AND c.resource = 'patients' AND c.fields = '{coach_id}'
  AND p.coach_id IS NOT DISTINCT FROM (c.differences #>> '{coach_id,1}')::uuid
ORDER BY p.id FOR NO KEY UPDATE OF p
"""
# So many are given at once: more than a practice has in one hand, and done before the database
# gives up.
MOST: Final = 10_000
_NAMED: Final = 5


@dataclass(frozen=True, kw_only=True)
class AssignmentResult:
    """What came of it. ``to`` is whom they were given to, None for nobody; ``already`` had that
    coach before.

    ``problem`` says why nothing was done, blank where something was. ``undo`` names the request
    that can be taken back, blank where there is none; ``undone``: this was the way back. ``ticked``
    are the ids that stay ticked, ``named`` those of the patients whom the problem names."""

    changed: int = 0
    already: int = 0
    to: str | None = None
    problem: str = ""
    undo: str = ""
    undone: bool = False
    ticked: frozenset[str] = frozenset()
    named: tuple[str, ...] = ()


async def assign(visit: Visit, chosen: Chosen) -> AssignmentResult:
    """Gives the patients who are ticked, or all who fit the filters, to a coach or to nobody: all
    or none of them.

    None, where somebody else has given one of them to a coach since the form was drawn: that is
    told first."""
    form = await visit.form()
    ticked = frozenset(
        parsed for text in form.texts("patient") if (parsed := Guid().decode(text, "", []))
    )
    coach = form.text("to")
    coach_id = None if coach in ("", NOBODY) else Guid().decode(coach, "", [])
    drawn = IsoDateTime().decode(form.text("drawn"), "", []) or datetime.now(UTC)
    async with visit.transaction() as connection:
        known: dict[str, Worker] = {
            worker.id: worker for worker in await to_choose(connection, visit.environment_id)
        }
        everybody = form.truth("all")
        ids = (
            await fitting(connection, visit.environment_id, chosen, MOST + 1)
            if everybody
            else sorted(ticked)
        )
        if len(ids) > MOST:
            return AssignmentResult(
                problem=(
                    f"More than {MOST:,} cannot be given to a coach at once. Choose a phase or a"
                    " coach first."
                )
            )
        await connection.execute(_LOCK, visit.environment_id, ids)
        values = (visit.environment_id, only_of(visit), ids, coach_id, drawn, visit.actor.actor)
        rows: Sequence[Any] = await connection.fetch(_CHANGING, *values)
        problem, named = _not_to_be_done(rows, coach == NOBODY or coach_id in known)
        if problem:
            return AssignmentResult(
                problem=problem, ticked=ticked if rows else frozenset(), named=named
            )
        changing = [row["id"] for row in rows if row["changes"]]
        try:
            store = visit.parts.store.within(connection)
            changed = await store.update_all(
                visit.actor, patients, changing, {"coach_id": coach_id}
            )
        except ApiError as error:
            if error.status >= 500:
                raise
            return AssignmentResult(problem=refusals(error), ticked=ticked)
    to = known[coach_id].name if coach_id else None
    return AssignmentResult(
        changed=changed,
        already=len(rows) - len(changing),
        to=to,
        undo=visit.request_id if changed else "",
    )


def _not_to_be_done(rows: Sequence[Any], has_coach: bool) -> tuple[str, tuple[str, ...]]:
    """Why these patients are not given to anybody, and the ids of those whom it names; blank where
    nothing is in the way.
    """
    if not rows:
        return "No patient was chosen. Tick some first.", ()
    if not has_coach:
        return f"Choose a coach for the {len(rows):,} who are selected: they stay so.", ()
    since = [row for row in rows if row["changes"] and row["is_reassigned"]]
    return (_changed_since(since) if since else ""), tuple(row["id"] for row in since[:_NAMED])


def _changed_since(since: Sequence[Mapping[str, Any]]) -> str:
    """Whose coach has changed meanwhile."""
    named = "; ".join(
        f"{row['name']} is {row['coach'] or 'nobody'}’s now" for row in since[:_NAMED]
    )
    more = f"; and {len(since) - _NAMED:,} more" if len(since) > _NAMED else ""
    return (
        f"Somebody was faster: {named}{more}. Nobody was given to anybody yet. Look again, then"
        " assign."
    )


async def undo(visit: Visit) -> AssignmentResult:
    """Gives each patient back to who was their coach before, but for those whom somebody has given
    to another one since.
    """
    request_id = (await visit.form()).text("request")
    by_coach: dict[str | None, list[str]] = {}
    async with visit.transaction() as connection:
        for row in await connection.fetch(
            _UNDONE, visit.environment_id, visit.actor.actor, request_id
        ):
            by_coach.setdefault(row["was"], []).append(row["id"])
        store = visit.parts.store.within(connection)
        changed = [
            await store.update_all(visit.actor, patients, ids, {"coach_id": was})
            for was, ids in by_coach.items()
        ]
    if not changed:
        return AssignmentResult(
            problem=(
                "This cannot be taken back any more: others have changed it since, or an hour is"
                " over."
            )
        )
    return AssignmentResult(changed=sum(changed), undone=True)
