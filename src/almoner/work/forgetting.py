"""What steps were given and answered with may tell of patients: it goes some days after their job
has ended. The steps themselves stay, with how they ended.
"""

from __future__ import annotations

from typing import Any, Final

from almoner.database import Connection, Database
from almoner.database.open_environments import OPEN

IN_WORDS: Final = (
    "What the tasks of this job were given is no longer kept (ALMONER_TASK_DAYS). Begin a new job."
)
# So many steps are blanked in one transaction.
_BATCH: Final = 5_000
# A job has ended when its first step has; that one is blanked last, so that an interrupted look
# goes on with it.
_ENDED: Final = f"""
SELECT environment_id, job_id, id FROM work_steps
WHERE parent_id IS NULL AND args IS NOT NULL
  AND finished_at <= clock_timestamp() - $1 * interval '1 day' AND {OPEN}
ORDER BY finished_at LIMIT 100
"""
# Whoever has a job done again holds its steps: it is left alone, and not looked at twice.
_HOLD: Final = """
SELECT true FROM work_steps
WHERE environment_id = $1 AND id = $2 AND finished_at <= clock_timestamp() - $3 * interval '1 day'
FOR UPDATE SKIP LOCKED
"""
_BLANK: Final = """
WITH forgotten AS (
  SELECT id AS forgotten_id FROM work_steps
  WHERE environment_id = $1 AND job_id = $2 AND parent_id IS NOT NULL AND args IS NOT NULL
  LIMIT $3
)
UPDATE work_steps SET args = NULL, result = NULL FROM forgotten
WHERE environment_id = $1 AND id = forgotten_id RETURNING id
"""
_BLANK_TOP: Final = """
UPDATE work_steps SET args = NULL, result = NULL WHERE environment_id = $1 AND id = $2
"""
_IS_BLANKED: Final = """
SELECT EXISTS (SELECT FROM work_steps
    WHERE environment_id = $1 AND job_id = $2 AND args IS NULL)
"""


async def forget(database: Database, days: int) -> int:
    """Blanks what the steps of jobs that ended before so many days were given and answered with.
    Answers with how many jobs.
    """
    async with database.connection() as connection:
        ended = await connection.fetch(_ENDED, days)
    forgotten = 0
    for job in ended:
        more = True
        while more:
            async with database.transaction() as connection:
                more, whole = await _blank(connection, job, days)
            forgotten += whole
    return forgotten


async def is_forgotten(connection: Connection, environment_id: int, job_id: str) -> bool:
    """Whether a job of an integration cannot be done again, since what it was given is gone."""
    answer: bool = await connection.fetchval(_IS_BLANKED, environment_id, job_id)
    return answer


async def _blank(connection: Connection, job: Any, days: int) -> tuple[bool, bool]:
    """Blanks some steps of a job: whether there are more, and whether it was the last."""
    if not await connection.fetchval(_HOLD, job["environment_id"], job["id"], days):
        return False, False
    if await connection.fetch(_BLANK, job["environment_id"], job["job_id"], _BATCH):
        return True, False
    await connection.execute(_BLANK_TOP, job["environment_id"], job["id"])
    return False, True
