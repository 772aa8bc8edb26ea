"""Saving what somebody else may have changed: objects are put together key by key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.errors import ApiError
from almoner.pages.visit import Form
from almoner.portal import editing
from almoner.portal.editing import EditConflict, SavedRow
from almoner.resources.custom_data_type_records import custom_data_type_records
from almoner.resources.patients import patients
from tests.portal.profiles import Chart, new_patient

BODY = {"name": "metformin", "dose": "500 mg", "notes": "with food"}


@pytest.fixture
async def grace(store: Store, program: int) -> Chart:
    return await new_patient(store, program)


def visit(chart: Chart, store: Store, database: Database) -> Any:
    """As much of a visit as saving needs."""
    parts = SimpleNamespace(store=store, database=database)
    return SimpleNamespace(parts=parts, environment_id=chart.by.environment_id, actor=chart.by)


def inside(body: Mapping[str, Any]) -> Row:
    """The values of a record by their paths, as its form has them."""
    return {f"body.{key}": value for key, value in body.items()}


async def save(here: Any, row_id: str, values: Row, form: Form) -> SavedRow | EditConflict:
    async with here.parts.database.connection() as connection:
        return await editing.update(
            here, custom_data_type_records, row_id, values, form, within=connection
        )


async def record(chart: Chart, store: Store, database: Database) -> tuple[str, Form]:
    """A record of the patient, and the form that is made from it."""
    row_id = await chart.add("custom_data_type_records", type_name="medication", body=BODY)
    async with database.connection() as connection:
        updated_at = await connection.fetchval(
            "SELECT updated_at FROM custom_data_type_records WHERE id = $1", row_id
        )
    return row_id, Form(editing.hidden_fields(updated_at, inside(BODY) | {"body.how_often": None}))


async def test_keys_of_a_record_that_different_people_changed_are_put_together(
    grace: Chart, store: Store, database: Database
) -> None:
    row_id, form = await record(grace, store, database)
    await grace.change(
        "custom_data_type_records",
        row_id,
        body={"name": "metformin", "dose": "1000 mg", "notes": "with food"},
    )
    mine = {"name": "metformin", "dose": "500 mg", "notes": None, "how_often": "once a day"}
    saved = await save(visit(grace, store, database), row_id, inside(mine), form)
    assert isinstance(saved, SavedRow)
    assert set(saved.changed) == {"body.how_often", "body.notes"}
    assert saved.row["body"] == {"name": "metformin", "dose": "1000 mg", "how_often": "once a day"}


async def test_the_same_key_of_a_record_clashes_and_nothing_is_written(
    grace: Chart, store: Store, database: Database
) -> None:
    row_id, form = await record(grace, store, database)
    await grace.change("custom_data_type_records", row_id, body=BODY | {"dose": "1000 mg"})
    changed = inside(BODY | {"dose": "850 mg"})
    clash = await save(visit(grace, store, database), row_id, changed, form)
    assert isinstance(clash, EditConflict)
    assert [(c.path, c.base, c.mine, c.theirs) for c in clash.conflicts] == [
        ("body.dose", "500 mg", "850 mg", "1000 mg")
    ]
    assert clash.by == "test, on the command line"


async def test_two_saves_at_one_moment_lose_nothing(
    grace: Chart, store: Store, database: Database
) -> None:
    row_id, form = await record(grace, store, database)
    here = visit(grace, store, database)
    saves = [
        save(here, row_id, inside(BODY | {key: value}), form)
        for key, value in (("dose", "850 mg"), ("notes", "at night"), ("how_often", "weekly"))
    ]
    assert all(isinstance(result, SavedRow) for result in await asyncio.gather(*saves))
    async with database.connection() as connection:
        body = await connection.fetchval(
            "SELECT body FROM custom_data_type_records WHERE id = $1", row_id
        )
    assert msgspec.json.decode(body) == {
        "name": "metformin",
        "dose": "850 mg",
        "notes": "at night",
        "how_often": "weekly",
    }


async def test_what_is_done_within_a_transaction_stands_or_falls_with_it(
    grace: Chart, store: Store, database: Database
) -> None:

    async def write_and_fail() -> None:
        async with database.transaction() as connection:
            inner = store.within(connection)
            await inner.update(grace.by, patients, grace.id, {"city": "Oakland"}, None)
            with pytest.raises(ApiError):
                await inner.update(grace.by, patients, grace.id, {"coach_id": grace.id}, None)
            # What was refused undid itself alone: the transaction still serves.
            assert (
                await connection.fetchval("SELECT city FROM patients WHERE id = $1", grace.id)
                == "Oakland"
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with database.connection() as connection:
        assert (
            await connection.fetchval("SELECT city FROM patients WHERE id = $1", grace.id) is None
        )
        changes = await connection.fetchval(
            "SELECT count(*) FROM changes WHERE row_id = $1", grace.id
        )
    assert changes == 1
