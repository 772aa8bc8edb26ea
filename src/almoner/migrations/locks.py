"""The locks of a migration that changes several tables: all of them at once, or none for now."""

from __future__ import annotations

from typing import Final

from alembic import op

# Less than PostgreSQL waits before it looks for a deadlock (a second), so that it never ends
# somebody's request for it.
_TAKEN: Final = """
DO $$
DECLARE patience timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
  SET LOCAL lock_timeout = '250ms';
  LOOP
    BEGIN
      LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;
      EXIT;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      IF clock_timestamp() > patience THEN RAISE; END IF;
    END;
    PERFORM pg_sleep(0.25);
  END LOOP;
  SET LOCAL lock_timeout = '5s';
END $$
"""


def take(*tables: str) -> None:
    """Locks these tables until the migration ends, beside servers that write to them; gives up
    after a minute.

    A request locks tables in an order of its own, so that there is none that could not meet it
    halfway. Whoever cannot have all of them lets go of those it has, and lets others through,
    before it asks again."""
    op.execute(_TAKEN.format(tables=", ".join(tables)))
