"""Bringing a database to the present schema, and telling whether it is there."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations.ops import CreateIndexOp, DropIndexOp, ModifyTableOps, UpgradeOps
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from almoner.dialing import Dialler
from almoner.errors import SettingError

T = TypeVar("T")
VERSIONS: Final = Path(str(files("almoner"))) / "migrations" / "versions"

# How long an address is tried.
_SECONDS = 10.0
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


def unknown(there: str | None) -> str | None:
    """What to say of a database at this revision where this version does not know it; None where it does."""
    try:
        ScriptDirectory.from_config(_config(None, None)).get_revision(there or "base")
    except CommandError:
        return (
            f"The database's schema is at {there}, which this version of Almoner does not know: a newer one has migrated it. "
            "Use that version or a newer one; nothing was changed."
        )
    return None


async def migrate(dsn: str, metadata: MetaData, revision: str = "head") -> tuple[str | None, str | None]:
    """Runs what is missing up to ``revision``. Returns the revisions before and after.

    Raises SettingError where the database is at a revision that this version does not know.
    """

    def run(connection: Connection) -> tuple[str | None, str | None]:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        before = _revision(connection)
        if said := unknown(before):
            raise SettingError(said)
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


async def write(dsn: str, metadata: MetaData, message: str, folder: Path = VERSIONS) -> Path | None:
    """Writes a migration for what the declarations have and the database lacks (``make migration``) into the folder.

    None, and no file, where it lacks nothing. The database is at the newest revision.
    """
    name = f"{datetime.now(UTC):%Y_%m_%d}_{message}"

    def run(connection: Connection) -> Path | None:
        config = _config(connection, metadata)
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", os.pathsep.join(dict.fromkeys((str(VERSIONS), str(folder)))))

        def without_what_is_there(_: object, __: object, directives: list[Any]) -> None:
            _leave_out_equal_indexes(connection, directives[0].upgrade_ops)
            if directives[0].upgrade_ops.is_empty():
                directives.clear()

        with warnings.catch_warnings():
            # That it cannot compare an expression with an operator class itself.
            warnings.filterwarnings("ignore", "Expression #", UserWarning)
            made = command.revision(
                config,
                message=message,
                autogenerate=True,
                rev_id=name,
                version_path=str(folder),
                process_revision_directives=without_what_is_there,
            )
        return folder / f"{name}.py" if made else None

    return await _with_connection(dsn, run)


def _leave_out_equal_indexes(connection: Connection, upgrade: UpgradeOps) -> None:
    """Takes out indexes that would be made anew as they are.

    Alembic compares their expressions as texts, and PostgreSQL writes them down in other words: so it is asked itself.
    """
    for of_table in upgrade.ops:
        if not isinstance(of_table, ModifyTableOps):
            continue
        made = {one.index_name: one for one in of_table.ops if isinstance(one, CreateIndexOp)}
        dropped = {one.index_name: one for one in of_table.ops if isinstance(one, DropIndexOp)}
        equal = {str(name) for name in made.keys() & dropped.keys() if _is_there(connection, made[name])}
        kept = [one for one in of_table.ops if not (isinstance(one, CreateIndexOp | DropIndexOp) and one.index_name in equal)]
        of_table.ops[:] = kept
    upgrade.ops[:] = [one for one in upgrade.ops if not (isinstance(one, ModifyTableOps) and one.is_empty())]


def _is_there(connection: Connection, declared: CreateIndexOp) -> bool:
    """Whether the index of the database is what PostgreSQL makes of the declared one."""
    looked = text("SELECT pg_get_indexdef(to_regclass(:name))")
    name = {"name": declared.index_name}
    there = connection.execute(looked, name).scalar()
    undone = connection.begin_nested()
    connection.exec_driver_sql(f'DROP INDEX "{declared.index_name}"')
    declared.to_index().create(connection)
    made = connection.execute(looked, name).scalar()
    undone.rollback()
    return bool(there == made)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def _with_connection(dsn: str, run: Callable[[Connection], T]) -> T:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: Dialler(dsn).dial(_SECONDS), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            answer = await connection.run_sync(run)
            await connection.commit()
            return answer
    finally:
        await engine.dispose()
