"""Bringing a database to the present schema, and telling whether it is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

T = TypeVar("T")

# Only one process migrates a database at a time; the others wait.
_LOCK = 4702650318


def _config(connection: Connection | None, metadata: MetaData | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("almoner") / "migrations"))
    config.set_main_option("file_template", "%%(rev)s")
    config.attributes.update(connection=connection, metadata=metadata)
    return config


def newest() -> str:
    """The revision that this version of Almoner needs."""
    head = ScriptDirectory.from_config(_config(None, None)).get_current_head()
    assert head is not None
    return head


async def migrate(dsn: str, metadata: MetaData, revision: str = "head") -> tuple[str | None, str | None]:
    """Runs what is missing up to ``revision``. Returns the revisions before and after."""

    def run(connection: Connection) -> tuple[str | None, str | None]:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        before = _revision(connection)
        # Each migration is a transaction of its own: locks of one are not held while the next waits for others.
        connection.commit()
        command.upgrade(_config(connection, metadata), revision)
        after = _revision(connection)
        connection.commit()
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_LOCK})")
        return before, after

    return await _with_connection(dsn, run)


async def revision(dsn: str) -> str | None:
    """The revision that the database is at; None where it was never migrated."""
    return await _with_connection(dsn, _revision)


async def write(dsn: str, metadata: MetaData, message: str) -> None:
    """Writes a migration for what the declarations have and the database lacks (``make migration``)."""

    def run(connection: Connection) -> None:
        name = f"{datetime.now(UTC):%Y_%m_%d}_{message}"
        command.revision(_config(connection, metadata), message=message, autogenerate=True, rev_id=name)

    await _with_connection(dsn, run)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def _with_connection(dsn: str, run: Callable[[Connection], T]) -> T:
    engine = create_async_engine(make_url(dsn).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            answer = await connection.run_sync(run)
            await connection.commit()
            return answer
    finally:
        await engine.dispose()
