"""Writing a migration: the difference between what the migrations make and what is declared (``make
migration``).
"""

from __future__ import annotations

import argparse
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    CreateIndexOp,
    CreateTableOp,
    DropIndexOp,
    MigrateOperation,
    ModifyTableOps,
    UpgradeOps,
)
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from almoner.database.revisions import VERSIONS
from almoner.errors import SettingError
from almoner.schema.migrate import configuration, with_connection

# Of a revision, in Alembic's own table.
_LONGEST: Final = 32
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
# What Alembic does not compare, as PostgreSQL writes it down. What an extension brought along is
# the extension's.
_FUNCTIONS: Final = """
SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc p
WHERE pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
      AND d.deptype = 'e')
ORDER BY oid
"""
_TRIGGERS: Final = """
SELECT t.tgname || ' ON ' || t.tgrelid::regclass, pg_get_triggerdef(t.oid) FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relnamespace = current_schema()::regnamespace
WHERE NOT t.tgisinternal ORDER BY t.oid
"""
_INDEXES: Final = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"


@dataclass(frozen=True)
class _Catalog:
    """The functions by their signatures, the triggers by name and table and the indexes, each with
    the statement that makes it.
    """

    functions: Mapping[str, str]
    triggers: Mapping[str, str]
    indexes: Mapping[str, str]


class _Statement(MigrateOperation):
    """A statement of SQL, as it stands."""

    def __init__(self, sql: str) -> None:
        self.sql = sql


class _Locks(MigrateOperation):
    """The locks of the tables that are changed, all at once."""

    def __init__(self, tables: list[str]) -> None:
        self.tables = tables


async def write(
    migrated: str, declared: str, metadata: MetaData, name: str, folder: Path = VERSIONS
) -> Path | None:
    """Writes a migration for what the database ``declared`` has and ``migrated``, which is at the
    newest revision, lacks.

    None, and no file, where it lacks nothing. Raises SettingError where the name is none, or two
    migrations claim to be the newest."""
    if not _NAME.fullmatch(name):
        raise SettingError(
            "A migration's name is of small letters, digits and _, as in: make migration"
            " NAME=add_nickname"
        )
    declared_catalog = await with_connection(declared, _catalog)

    def run(connection: Connection) -> Path | None:
        config = configuration(connection, metadata)
        config.set_main_option("path_separator", "os")
        config.set_main_option(
            "version_locations", os.pathsep.join(dict.fromkeys((str(VERSIONS), str(folder))))
        )
        config.cmd_opts = argparse.Namespace(quiet=True)
        revision = _next_revision(
            ScriptDirectory.from_config(config).get_heads(), name, datetime.now(UTC).date()
        )

        def complete(_: object, __: object, directives: list[Any]) -> None:
            script = directives[0]
            there = _catalog(connection)
            _compare_indexes(script.upgrade_ops, there, declared_catalog, metadata)
            _add_functions_and_triggers(script.upgrade_ops, there, declared_catalog)
            if script.upgrade_ops.is_empty():
                directives.clear()
                return
            script.message += _lock(script.upgrade_ops)

        with warnings.catch_warnings():
            # That it cannot compare an expression with an operator class itself.
            warnings.filterwarnings("ignore", "Expression #", UserWarning)
            new_script = command.revision(
                config,
                message=name.replace("_", " ").capitalize() + ".",
                autogenerate=True,
                rev_id=revision,
                version_path=str(folder),
                process_revision_directives=complete,
            )
        return folder / f"{revision}.py" if new_script else None

    return await with_connection(migrated, run)


def _next_revision(heads: Sequence[str], name: str, day: date) -> str:
    """The day and the name, as long as Alembic keeps it: of the first day, from this one on, by
    which it sorts after the newest.
    """
    if len(heads) > 1:
        raise SettingError(
            f"More than one migration is the newest: {', '.join(heads)}. Set down_revision of one"
            " to the other."
        )
    revision = f"{day:%Y_%m_%d}_{name}"[:_LONGEST].rstrip("_")
    return revision if revision > heads[0] else _next_revision(heads, name, day + timedelta(days=1))


