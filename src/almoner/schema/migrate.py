"""Bringing a database to the present schema."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from almoner.database.dialing import PAST_A_POOLER, Dialler, PooledError, is_pooled
from almoner.database.revisions import SECONDS, unknown
from almoner.database.write_outcome import WriteCountingConnection
from almoner.errors import SettingError

T = TypeVar("T")
# Only one process migrates a database at a time; the others wait.
_LOCK = 4702650318


def configuration(connection: Connection | None = None, metadata: MetaData | None = None) -> Config:
    """Alembic's configuration, which works over this connection and opens none."""
    config = Config()
    config.set_main_option("script_location", str(files("almoner") / "migrations"))
    config.set_main_option("file_template", "%%(rev)s")
    config.attributes.update(connection=connection, metadata=metadata)
    return config


async def migrate(
    dsn: str, metadata: MetaData, revision: str = "head"
) -> tuple[str | None, str | None]:
    """Runs what is missing up to ``revision``. Returns the revisions before and after.

    Raises SettingError where the database is at a revision that this version does not know.
    """

    def run(connection: Connection) -> tuple[str | None, str | None]:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        before = _revision(connection)
        if text := unknown(before):
            raise SettingError(text)
        # Each migration is a transaction of its own: locks of one are not held while the next waits
        # for others.
        connection.commit()
        command.upgrade(configuration(connection, metadata), revision)
        after = _revision(connection)
        connection.commit()
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_LOCK})")
        return before, after

    return await with_connection(dsn, run)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def with_connection(dsn: str, run: Callable[[Connection], T]) -> T:
    """What ``run`` answers, called with a connection of SQLAlchemy's to this address; what it wrote
    is committed.
    """
    # Made before: SQLAlchemy would raise what kept it from being made in words of its own.
    direct = await _direct(dsn)

    async def there() -> WriteCountingConnection:
        return direct

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=there,
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as connection:
            answer = await connection.run_sync(run)
            await connection.commit()
            return answer
    finally:
        await engine.dispose()


async def _direct(dsn: str) -> WriteCountingConnection:
    """A connection to PostgreSQL itself: what holds a lock between transactions needs one session.
    Raises PooledError through a pooler.
    """
    connection = await Dialler(dsn).dial(SECONDS)
    if await is_pooled(connection):
        connection.terminate()
        raise PooledError(PAST_A_POOLER)
    return connection
