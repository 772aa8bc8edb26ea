"""What a request of the visitor's did to many rows, taken back within the hour: but for what others
have changed since.
"""

from __future__ import annotations

from typing import Final

import msgspec

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.resources import BY_NAME

# Of the visitor's own request: $2 who, $3 the request.
_DONE: Final = """
FROM changes c JOIN {table} t ON t.environment_id = $1 AND t.id = c.row_id
WHERE c.environment_id = $1 AND c.changed_at > now() - interval '1 hour' AND c.actor = $2
  AND c.request_id = $3 AND c.through = 'portal' AND c.resource = '{table}'
"""
_STILL: Final = f"""
SELECT t.id::text, c.differences #>> ARRAY[$4::text, '0'] AS was {_DONE}
  AND c.kind = 'update' AND c.fields = ARRAY[$4::text]
  AND t.{{field}}::text IS NOT DISTINCT FROM (c.differences #>> ARRAY[$4::text, '1'])
ORDER BY t.id FOR NO KEY UPDATE OF t
"""
_STILL_FLOWS: Final = f"""
SELECT t.id::text, t.care_flow::text AS body,
  c.differences #>> ARRAY['care_flow.goals', '0'] AS goals
{_DONE.format(table="care_flows")} AND c.kind = 'update'
  AND (t.care_flow -> 'goals')::jsonb = (c.differences #> ARRAY['care_flow.goals', '1'])::jsonb
ORDER BY t.id FOR NO KEY UPDATE OF t
"""
# What came into being, where nothing was done with it since.
_CREATED: Final = f"""
SELECT t.id::text {_DONE} AND c.kind = 'create' AND NOT EXISTS (
  SELECT FROM changes later WHERE later.environment_id = $1 AND later.resource = '{{table}}'
    AND later.changed_at > now() - interval '1 hour' AND later.row_id = c.row_id
    AND later.request_id <> $3)
ORDER BY t.id FOR UPDATE OF t
"""


async def fields(
    visit: Visit, connection: Connection, table: str, field: str, request_id: str
) -> int:
    """Gives the field of these rows its value back; answers with how many. ``connection`` is in a
    transaction, as everywhere here.
    """
    statement = _STILL.format(table=table, field=field)
    of = (visit.environment_id, visit.actor.actor, request_id, field)
    before: dict[str | None, list[str]] = {}
    for row in await connection.fetch(statement, *of):
        before.setdefault(row["was"], []).append(row["id"])
    store, undone = visit.parts.store.within(connection), 0
    for was, ids in before.items():
        undone += await store.update_all(visit.actor, BY_NAME[table], ids, {field: was})
    return undone


async def care_flows(visit: Visit, connection: Connection, request_id: str) -> int:
    """Gives care flows back what was in them; answers with how many."""
    of = (visit.environment_id, visit.actor.actor, request_id)
    rows = await connection.fetch(_STILL_FLOWS, *of)
    store = visit.parts.store.within(connection)
    for row in rows:
        before = msgspec.json.decode(row["body"]) | {"goals": msgspec.json.decode(row["goals"])}
        change = {"care_flow": before}
        await store.update(visit.actor, BY_NAME["care_flows"], row["id"], change, None)
    return len(rows)


async def creations(visit: Visit, connection: Connection, table: str, request_id: str) -> int:
    """Removes rows that came into being; answers with how many."""
    of = (visit.environment_id, visit.actor.actor, request_id)
    rows = await connection.fetch(_CREATED.format(table=table), *of)
    store = visit.parts.store.within(connection)
    for row in rows:
        await store.delete(visit.actor, BY_NAME[table], row["id"], None)
    return len(rows)
