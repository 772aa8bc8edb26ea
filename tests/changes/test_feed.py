"""The change feed: every committed change once, in order, whatever the order in which transactions
end.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.changes import feed
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.changes.writing import (
    begin_epoch,
    current_xid,
    environment_of,
    follow,
    insert,
    names_settled,
    opened,
    remove,
    rename,
    reread,
    until_true,
)
from tests.conftest import Api, Callers, new_environment
from tests.contract.rows import Place
from tests.plain_http import PlainHttp

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


@pytest.fixture
async def raw(dsn: str) -> AsyncIterator[list[Any]]:
    """Three connections that belong to no pool."""
    connections = [await opened(dsn) for _ in range(3)]
    await begin_epoch(connections[0])
    yield connections
    for connection in connections:
        await connection.close()


async def page(api: Api, **parameters: Any) -> dict[str, Any]:
    answer = await api.get("/v1/changes", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def announced(api: Api, count: int) -> list[dict[str, Any]]:
    """The feed's entries, once as many as wanted are there."""
    entries: list[dict[str, Any]] = []

    async def enough() -> bool:
        entries[:] = (await page(api, limit=1000))["data"]
        return len(entries) >= count

    await until_true(enough, f"{count} changes are announced")
    return entries


async def cursor_of(api: Api, row_id: str) -> str:
    """The cursor behind the latest change of a row."""
    cursors: list[str] = []

    async def there() -> bool:
        cursors[:] = [
            entry["cursor"]
            for entry in (await page(api, limit=1000))["data"]
            if entry["id"] == row_id
        ]
        return bool(cursors)

    await until_true(there, "the change is announced")
    return cursors[-1]


async def test_a_transaction_that_is_open_while_others_commit_is_not_skipped(
    raw: list[Any], environment: int
) -> None:
    slow, quick, reader = raw
    transaction = slow.transaction()
    await transaction.start()
    first = await insert(slow, environment)
    second = await insert(quick, environment)
    assert await follow(reader, environment) == []

    await transaction.commit()
    changes = await names_settled(reader, environment, 2)
    assert [change.row_id for change in changes] == [first, second]
    assert [change.kind for change in changes] == ["create", "create"]


async def test_what_was_committed_before_the_open_transaction_began_is_announced_meanwhile(
    raw: list[Any], environment: int
) -> None:
    slow, quick, reader = raw
    first = await insert(quick, environment)
    transaction = slow.transaction()
    await transaction.start()
    second = await insert(slow, environment)
    third = await insert(quick, environment)
    changes = await names_settled(reader, environment, 1)
    assert [change.row_id for change in changes] == [first]
    cursor = reread(changes[-1].position)
    assert await follow(reader, environment, cursor) == []

    await transaction.commit()
    changes = await names_settled(reader, environment, 2, cursor)
    assert [change.row_id for change in changes] == [second, third]


async def test_a_transaction_that_took_its_id_early_and_writes_late_is_not_skipped(
    raw: list[Any], environment: int
) -> None:
    slow, quick, reader = raw
    transaction = slow.transaction()
    await transaction.start()
    early = await current_xid(slow)
    second = await insert(quick, environment)
    assert await follow(reader, environment) == []
    first = await insert(slow, environment)
    await transaction.commit()

    changes = await names_settled(reader, environment, 2)
    assert [change.row_id for change in changes] == [first, second]
    assert changes[0].position.xid == early


async def test_a_transaction_that_is_rolled_back_leaves_nothing_and_holds_nothing_up(
    raw: list[Any], environment: int
) -> None:
    slow, quick, reader = raw
    transaction = slow.transaction()
    await transaction.start()
    await insert(slow, environment)
    row_id = await insert(quick, environment)
    await transaction.rollback()
    changes = await names_settled(reader, environment, 1)
    assert [change.row_id for change in changes] == [row_id]


async def test_the_changes_of_one_transaction_come_in_the_order_in_which_they_were_made(
    raw: list[Any], environment: int
) -> None:
    writer, _, reader = raw
    async with writer.transaction():
        row_id = await insert(writer, environment)
        await rename(writer, environment, row_id, "Ada")
        await remove(writer, environment, row_id)
    changes = await names_settled(reader, environment, 3)
    assert [(change.kind, change.row_id) for change in changes] == [
        (k, row_id) for k in ("create", "update", "delete")
    ]
    assert list(changes[1].fields or ()) == ["first_name"]
    assert sorted(changes, key=lambda change: change.position) == changes


