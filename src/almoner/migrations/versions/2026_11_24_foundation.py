"""The foundation: environments, the collections, the change log, access and programs."""

from importlib.resources import files

from alembic import op

revision = "2026_11_24_foundation"
down_revision = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    source = files("almoner") / "migrations" / "versions" / f"{revision}.sql"
    connection = op.get_bind()
    for statement in source.read_text(encoding="utf-8").split("--#\n"):
        connection.exec_driver_sql(statement)
