"""Patients have the fields of the contract's later edition, and Find looks for more.

Four indexes are made; the tables of patients and appointments stand still meanwhile.
"""

from importlib.resources import files

from alembic import op

from almoner.migrations import locks

revision = "2026_11_29_later_edition"
down_revision = "2026_11_29_authority"


def upgrade() -> None:
    locks.take("calendar_events", "email_addresses", "external_ids", "patients", "workers")
    source = files("almoner") / "migrations" / "versions" / f"{revision}.sql"
    connection = op.get_bind()
    for statement in source.read_text(encoding="utf-8").split("--#\n"):
        connection.exec_driver_sql(statement)