class Writer:
    """Writes patients in transactions that it commits or rolls back, and remembers what it
    committed.
    """

    def __init__(self, connection: Any, environment: int, seed: int) -> None:
        self.committed: list[tuple[str, str]] = []
        self._connection = connection
        self._environment = environment
        self._chance = random.Random(seed)
        self._rows: list[str] = []

    async def run(self, transactions: int) -> None:
        for _ in range(transactions):
            transaction = self._connection.transaction()
            await transaction.start()
            rows = list(self._rows)
            done = [await self._write(rows) for _ in range(self._chance.randint(1, 3))]
            # Round trips between the last write and the end make transactions end in another order
            # than they wrote.
            for _ in range(self._chance.choice((0, 0, 1, 4, 12))):
                await self._connection.fetchval("SELECT 1")
            if self._chance.random() < 0.25:
                await transaction.rollback()
            else:
                await transaction.commit()
                self.committed += done
                self._rows = rows

    async def _write(self, rows: list[str]) -> tuple[str, str]:
        kind = self._chance.choice(("create", "update", "delete")) if rows else "create"
        if kind == "create":
            rows.append(await insert(self._connection, self._environment))
            return rows[-1], kind
        row_id = self._chance.choice(rows)
        if kind == "update":
            await rename(
                self._connection, self._environment, row_id, f"Grace {self._chance.random()}"
            )
        else:
            rows.remove(row_id)
            await remove(self._connection, self._environment, row_id)
        return row_id, kind


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
async def test_a_reader_behind_sixteen_writers_ends_with_exactly_what_they_committed(
    dsn: str, seed: int
) -> None:
    connections = [await opened(dsn) for _ in range(17)]
    try:
        reader = connections.pop()
        environment = await environment_of(reader)
        await begin_epoch(reader)
        writers = [Writer(c, environment, seed * 100 + n) for n, c in enumerate(connections)]
        writing = asyncio.gather(*(writer.run(20) for writer in writers))
        changes: list[feed.FeedChange] = []
        size = random.Random(seed)
        while not writing.done():
            after = reread(changes[-1].position) if changes else feed.BEGINNING
            changes += (
                await feed.read(reader, environment, after, size.choice((1, 3, 10, 100)))
            ).changes
        await writing
        committed = [entry for writer in writers for entry in writer.committed]
        changes += await names_settled(
            reader, environment, len(committed) - len(changes), changes[-1].position
        )
        assert sorted((change.row_id, change.kind) for change in changes) == sorted(committed)
        positions = [change.position for change in changes]
        assert positions == sorted(set(positions))
        for writer in writers:
            own = {row_id for row_id, _ in writer.committed}
            assert [(c.row_id, c.kind) for c in changes if c.row_id in own] == writer.committed
    finally:
        for connection in [*connections, reader]:
            await connection.close()


async def test_the_feed_is_resumed_from_any_entry_and_from_its_end(api: Api) -> None:
    ids = [(await api.post("/v1/patients", json=PATIENT)).json()["id"] for _ in range(5)]
    entries = await announced(api, 5)
    assert [entry["id"] for entry in entries] == ids
    for number, entry in enumerate(entries):
        answer_page = await page(api, after=entry["cursor"])
        assert [e["id"] for e in answer_page["data"]] == ids[number + 1 :]
        assert answer_page["meta"]["more"] is False

    walked: list[str] = []
    after: dict[str, str] = {}
    while True:
        answer_page = await page(api, limit=2, **after)
        walked += [entry["id"] for entry in answer_page["data"]]
        after = {"after": answer_page["meta"]["after"]}
        if not answer_page["meta"]["more"]:
            break
    assert walked == ids
    assert (await page(api, **after))["meta"]["after"] == after["after"]


async def test_an_empty_feed_gives_a_cursor_to_come_back_with(api: Api) -> None:
    answer_page = await page(api)
    assert answer_page["data"] == []
    await api.post("/v1/patients", json=PATIENT)

    async def there() -> bool:
        return len((await page(api, after=answer_page["meta"]["after"]))["data"]) == 1

    await until_true(there, "the change is announced")


