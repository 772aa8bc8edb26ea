"""For how many months an environment's logs stay, and that nothing of it may go. Nobody decides
this but an operator: what has no term stays for ever.
"""

from __future__ import annotations

from typing import Any, Final

from almoner.access import worker_events
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.database import Connection
from almoner.errors import SettingError

# The logs that can grow old, by the column that says when a row was written.
LOGS: Final = {"audit_reads": "read_at", "changes": "changed_at"}
_SET: Final = """
INSERT INTO retention_terms (environment_id, log, months) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, log) DO UPDATE SET months = excluded.months, set_at = clock_timestamp()
"""
_MONTHS: Final = "SELECT months FROM retention_terms WHERE environment_id = $1 AND log = $2"
_END: Final = "DELETE FROM retention_terms WHERE environment_id = $1 AND log = $2"
_HOLD: Final = """
INSERT INTO retention_holds (environment_id, reason) VALUES ($1, $2)
ON CONFLICT (environment_id) DO UPDATE SET reason = excluded.reason, placed_at = clock_timestamp()
"""
# Whoever removes what has grown old shares this while it takes out a part.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($2, $1))"
REMOVAL: Final = "almoner.retention"
# Taking out a part of many rows takes its time.
_PATIENCE: Final = "SET LOCAL statement_timeout = '10min'"
_RELEASE: Final = "DELETE FROM retention_holds WHERE environment_id = $1 RETURNING true"
_ALL: Final = """
SELECT e.name AS environment, l.log, t.months, h.reason AS hold,
  (SELECT max(r.before) FROM retention_removals r WHERE r.environment_id = e.id AND r.log = l.log)
    AS begins
FROM environments e CROSS JOIN unnest($1::text[]) AS l (log)
LEFT JOIN retention_terms t ON t.environment_id = e.id AND t.log = l.log
LEFT JOIN retention_holds h ON h.environment_id = e.id
ORDER BY e.name, l.log
"""


async def set_term(
    connection: Connection, environment_id: int, log: str, months: int | None
) -> None:
    """Has rows of a log go once so many whole months lie between them and the present one; None:
    they stay. In the caller's transaction. Raises SettingError where it is no log that can grow
    old, or no month would stay.
    """
    if log not in LOGS:
        raise SettingError(f"{log} is none of the logs that can grow old: {', '.join(LOGS)}.")
    if months is not None and months < 1:
        raise SettingError("A month has to stay at least.")
    before = await connection.fetchval(_MONTHS, environment_id, log)
    if months is None:
        await connection.execute(_END, environment_id, log)
    else:
        await connection.execute(_SET, environment_id, log, months)
    await worker_events.changed(
        connection,
        environment_id,
        "retention set",
        AT_THE_TERMINAL,
        f"log:{log}",
        before={"months": before},
        after={"months": months},
    )


async def hold(connection: Connection, environment_id: int, reason: str) -> None:
    """Nothing of the environment's logs goes until the hold is released, however old it is. What is
    going at this moment is waited for. In the caller's transaction.
    """
    if not reason.strip():
        raise SettingError("Say why nothing may go: --reason.")
    await connection.execute(_PATIENCE)
    await connection.execute(_LOCK, environment_id, REMOVAL)
    await connection.execute(_HOLD, environment_id, reason.strip())
    await _note(connection, environment_id, "retention hold placed", reason.strip())


async def release(connection: Connection, environment_id: int) -> bool:
    """Ends the hold of an environment; whether there was one."""
    if not await connection.fetchval(_RELEASE, environment_id):
        return False
    await _note(connection, environment_id, "retention hold ended")
    return True


async def _note(
    connection: Connection, environment_id: int, event: worker_events.Kind, detail: str = ""
) -> None:
    await worker_events.changed(
        connection, environment_id, event, AT_THE_TERMINAL, "logs", detail=detail
    )


async def terms(connection: Connection) -> list[Any]:
    """Of each environment and log: months (None: for ever), why it is held (None: it is not), and
    the moment at which what is there begins (None: nothing has gone).
    """
    rows: list[Any] = await connection.fetch(_ALL, list(LOGS))
    return rows
