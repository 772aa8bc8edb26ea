"""A written migration makes what is declared, all of it, and nothing is written where nothing
changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, DefaultClause, text

from almoner import embedded, schema
from almoner.data_api.indexed import Search
from almoner.database import revisions
from almoner.errors import SettingError
from almoner.migrations import writing
from almoner.resources import BY_NAME, RESOURCES
from almoner.schema import migrate
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Text
from tests.contract.catalogs import declare, described, differences, new_database


@pytest.fixture
async def pair(postgres: str) -> AsyncIterator[tuple[str, str]]:
    """The addresses of a migrated database, and of an empty one for what is declared."""
    names = [await new_database(postgres, name) for name in ("before", "after")]
    await migrate.migrate(names[0][1], schema.build(RESOURCES))
    yield names[0][1], names[1][1]
    for name, _ in names:
        await embedded.drop_database(postgres, name)


async def test_unchanged_declarations_have_no_migration_written(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    migrated, declared = pair
    await declare(declared)
    there = set(revisions.VERSIONS.iterdir())
    assert (
        await writing.write(migrated, declared, schema.build(RESOURCES), "nothing", tmp_path)
        is None
    )
    assert await writing.write(migrated, declared, schema.build(RESOURCES), "nothing") is None
    assert {path for path in revisions.VERSIONS.iterdir() if path.name != "__pycache__"} <= there
    for wrong in ("", "Two words", "../up", "1st"):
        with pytest.raises(SettingError, match="small letters"):
            await writing.write(migrated, declared, schema.build(RESOURCES), wrong, tmp_path)


@pytest.mark.slow
async def test_a_written_migration_makes_what_is_declared_triggers_functions_and_indexes_included(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    """A collection; a field of messages, whose stamp names its columns; one that is searched and
    filtered by; another index.
    """
    migrated, declared = pair
    urgency, shoe_size = (
        Field("urgency", Text(), "How urgent."),
        Field("shoe_size", Text(), "Size of the shoes.", filter=True),
    )
    search = Search("shoe_size", "coalesce({row}shoe_size, '')", column="plain_shoe_size")
    patients, messages = BY_NAME["patients"], BY_NAME["messages"]
    changed = {
        "messages": replace(messages, fields=(*messages.fields, urgency)),
        "patients": replace(
            patients, fields=(*patients.fields, shoe_size), searches=(*patients.searches, search)
        ),
    }
    ours = replace(BY_NAME["patient_tasks"], name="collection_of_a_test")
    resources = [*(changed.get(resource.name, resource) for resource in RESOURCES), ours]
    metadata = schema.build(resources)
    # Of a row that is there nobody knows what its function would work out: a migration of such a
    # column is completed by hand.
    metadata.tables["patients"].c.plain_shoe_size.server_default = DefaultClause("")
    part = next(
        index
        for index in metadata.tables["care_flows"].indexes
        if index.name == "care_flows_due_part"
    )
    part.dialect_options["postgresql"]["where"] = text("user_id IS NULL")
    await declare(declared, metadata, resources)

    written = await writing.write(
        migrated, declared, metadata, "shoe_size_and_what_else_was_missing", tmp_path
    )

    assert written is not None
    source = written.read_text()
    still = "Indexes are made; these tables stand still meanwhile: care_flows, patients."
    assert source.startswith(f'"""Shoe size and what else was missing.\n\n{still}"""')
    assert "locks.take('care_flows', 'messages', 'patients')" in source
    names: dict[str, Any] = {}
    exec(compile(source, written, "exec"), names)  # noqa: S102  # what was just written
    assert names["revision"] == written.stem > revisions.newest() == names["down_revision"]

    def run(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            names["upgrade"]()
        connection.execute(
            text("UPDATE alembic_version SET version_num = :there"), {"there": written.stem}
        )

    await migrate.with_connection(migrated, run)
    before, after = [await asyncpg.connect(dsn) for dsn in pair]
    assert differences(await described(before), await described(after)) == {}
    await before.close()
    await after.close()
    assert await writing.write(migrated, declared, metadata, "again", tmp_path) is None


# It makes a PostgreSQL of its own, twice; the tests above show all of it but that and the words.
@pytest.mark.slow
def test_a_field_is_one_line_and_a_migration_that_is_written_once(tmp_path: Path) -> None:
    """The command itself, in a copy of the package, with no database anywhere."""
    shutil.copytree(revisions.VERSIONS.parent.parent, tmp_path / "almoner")
    declaration = tmp_path / "almoner" / "resources" / "patients.py"
    field = '        Field("shoe_size", Text(), "Size of the shoes."),\n'
    declaration.write_text(
        declaration.read_text().replace("        UPDATED_AT,\n", f"{field}        UPDATED_AT,\n", 1)
    )
    versions = tmp_path / "almoner" / "migrations" / "versions"
    before = set(versions.glob("*.py"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ALMONER_")}
    command = [
        sys.executable,
        "-c",
        "from almoner.cli import main; main()",
        "migrate",
        "--write",
        "add_shoe_size",
    ]
    for wrote in (
        "Wrote ",
        "The migrations make what the declarations say: there is nothing to write.",
    ):
        ran = subprocess.run(
            command,
            env=environ | {"PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith(wrote)
        (written,) = set(versions.glob("*.py")) - before
    source = written.read_text()
    assert (
        source.count("op.add_column(") == source.count("op.") - 1 == 1
    )  # the other sets the time that it waits for locks
    assert 'sa.Column("shoe_size", sa.Text(), nullable=True)' in source
    for tidy in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *tidy, str(written)], check=True)
