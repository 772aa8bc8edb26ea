"""Nothing of a patient leaves by the API without a trace: every verb of every declaration, in both
shapes.
"""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest

from almoner.data_api.declare import Resource, Verb
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.workshop import kiwi_health
from tests.conftest import Api, Callers, new_environment
from tests.contract.rows import Place
from tests.programs import published
from tests.trailing import Answers

SHAPES = ("documented", "enveloped")
_letters = itertools.product("abcdefghij", repeat=3)


async def patient_of(place: Place, database: Database) -> str:
    """A new patient with a surname of their own."""
    row = await place.make("patients", last_name="Zq" + "".join(next(_letters)))
    return str(row["id"])


async def _own(database: Database, environment: int) -> frozenset[str]:
    async with database.connection() as connection:
        return frozenset(
            await connection.fetchval(
                "SELECT array_agg(id::text) FROM patients WHERE environment_id = $1", environment
            )
            or ()
        )


async def surnames(database: Database) -> dict[str, str]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT last_name, id::text FROM patients WHERE last_name LIKE 'Zq%'"
        )
    return {row["last_name"]: row["id"] for row in rows}


async def _place(
    callers: Callers, database: Database, store: Store, shape: str = "documented"
) -> Place:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await published(connection, environment, kiwi_health.source())
    return Place(
        await callers(environment, "all", shape),
        Actor(environment, "test", "cli", "test", whole=True),
        store,
    )


async def rows_of(place: Place, database: Database) -> dict[str, list[str]]:
    """Three rows of every collection, each of a patient of its own where it is of one; mappings of
    patients among them.
    """
    ids_of: dict[str, list[str]] = {}
    for resource in RESOURCES:
        ids = ids_of.setdefault(resource.name, [])
        for _ in range(3):
            values: dict[str, Any] = {}
            if resource.patient == "id":
                ids.append(await patient_of(place, database))
                continue
            if resource.patient:
                values["user_id"] = await patient_of(place, database)
            if resource.any_reference:
                values |= {"resource": "patients", "welkin_id": await patient_of(place, database)}
            ids.append((await place.make(resource.name, **values))["id"])
    # Rows that are about nobody, between those that are.
    await place.make(
        "external_ids", resource="workers", welkin_id=ids_of["workers"][0], namespace="hr"
    )
    await place.make("integration_tasks", user_id=None)
    return ids_of


async def walk(
    api: Api, place: Place, resource: Resource, ids: list[str], answers: Answers, label: str
) -> None:
    """Asks for everything that the collection offers."""
    path, own, n = f"/v1/{resource.name}", f"/v1/{resource.name}/{ids[0]}", len(ids)

    async def ask(method: str, where: str, **sent: Any) -> httpx.Response:
        answer = await api.request(method, where, **sent)
        answers.take(f"{label} {method} {where} {sent}"[:150], answer)
        return answer

    got = await ask("GET", own)
    for query in ("", "?page[size]=1000", "?page[size]=1", f"?page[size]={n - 1}"):
        await ask("GET", path + query)
    await ask("POST", f"{path}/find", json={"page[size]": 2})
    tag = {"If-None-Match": got.headers.get("etag", "")}
    await ask("GET", own, headers=tag)
    if Verb.UPDATE in resource.verbs:
        await ask("PUT", own, json={})
        await ask("PUT", own, json={"id": ids[0], "created_at": "2001-01-01T00:00:00+00:00"})
        await ask("PUT", own, json={}, headers={"If-Match": got.headers.get("etag", "")})
        await ask("PUT", own, json={}, headers={"If-Match": '"2001-01-01T00:00:00+00:00"'})
        await ask("PUT", own, json={"no such field": 1})
        await ask("PUT", own, content=b"{")
        row = got.json() if got.status_code == 200 else {}
        row = row.get("data", row)
        await ask(
            "PUT",
            own,
            json={f.name: row[f.name] for f in resource.fields if f.update and f.name in row},
        )
        await ask(
            "PUT",
            own,
            json={f.name: {"never": "this"} for f in resource.fields if f.update and f.returned},
        )
    if Verb.CREATE in resource.verbs:
        await ask("POST", path, json={})
        body = await place.body(resource)
        await ask("POST", path, json=body)
        await ask("POST", path, json=body)
    if Verb.DELETE in resource.verbs:
        await ask("DELETE", own, headers={"If-Match": '"2001-01-01T00:00:00+00:00"'})
        await ask("DELETE", own)


