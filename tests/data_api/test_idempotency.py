"""``Idempotency-Key``: what was done under a key is done once, and answered as before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from almoner.data_api import idempotency
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop import kiwi_health
from tests.cases import every_case
from tests.conftest import Api, Callers, new_environment
from tests.contract.rows import Place, another, errors, only_row
from tests.programs import published

PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}
WITH_CONTACT = PATIENT | {
    "phone": "555-555-0100",
    "email": "grace@example.org",
    "external_ids": [{"namespace": "clinic", "external_id": "A-17"}],
}
_HEADERS = ("etag", "x-ignored-fields")


@pytest.fixture
async def place(api: Api, inside: Actor, store: Store) -> Place:
    return Place(api, inside, store)


@pytest.fixture
async def elsewhere(callers: Callers, database: Database) -> AsyncIterator[Api]:
    other = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, other, kiwi_health.source())
    async with await callers(other) as caller:
        yield caller


def under(key: str) -> dict[str, str]:
    return {"Idempotency-Key": f'"{key}"'}


def repeated(answer: httpx.Response) -> tuple[Any, ...]:
    return answer.status_code, answer.content, *(answer.headers.get(name) for name in _HEADERS)


async def changes(connection: Any, environment: int) -> int:
    number: int = await connection.fetchval(
        "SELECT count(*) FROM changes WHERE environment_id = $1", environment
    )
    return number


@pytest.mark.house
async def test_every_write_is_done_once_and_answered_as_before(
    place: Place, callers: Callers, connection: Any, program: int
) -> None:
    async with await callers(program, shape="enveloped") as enveloped:
        with every_case() as cases:
            for resource in RESOURCES:
                for verb in {Verb.CREATE, Verb.UPDATE, Verb.DELETE} & set(resource.verbs):
                    for caller in (place.api, enveloped):
                        request = await _request(place, resource, verb, caller is enveloped)
                        with cases.case(verb.name, resource.name, caller is enveloped):
                            first = await caller.send(request(caller))
                            before = await changes(connection, program)
                            again = await caller.send(request(caller))
                            assert first.status_code == 200, first.text
                            assert repeated(first) == repeated(again)
                            replayed = [
                                a.headers.get("idempotent-replayed") for a in (first, again)
                            ]
                            assert replayed == [None, "true"]
                            assert await changes(connection, program) == before


async def _request(
    place: Place, resource: Resource, verb: Verb, is_short: bool
) -> Callable[[Api], httpx.Request]:
    """Makes a request of this verb with a key. Where ``is_short``, an Update names what it must, and
    nothing is named that the enveloped shape has not.
    """
    path = f"/v1/{resource.name}"
    body: dict[str, Any] | None = None
    if verb is Verb.CREATE:
        body = await place.body(resource)
    else:
        row = await place.make(resource.name)
        path = f"{path}/{row['id']}"
        if verb is Verb.UPDATE:
            needed = {f.name for f in resource.fields if f.update_required}
            body = {name: row[name] for name in row if not is_short or name in needed}
            body |= another(resource, row)
    if is_short and body is not None:
        later = {f.name for f in resource.fields if f.not_enveloped}
        body = {name: value for name, value in body.items() if name not in later}
    headers = under(f"{verb.name}-{resource.name}")
    return lambda caller: caller.build_request(verb.value, path, json=body, headers=headers)


async def test_what_changed_meanwhile_changes_nothing_of_the_answer(api: Api) -> None:
    created = await api.post("/v1/patients", json=WITH_CONTACT, headers=under("a"))
    path = f"/v1/patients/{created.json()['id']}"
    condition = {"If-Match": created.headers["etag"]}
    renamed = await api.put(path, json={"first_name": "Ada"}, headers=under("b") | condition)
    assert renamed.json()["first_name"] == "Ada"
    # Neither its external id, taken by itself, nor its tag, which was another then, refuses it.
    assert repeated(
        await api.post("/v1/patients", json=WITH_CONTACT, headers=under("a"))
    ) == repeated(created)
    again = await api.put(path, json={"first_name": "Ada"}, headers=under("b") | condition)
    assert repeated(again) == repeated(renamed)
    without = await api.post("/v1/patients", json=WITH_CONTACT)
    assert errors(without, 400) == [("uniqueness_exception", ".external_ids[0].external_id")]


async def test_another_request_under_the_same_key_is_refused(api: Api) -> None:
    created = only_row(await api.post("/v1/patients", json=PATIENT, headers=under("a")))
    other = only_row(await api.post("/v1/patients", json=PATIENT))
    path = f"/v1/patients/{created['id']}"
    await api.put(path, json={"first_name": "Ada"}, headers=under("b"))
    reused = [("idempotency_key_reused", None)]
    with every_case() as cases:
        for name, answer in {
            "body": api.post("/v1/patients", json=PATIENT | {"city": "Yale"}, headers=under("a")),
            "collection": api.post("/v1/messages", json={}, headers=under("a")),
            "method": api.put(path, json=PATIENT, headers=under("a")),
            "row": api.put(
                f"/v1/patients/{other['id']}", json={"first_name": "Ada"}, headers=under("b")
            ),
            "condition": api.put(
                path, json={"first_name": "Ada"}, headers=under("b") | {"If-Match": '"x"'}
            ),
        }.items():
            with cases.case(name):
                assert errors(await answer, 422) == reused
    assert only_row(await api.get(f"/v1/patients/{other['id']}")) == other
    # The slash at the end, the case of an id and the quotes of the key make no other request.
    for path_again in (f"{path}/", f"/v1/patients/{created['id'].upper()}"):
        again = await api.put(
            path_again, json={"first_name": "Ada"}, headers={"Idempotency-Key": "b"}
        )
        assert again.json()["id"] == created["id"]


async def test_a_key_is_of_its_client_and_environment(
    api: Api, callers: Callers, elsewhere: Api
) -> None:
    async with await callers(api.environment_id) as neighbour:
        rows = [
            only_row(await caller.post("/v1/patients", json=PATIENT, headers=under("a")))["id"]
            for caller in (api, neighbour, elsewhere, api)
        ]
    assert len(set(rows)) == 3
    assert rows[0] == rows[3]


async def test_of_many_at_once_one_is_done_and_all_are_answered(
    api: Api, connection: Any, program: int
) -> None:
    for body in (PATIENT, WITH_CONTACT):
        key = under(str(len(body)))
        answers = await asyncio.gather(
            *(api.post("/v1/patients", json=body, headers=key) for _ in range(8))
        )
        assert {repeated(answer) for answer in answers} == {repeated(answers[0])}
        assert answers[0].status_code == 200
    assert (
        await connection.fetchval(
            "SELECT count(*) FROM patients WHERE environment_id = $1", program
        )
        == 2
    )


async def test_of_many_who_delete_at_once_all_are_answered(place: Place) -> None:
    row = await place.make("patient_tasks")
    answers = await asyncio.gather(
        *(
            place.api.delete(f"/v1/patient_tasks/{row['id']}", headers=under("gone"))
            for _ in range(8)
        )
    )
    assert [only_row(answer) for answer in answers] == [row] * 8
    gone = await place.api.delete(f"/v1/patient_tasks/{row['id']}", headers=under("again"))
    assert errors(gone, 404) == [("not_found", None)]


async def test_what_was_refused_is_not_remembered(api: Api) -> None:
    await api.post("/v1/patients", json=WITH_CONTACT)
    refusals = [
        await api.post("/v1/patients", json=body, headers=under("a"))
        for body in (PATIENT | {"phase": "none"}, PATIENT | {"age": 3}, WITH_CONTACT)
    ]
    assert [answer.status_code for answer in refusals] == [400] * 3
    mended = await api.post("/v1/patients", json=PATIENT, headers=under("a"))
    assert only_row(mended)["first_name"] == "Grace"
    path = f"/v1/patients/{mended.json()['id']}"
    stale = await api.put(path, json={}, headers=under("b") | {"If-Match": '"2001-01-01"'})
    assert stale.status_code == 412
    assert (await api.put(path, json={}, headers=under("b"))).status_code == 200


async def test_who_may_only_write_is_answered_with_the_id_again(
    callers: Callers, program: int
) -> None:
    async with await callers(program, scope="patients.write") as writer:
        answers = [
            await writer.post("/v1/patients", json=PATIENT, headers=under("a")) for _ in range(2)
        ]
    assert repeated(answers[0]) == repeated(answers[1])
    assert list(only_row(answers[0])) == ["id"]


async def test_a_key_that_is_none_is_refused(api: Api) -> None:
    with every_case() as cases:
        for key in ("", '""', "a b", '"a', "a\x7fb", "k" * 256):
            with cases.case(key):
                answer = await api.post(
                    "/v1/patients", json=PATIENT, headers={"Idempotency-Key": key}
                )
                assert errors(answer, 400) == [("bad_request", None)]
    assert (await api.get("/v1/patients", headers={"Idempotency-Key": ""})).status_code == 200


async def test_after_a_day_a_key_is_forgotten_as_others_are_used(
    api: Api, elsewhere: Api, connection: Any
) -> None:
    for caller in (api, elsewhere):
        await caller.post("/v1/patients", json=PATIENT, headers=under("a"))
    await api.post("/v1/patients", json=PATIENT, headers=under("young"))
    await connection.execute(
        "UPDATE idempotency_keys SET stored_at = stored_at - interval '25 hours' WHERE key = $1",
        idempotency.parse("", b"a").key,
    )
    other = PATIENT | {"first_name": "Ada"}
    assert (await api.post("/v1/patients", json=other, headers=under("b"))).status_code == 200
    assert (
        only_row(await api.post("/v1/patients", json=other, headers=under("a")))["first_name"]
        == "Ada"
    )
    assert errors(await api.post("/v1/patients", json=other, headers=under("young")), 422)
    # Nobody clears away what is another environment's.
    assert errors(await elsewhere.post("/v1/patients", json=other, headers=under("a")), 422)


async def test_a_key_costs_one_statement_and_no_key_none(
    store: Store, program: int, sent: list[str]
) -> None:
    plain = Actor(program, "client:test", "api", "test")
    client = "7d7bb42a-5b58-4d5c-9c0a-3b8f4f6d1c11"

    async def statements_of(key: str) -> dict[str, int]:
        """How many each write sends; the key is of the write, where there is one."""
        counts: dict[str, int] = {}

        def by(name: str) -> Actor:
            sent.clear()
            once = idempotency.parse(client, f"{key}{name}".encode(), name.encode())
            return replace(plain, once=once) if key else plain

        patients, tasks = BY_NAME["patients"], BY_NAME["patient_tasks"]
        row = await store.create(by("create"), patients, dict(PATIENT))
        counts["create"] = len(sent)
        await store.create(by("related"), patients, PATIENT | {"phone": "555-555-0100"})
        counts["related"] = len(sent)
        name = {"first_name": "Ada"}
        await store.update(by("update"), patients, row.id, name, None)
        counts["update"] = len(sent)
        await store.update(by("nothing"), patients, row.id, {}, None)
        counts["nothing"] = len(sent)
        whole = {f.name: f.example() for f in tasks.writable if f.required} | {"user_id": row.id}
        task = await store.create(replace(plain, whole=True), tasks, whole)
        await store.delete(by("delete"), tasks, task.id, None)
        counts["delete"] = len(sent)
        return counts

    await statements_of("")  # what is read once a process is read by now
    without = await statements_of("")
    assert (without["create"], without["update"], without["nothing"]) == (1, 1, 1)
    with_key = await statements_of("k")
    assert with_key == {name: count + 1 for name, count in without.items()}
