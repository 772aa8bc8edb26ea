"""Patients are written and found faster: what names are searched by is kept in a column, which the indexes share.

The table of patients is written anew, and stands still meanwhile.
"""

from importlib.resources import files

from alembic import op

from almoner.migrations import locks

revision = "2026_11_28_plain"
down_revision = "2026_11_24_portal"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("changes", "calendar_events", "patients")
    source = files("almoner") / "migrations" / "versions" / f"{revision}.sql"
    connection = op.get_bind()
    for statement in source.read_text(encoding="utf-8").split("--#\n"):
        connection.exec_driver_sql(statement)