def _catalog(connection: Connection) -> _Catalog:
    return _Catalog(
        *(_statements(connection, query) for query in (_FUNCTIONS, _TRIGGERS, _INDEXES))
    )


def _statements(connection: Connection, query: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.exec_driver_sql(query)}


def _compare_indexes(
    upgrade: UpgradeOps, there: _Catalog, declared: _Catalog, metadata: MetaData
) -> None:
    """Takes out indexes that would be made anew as they are, and puts in those whose condition
    alone has changed.

    Alembic compares their expressions as texts, and PostgreSQL writes them down in other words; of
    a partial index it does not compare the condition. So PostgreSQL's own words are compared."""
    changed = {
        name
        for name, definition in declared.indexes.items()
        if there.indexes.get(name) not in (None, definition)
    }
    equal = {
        name
        for name, definition in declared.indexes.items()
        if there.indexes.get(name) == definition
    }
    for of_table in upgrade.ops:
        if isinstance(of_table, ModifyTableOps):
            of_table.ops[:] = [
                each
                for each in of_table.ops
                if not (isinstance(each, CreateIndexOp | DropIndexOp) and each.index_name in equal)
            ]
            changed -= {
                str(each.index_name) for each in of_table.ops if isinstance(each, DropIndexOp)
            }
    upgrade.ops[:] = [
        each for each in upgrade.ops if not (isinstance(each, ModifyTableOps) and each.is_empty())
    ]
    for table in metadata.sorted_tables:
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            if index.name in changed:
                upgrade.ops.append(
                    ModifyTableOps(
                        table.name, [DropIndexOp.from_index(index), CreateIndexOp.from_index(index)]
                    )
                )


def _add_functions_and_triggers(upgrade: UpgradeOps, there: _Catalog, declared: _Catalog) -> None:
    """Functions come before the tables, whose indexes may call them; triggers, and functions that
    go, after.
    """
    functions = [
        statement
        for name, statement in declared.functions.items()
        if there.functions.get(name) != statement
    ]
    detached = [
        f"DROP TRIGGER {name}"
        for name, was in there.triggers.items()
        if declared.triggers.get(name) != was
    ]
    attached = [
        statement
        for name, statement in declared.triggers.items()
        if there.triggers.get(name) != statement
    ]
    dropped = [
        f"DROP FUNCTION {name}" for name in there.functions.keys() - declared.functions.keys()
    ]
    # A function may name columns that the migration adds.
    unchecked = ["SET LOCAL check_function_bodies = off"] if functions else []
    first, last = [*unchecked, *functions, *detached], [*attached, *sorted(dropped)]
    upgrade.ops[:] = [*map(_Statement, first), *upgrade.ops, *map(_Statement, last)]


def _lock(upgrade: UpgradeOps) -> str:
    """Has the tables that are changed locked first, and says which of them stand still while
    indexes are made.
    """
    new_tables = {each.table_name for each in upgrade.ops if isinstance(each, CreateTableOp)}
    changed = [
        each
        for each in upgrade.ops
        if isinstance(each, ModifyTableOps) and each.table_name not in new_tables
    ]
    if not changed:
        return ""
    upgrade.ops.insert(0, _Locks(sorted({each.table_name for each in changed})))
    indexed = sorted(
        {
            each.table_name
            for each in changed
            if any(isinstance(part, CreateIndexOp) for part in each.ops)
        }
    )
    return (
        f"\n\nIndexes are made; these tables stand still meanwhile: {', '.join(indexed)}."
        if indexed
        else ""
    )


@renderers.dispatch_for(_Statement)
def _render_statement(context: AutogenContext, statement: _Statement) -> str:
    # Not by ``op.execute``, which would take a colon in it for the mark of a parameter. Alembic
    # indents what is rendered.
    context.imports.add("from textwrap import dedent")
    raw = "r" if "\\" in statement.sql else ""
    return f'op.get_bind().exec_driver_sql(dedent({raw}"""\n{statement.sql.strip()}\n"""))'


@renderers.dispatch_for(_Locks)
def _render_locks(context: AutogenContext, needed: _Locks) -> str:
    context.imports.add("from almoner.migrations import locks")
    return f"locks.take({', '.join(map(repr, needed.tables))})"
