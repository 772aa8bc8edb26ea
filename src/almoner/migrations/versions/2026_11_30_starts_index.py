"""An index that was made for the Find by start times, and that no Find used, is gone (docs/benchmarks.md)."""

from alembic import op

revision = "2026_11_30_starts_index"
down_revision = "2026_11_30_find_indexes"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP INDEX calendar_events_starts_part")