@pytest.mark.slow
async def test_whoever_an_answer_tells_of_is_in_the_trail(
    callers: Callers, database: Database, store: Store
) -> None:
    elsewhere = await _place(callers, database, store)
    await rows_of(elsewhere, database)
    for shape in SHAPES:
        place = await _place(callers, database, store)
        rows = await rows_of(place, database)
        known = await surnames(database)
        environment = place.inside.environment_id
        for scope in ("all", "*.write"):
            granted = (
                scope
                if scope == "all"
                else " ".join(f"{r.name}.write" for r in RESOURCES if Verb.UPDATE in r.verbs)
            )
            api = await callers(environment, granted, shape)
            own = await _own(database, environment)
            answers = Answers(environment, own, known)
            for resource in RESOURCES:
                ids = (
                    rows[resource.name][1:]
                    if scope == "all" and Verb.DELETE in resource.verbs
                    else rows[resource.name]
                )
                await walk(
                    api,
                    place,
                    resource=resource,
                    ids=ids,
                    answers=answers,
                    label=f"{shape} {scope}",
                )
            for path in (
                "/v1/changes?limit=1000",
                "/v1/changes?limit=3",
                "/v1/changes?include=rows&limit=1000",
                "/v1/program",
                "/v1/subscriptions",
            ):
                answers.take(f"{shape} {scope} {path}", await api.get(path))
            answers.own = await _own(database, environment)
            answers.surnames = await surnames(database)
            assert await answers.faults(database) == []
            assert sum(len(entry.ids) > 0 for entry in answers.disclosures) > (
                60 if scope == "all" else 3
            )


async def test_a_put_that_changes_nothing_is_noted_as_a_get(api: Api, database: Database) -> None:
    patient = (await api.post("/v1/patients", json=_PATIENT)).json()["id"]
    answer = await api.put(f"/v1/patients/{patient}", json={"id": patient})
    assert answer.json()["id"] == patient
    assert await _entries(database, answer) == [("get", "patients", [patient])]
    (change,) = [
        row
        for row in (await api.get("/v1/changes")).json()["data"]
        if row["resource"] == "patients"
    ]
    assert change["kind"] == "create"


async def test_a_page_of_mappings_is_noted_for_those_whom_it_shows_and_for_nobody_else(
    api: Api, database: Database
) -> None:
    ids = []
    for n in range(3):
        ids.append((await api.post("/v1/patients", json=_PATIENT)).json()["id"])
        body = {
            "resource": "patients",
            "namespace": "clinic",
            "external_id": f"MRN-{n}",
            "welkin_id": ids[-1],
        }
        assert (await api.post("/v1/external_ids", json=body)).status_code == 200
    answer = await api.get("/v1/external_ids", params={"page[size]": 2})
    assert [row["welkin_id"] for row in answer.json()[0]["data"]] == ids[:2]
    assert await _entries(database, answer) == [("find", "external_ids", sorted(ids[:2]))]


_PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}


async def _entries(database: Database, answer: httpx.Response) -> list[tuple[str, str, list[str]]]:
    """What the trail says of the reading of one request, once it has been written."""
    for _ in range(300):
        async with database.connection() as connection:
            rows = await connection.fetch(
                "SELECT verb, resource, almoner_ids(patients)::text[] AS ids FROM audit_reads WHERE"
                " request_id = $1",
                answer.headers["x-request-id"],
            )
            if rows:
                return [(row["verb"], row["resource"], sorted(row["ids"])) for row in rows]
            await connection.execute("SELECT pg_sleep(0.02)")
    pytest.fail("nothing was noted")