async def test_a_delete_announces_the_mappings_that_went_with_the_row(
    api: Api, inside: Actor, store: Store
) -> None:
    place = Place(api, inside, store)
    task = await place.make("patient_tasks")
    mapping = await place.make("external_ids", resource="patient_tasks", welkin_id=task["id"])
    before = await cursor_of(api, mapping["id"])
    assert (await api.delete(f"/v1/patient_tasks/{task['id']}")).status_code == 200

    entries: list[dict[str, Any]] = []

    async def both() -> bool:
        entries[:] = (await page(api, after=before))["data"]
        return len(entries) >= 2

    await until_true(both, "both deletes are announced")
    assert {(e["resource"], e["id"], e["kind"]) for e in entries} == {
        ("patient_tasks", task["id"], "delete"),
        ("external_ids", mapping["id"], "delete"),
    }
    assert (await api.get(f"/v1/external_ids/{mapping['id']}")).status_code == 404
    assert {e["patient_id"] for e in entries if e["resource"] == "patient_tasks"} == {
        task["user_id"]
    }


async def test_who_wrote_through_what_and_in_which_request_is_told_of_every_way_to_write(
    api: Api, store: Store, inside: Actor
) -> None:
    answer = await api.post(
        "/v1/patients", json=PATIENT | {"phone": "555-555-5555"}, headers={"X-Request-Id": "theirs"}
    )
    row_id, first = answer.json()["id"], answer.headers["x-request-id"]
    second = (await api.put(f"/v1/patients/{row_id}", json={"city": "Rye", "state": "NY"})).headers[
        "x-request-id"
    ]
    own = (await api.put(f"/v1/patients/{row_id}", json={"city": "Troy"})).headers["x-request-id"]
    await store.create(inside, BY_NAME["patients"], dict(PATIENT))
    by = Actor(inside.environment_id, "importer", "import", "batch-9")
    await store.load(by, BY_NAME["patients"], [dict(PATIENT), dict(PATIENT)])

    entries = await announced(api, 7)
    summaries = [
        (e["resource"], e["kind"], e["fields"], e["actor"], e["through"], e["request_id"])
        for e in entries
    ]
    client = f"client:{api.client_id}"
    assert summaries == [
        ("patients", "create", None, client, "api", first),
        ("phone_numbers", "create", None, client, "api", first),
        ("patients", "update", ["city", "state"], client, "api", second),
        ("patients", "update", ["city"], client, "api", own),
        ("patients", "create", None, "test", "cli", "test"),
        ("patients", "create", None, "importer", "import", "batch-9"),
        ("patients", "create", None, "importer", "import", "batch-9"),
    ]
    assert {e["patient_id"] for e in entries[:4]} == {row_id}
    assert {
        e["id"] for e in entries if e["resource"] == "patients" and e["request_id"] == second
    } == {row_id}
    row = (await api.get(f"/v1/patients/{row_id}")).json()
    assert entries[3]["changed_at"] == row["updated_at"]


async def test_a_write_that_is_refused_is_not_announced(api: Api) -> None:
    taken = PATIENT | {
        "external_ids": [{"namespace": "kiwihealth", "external_id": "1"}],
        "email": "grace@example.org",
    }
    assert (await api.post("/v1/patients", json=taken)).status_code == 200
    assert (await api.post("/v1/patients", json=taken)).status_code == 400
    assert (await api.post("/v1/patients", json=PATIENT | {"timezone": "Mars"})).status_code == 400
    last = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    entries = await announced(api, 4)
    assert len(entries) == 4
    assert entries[-1]["id"] == last


async def test_an_environment_sees_nothing_of_another(
    callers: Callers, database: Database, api: Api
) -> None:
    row_id = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    cursor = (await announced(api, 1))[0]["cursor"]
    async with await callers(await new_environment(database)) as stranger:
        for parameters in ({}, {"after": cursor}, {"limit": 1000}):
            answer = await stranger.get("/v1/changes", params=parameters)
            assert answer.json()["data"] == []
            assert row_id not in answer.text


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "all", "", "1e3", "٣"])
async def test_a_limit_that_is_no_whole_number_from_one_on_is_refused(api: Api, limit: str) -> None:
    answer = await api.get("/v1/changes", params={"limit": limit})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extra"]["path"] == ".limit"


