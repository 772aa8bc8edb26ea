"""Whoever serves sets no clock, and rewrites neither a decided erasure nor where a chain ends: the
clock's functions have the rights of the owner, and triggers stand before the two tables.
"""

from importlib.resources import files

from alembic import op

from almoner.migrations import locks

revision = "2026_12_20_proofs_that_stand"
down_revision = "2026_12_19_days_of_tasks"


def upgrade() -> None:
    locks.take("chain_heads", "erasures")
    source = files("almoner") / "migrations" / "versions" / f"{revision}.sql"
    for statement in source.read_text(encoding="utf-8").split("--#\n"):
        op.get_bind().exec_driver_sql(statement)
