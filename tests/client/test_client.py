"""The client against a real server, in both shapes, by threads and by asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from almoner_client import (
    AlmonerError,
    AsyncClient,
    Client,
    InvalidRequest,
    NotFound,
    Options,
    PreconditionFailed,
    TokenRefused,
)
from almoner_client.options import from_environment
from almoner_client.rows import PatientCreate
from tests.changes.test_feed import announced
from tests.conftest import Api, Callers

GRACE: PatientCreate = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": date(1906, 12, 9),
}


def client(api: Api, **options: Any) -> Client:
    return Client(str(api.base_url), api.client_id, api.client_secret, Options(**options))


async def in_thread(work: Callable[[], None]) -> None:
    await asyncio.to_thread(work)


@pytest.mark.parametrize("shape", ["documented", "enveloped"])
async def test_rows_are_created_read_changed_and_deleted(
    callers: Callers, program: int, shape: str
) -> None:
    async with await callers(program, "all", shape) as api:

        def work() -> None:
            with client(api) as caller:
                grace = caller.patients.create(**(GRACE | {"email": "grace@example.org"}))
                other = caller.patients.create(**(GRACE | {"first_name": "Ada"}))
                assert caller.patients.get(grace.id) == grace
                assert (grace.birthday, grace.created_at.tzinfo) == (date(1906, 12, 9), UTC)
                assert grace.is_active == (True if shape == "enveloped" else None)
                changed = caller.patients.update(grace.id, city="Arlington")
                assert (changed.city, changed.first_name) == ("Arlington", "Grace")
                assert caller.patients.update(grace.id, city=None).city is None
                assert [p.id for p in caller.patients.find(first_name="Ada")] == [other.id]
                mails = list(caller.email_addresses.find(user_id=grace.id))
                assert [mail.email for mail in mails] == ["grace@example.org"]
                task = caller.patient_tasks.create(user_id=grace.id, task_type="walk")
                caller.patient_tasks.delete(task.id)
                with pytest.raises(NotFound):
                    caller.patient_tasks.get(task.id)

        await in_thread(work)


async def test_pages_are_asked_for_as_they_are_wanted_and_leave_out_nobody(api: Api) -> None:
    def work() -> None:
        with client(api) as caller:
            start = datetime.now(UTC)
            ids = [caller.patients.create(**GRACE).id for _ in range(7)]
            walked = caller.patients.find(updated_from=start.replace(year=2020), page_size=3)
            assert [patient.id for patient in walked] == ids
            by_name = caller.patients.find(last_name="Hopper", page_size=2)
            assert next(by_name).id == ids[0]
            latecomer = caller.patients.create(**GRACE).id
            assert [patient.id for patient in by_name][:6] == ids[1:]
            patients = caller.collection("patients").with_ids([*ids, latecomer, str(ids[0])])
            assert list(patients) == [*ids, latecomer]

    await in_thread(work)


async def test_what_does_not_fit_is_refused_with_every_path(api: Api) -> None:
    def work() -> None:
        with client(api) as caller:
            with pytest.raises(InvalidRequest) as caught:
                caller.patients.create(**(GRACE | {"phase": "nowhere", "timezone": "Mars"}))
            assert set(caught.value.paths) == {".phase", ".timezone"}
            row = caller.patients.create(**GRACE)
            # Whatever somebody has typed for an id asks for no other path.
            for text in ("../workers", f"{row.id}?", f"{row.id}#", "%2e%2e/workers"):
                with pytest.raises((InvalidRequest, NotFound)):
                    caller.patients.get(text)
            for blank in ("", ".", ".."):
                with pytest.raises(ValueError, match="is no id"):
                    caller.patients.get(blank)
            with pytest.raises(PreconditionFailed):
                caller.patients.update(row.id, if_match='"another"', city="Arlington")

    await in_thread(work)


async def test_under_a_scope_that_may_only_write_the_id_alone_is_told(
    callers: Callers, program: int
) -> None:
    async with await callers(program, "patients.write") as api:

        def work() -> None:
            with client(api, scope="patients.write") as caller:
                row = caller.patients.create(**GRACE)
            assert row.id
            assert row.first_name is None

        await in_thread(work)


async def test_credentials_that_are_wrong_or_missing_are_named(api: Api) -> None:
    def work() -> None:
        with Client(str(api.base_url), api.client_id, "another secret") as caller:
            with pytest.raises(TokenRefused) as caught:
                caller.patients.get("x")
            assert caught.value.code == "invalid_grant"

    await in_thread(work)
    with pytest.raises(AlmonerError, match=r"Set ALMONER_URL, ALMONER_CLIENT_SECRET\."):
        from_environment({"ALMONER_CLIENT_ID": "x", "ALMONER_URL": ""})


async def test_changes_are_told_in_order_with_their_rows(api: Api) -> None:
    def work(first: str) -> None:
        with client(api) as caller:
            changes = list(caller.changes(rows=True))
            assert [(c.resource, c.id, c.kind) for c in changes] == [("patients", first, "create")]
            values = changes[0].values
            assert values is not None
            assert values["first_name"] == "Grace"
            assert caller.feed("latest").meta.after >= changes[0].cursor
            assert list(caller.changes(changes[0].cursor)) == []
            assert caller.program()["version"] == 1
            assert "/v1/patients" in caller.openapi()["paths"]

    async with AsyncClient(str(api.base_url), api.client_id, api.client_secret) as caller:
        created = await caller.patients.create(**GRACE)
        await announced(api, 1)
        assert [change.id async for change in caller.changes()] == [created.id]
        assert [row.id async for row in caller.patients.find(phase="intake")] == [created.id]
    await asyncio.to_thread(work, created.id)