async def test_a_limit_above_a_thousand_is_a_thousand(
    api: Api, store: Store, inside: Actor
) -> None:
    await store.load(inside, BY_NAME["patients"], [dict(PATIENT) for _ in range(1001)])

    async def full() -> bool:
        answer_page = await page(api, limit=999999999999)
        assert len(answer_page["data"]) <= 1000
        return len(answer_page["data"]) == 1000 and answer_page["meta"]["more"] is True

    await until_true(full, "a thousand changes are announced")
    assert len((await page(api))["data"]) == feed.DEFAULT
    assert len((await page(api, limit=1))["data"]) == 1


async def test_all_that_is_wrong_with_the_parameters_is_told_at_once(api: Api) -> None:
    answer = await api.get("/v1/changes?after=nonsense&limit=0&aftr=1")
    assert answer.status_code == 400
    assert [e["extra"]["path"] for e in answer.json()["errors"]] == [".after", ".limit", ".aftr"]


@pytest.mark.parametrize(
    "position",
    [feed.BEGINNING, feed.Position(1, 5, 9), feed.Position(2**31 - 1, 2**63 - 1, 2**63 - 1)],
)
def test_a_cursor_that_was_damaged_anywhere_is_refused(position: feed.Position) -> None:
    cursor = position.cursor()
    assert reread(position) == position
    damaged = {
        cursor[:n] + c + cursor[n + 1 :]
        for n in range(len(cursor))
        for c in "A9_-z"
        if c != cursor[n]
    }
    damaged |= {cursor[:n] for n in range(len(cursor))} | {
        cursor + "A",
        cursor + "====",
        " " + cursor,
        cursor.swapcase(),
    }
    for text in damaged - {cursor}:
        problems: list[Any] = []
        assert feed.position(text, ".after", problems) == feed.BEGINNING
        assert [p.extra["path"] for p in problems] == [".after"], text


@given(st.text() | st.text("ABCabc019-_=", min_size=20, max_size=60))
def test_no_text_that_was_never_given_out_is_a_cursor(text: str) -> None:
    problems: list[Any] = []
    feed.position(text, ".after", problems)
    assert len(problems) == 1


async def test_a_damaged_cursor_is_answered_with_what_to_do(api: Api) -> None:
    answer = await api.get("/v1/changes", params={"after": feed.BEGINNING.cursor()[:-1]})
    assert answer.status_code == 400
    assert "leave it out" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("all", 200),
        ("changes.read", 200),
        ("changes.read patients.write", 200),
        ("patients.read", 403),
        ("patients.write", 403),
    ],
)
async def test_the_feed_needs_its_own_scope(
    callers: Callers, environment: int, scope: str, status: int
) -> None:
    async with await callers(environment, scope) as caller:
        answer = await caller.get("/v1/changes")
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["errors"][0]["extra"] == {"scope": "changes.read"}


async def test_the_feed_is_read_with_a_token_and_get_only(api: Api) -> None:
    async with PlainHttp(base_url=api.base_url) as nobody:
        assert (await nobody.get("/v1/changes")).status_code == 401
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await api.request(method, "/v1/changes")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert (await api.get("/v1/changes/")).status_code == 200


async def test_the_change_log_cannot_be_changed_or_removed(
    raw: list[Any], environment: int
) -> None:
    connection = raw[0]
    await insert(connection, environment)
    for statement in ("UPDATE changes SET actor = 'x'", "DELETE FROM changes", "TRUNCATE changes"):
        with pytest.raises(Exception, match="never changed or removed"):
            await connection.execute(statement)


async def test_a_row_and_its_change_are_written_by_one_transaction(
    api: Api, connection: Any
) -> None:
    row_id = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    row = await connection.fetchrow(
        "SELECT p.xmin::text::bigint AS wrote, p.updated_at, c.xid, c.changed_at FROM patients p"
        " JOIN changes c ON c.environment_id = p.environment_id AND c.row_id = p.id WHERE"
        " p.environment_id = $1 AND p.id = $2",
        api.environment_id,
        row_id,
    )
    assert row["wrote"] == row["xid"] % 2**32
    assert row["updated_at"] == row["changed_at"]
