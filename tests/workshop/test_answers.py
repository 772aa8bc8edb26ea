"""Answers and records over the API, checked against the version that is published where they are
sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.errors import ApiError
from almoner.resources import BY_NAME
from almoner.workshop import published_programs
from almoner.workshop.publish import Breaks, publish
from tests.conftest import Api, Callers, new_environment

FIRST = """\
program: First
phases: [{name: intake}]
assessments:
- id: falls
  name: Falls
  sections:
  - questions:
    - {name: fell, kind: boolean, required: true}
    - {name: times, kind: integer, low: 1, required: true, shown_when: {question: fell, is: true}}
    - {name: hurt, kind: choices, choices: [head, hip, hand], shown_when: {question: times, above: 1}}
  - heading: Afterwards
    questions:
    - {name: scan, kind: date, required: true, shown_when: {question: hurt, includes: [head]}}
custom_data_types:
- {name: home, records: one, fields: [{name: steps, kind: integer, low: 0, required: true}]}
- {name: visit, records: many, fields: [{name: place, kind: text}]}
- {name: lamp, records: one, fields: [{name: room, kind: text}]}
"""
SECOND = FIRST.replace("kind: integer, low: 0", "kind: integer, low: 1").replace(
    "low: 1, required: true, shown", "low: 2, required: true, shown"
)
SINGLE_VISIT = FIRST.replace("records: many", "records: one")
MANY_HOMES = FIRST.replace("name: home, records: one", "name: home, records: many")
PATIENT = {"first_name": "Ada", "last_name": "Ng", "phase": "intake"}


async def put_in_force(database: Database, environment: int, source: str) -> None:
    """Publishes, whatever it breaks."""
    async with database.connection() as connection:
        try:
            await publish(connection, environment, source, "test")
        except Breaks as breaking:
            await publish(connection, environment, source, "test", accepting=breaking.missing)


@pytest.fixture
async def here(callers: Callers, database: Database, environment: int) -> AsyncIterator[Api]:
    await put_in_force(database, environment, FIRST)
    async with await callers(environment) as api:
        yield api


async def patient(api: Api) -> str:
    example = {f.name: f.example() for f in BY_NAME["patients"].fields if f.required and f.create}
    answer = await api.post("/v1/patients", json=example | PATIENT)
    assert answer.status_code == 200, answer.text
    row_id: str = answer.json()["id"]
    return row_id


async def answered(api: Api, user: str, model: dict[str, Any], **more: Any) -> httpx.Response:
    return await api.post(
        "/v1/assessment_responses",
        json={"user_id": user, "spec_id": "falls", "model": model, **more},
    )


async def recorded(api: Api, user: str, type_name: str, body: dict[str, Any]) -> httpx.Response:
    return await api.post(
        "/v1/custom_data_type_records", json={"user_id": user, "type_name": type_name, "body": body}
    )


def errors(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 400, answer.text
    return [{"code": error["code"], **error["extra"]} for error in answer.json()["errors"]]


async def version_of(database: Database, table: str, api: Api, row_id: str) -> int:
    async with database.connection() as connection:
        version: int = await connection.fetchval(
            f"SELECT version FROM {table} WHERE environment_id = $1 AND id = $2",
            api.environment_id,
            row_id,
        )
    return version


@pytest.mark.parametrize(
    "model",
    [
        {"fell": False},
        {"fell": False, "times": None, "scan": None},
        {"fell": True, "times": 1},
        {"fell": True, "times": 2, "hurt": ["hip"]},
        {"fell": True, "times": 2, "hurt": ["hip", "head"], "scan": "2024-02-29"},
    ],
)
async def test_answers_to_what_is_asked_are_kept_as_they_were_sent(
    here: Api, model: dict[str, Any]
) -> None:
    answer = await answered(here, await patient(here), model)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == model
    assert "version" not in answer.json()


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        ({}, [(".model.fell", "required")]),
        ({"fell": True}, [(".model.times", "required")]),
        ({"fell": False, "times": 1}, [(".model.times", "not_asked")]),
        ({"fell": True, "times": 1, "hurt": []}, [(".model.hurt", "not_asked")]),
        ({"fell": True, "times": 2, "hurt": ["head"]}, [(".model.scan", "required")]),
        ({"fell": False, "scan": "2024-02-29"}, [(".model.scan", "not_asked")]),
        (
            {"fell": True, "times": 0, "hurt": ["toe"], "fel": 1},
            [(".model.fel", "unknown_field"), (".model.times", "kind"), (".model.hurt", "kind")],
        ),
    ],
)
async def test_every_wrong_answer_is_told_with_its_path_rule_and_version(
    here: Api, database: Database, model: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    user = await patient(here)
    assert (await answered(here, user, {"fell": False})).status_code == 200
    assert errors(await answered(here, user, model)) == [
        {"code": "parse_exception", "path": path, "rule": rule, "spec": "falls", "spec_version": 1}
        for path, rule in wrong
    ]
    async with database.connection() as connection:
        text = "SELECT count(*) FROM assessment_responses WHERE environment_id = $1"
        assert await connection.fetchval(text, here.environment_id) == 1


async def test_a_refusal_says_in_words_when_the_question_is_asked(here: Api) -> None:
    answer = await answered(here, await patient(here), {"fell": True, "times": 1, "hurt": ["hip"]})
    assert (
        answer.json()["errors"][0]["detail"]
        == "Failed to parse choices at .model.hurt: it is asked only when times is above 1, which"
        " is asked only when fell is yes; leave it out"
    )


async def test_answers_and_records_keep_the_version_that_they_were_checked_against(
    here: Api, callers: Callers, database: Database
) -> None:
    user = await patient(here)
    first = (await answered(here, user, {"fell": True, "times": 1})).json()["id"]
    home = (await recorded(here, user, "home", {"steps": 0})).json()["id"]
    visit = (await recorded(here, user, "visit", {})).json()["id"]
    other = await new_environment(database)
    await put_in_force(database, other, MANY_HOMES)
    await put_in_force(database, here.environment_id, SECOND)
    # A failed check looks at what is published now, so that the next one is against the second
    # version.
    assert errors(await answered(here, user, {"fell": True, "times": 1, "scan": "x"}))
    assert errors(await answered(here, user, {"fell": True, "times": 1}))[0]["spec_version"] == 2
    older = (await answered(here, user, {"fell": True, "times": 1}, spec_version="1")).json()["id"]
    newer = (await answered(here, user, {"fell": True, "times": 2})).json()["id"]
    versions = [
        await version_of(database, "assessment_responses", here, row)
        for row in (first, older, newer)
    ]
    assert versions == [1, 1, 2]
    assert await version_of(database, "custom_data_type_records", here, home) == 1
    refused = errors(
        await here.put(f"/v1/custom_data_type_records/{home}", json={"body": {"steps": 0}})
    )
    assert refused == [
        {
            "code": "parse_exception",
            "path": ".body.steps",
            "rule": "kind",
            "type_name": "home",
            "type_version": 2,
        }
    ]
    assert (
        await here.put(f"/v1/custom_data_type_records/{home}", json={"body": {"steps": 3}})
    ).status_code == 200
    assert await version_of(database, "custom_data_type_records", here, home) == 2
    assert await version_of(database, "custom_data_type_records", here, visit) == 1
    async with database.connection() as connection:
        then = await published_programs.element(
            connection, here.environment_id, "assessment", "falls", 1
        )
        assert then is not None
        assert await published_programs.element(connection, other, "assessment", "falls", 2) is None


TAKEN = [{"code": "uniqueness_exception", "path": ".type_name"}]


async def test_a_patient_has_one_record_of_a_type_that_allows_one(here: Api) -> None:
    user, other = await patient(here), await patient(here)
    first = await recorded(here, user, "home", {"steps": 1})
    for type_name in ("visit", "visit", "lamp"):
        assert (await recorded(here, user, type_name, {})).status_code == 200
    assert (await recorded(here, other, "home", {"steps": 1})).status_code == 200
    again = await recorded(here, user, "home", {"steps": 2})
    assert errors(again) == TAKEN
    assert (
        again.json()["errors"][0]["detail"]
        == "A patient has one record of this type, and this patient has it already; update it."
    )
    assert (
        await here.put(
            f"/v1/custom_data_type_records/{first.json()['id']}", json={"body": {"steps": 2}}
        )
    ).status_code == 200


async def test_of_many_first_records_at_the_same_time_one_is_kept(here: Api) -> None:
    user = await patient(here)
    answers = await asyncio.gather(*(recorded(here, user, "home", {"steps": n}) for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200, *[400] * 11]
    assert [errors(answer) for answer in answers if answer.status_code == 400] == [TAKEN] * 11


async def test_the_same_holds_for_many_rows_at_once_and_for_writers_inside_the_house(
    here: Api, store: Store
) -> None:
    records, by = (
        BY_NAME["custom_data_type_records"],
        Actor(here.environment_id, "test", "cli", "test", whole=True),
    )
    ada, bob, cleo = await patient(here), await patient(here), await patient(here)
    assert (await recorded(here, ada, "home", {"steps": 1})).status_code == 200

    def row(user: str, type_name: str = "home") -> dict[str, Any]:
        return {
            "user_id": user,
            "type_name": type_name,
            "body": {"steps": 1} if type_name == "home" else {},
        }

    with pytest.raises(ApiError) as refused:
        await store.create(by, records, row(ada))
    assert [(p.code, p.extra["path"]) for p in refused.value.problems] == [
        ("uniqueness_exception", ".type_name")
    ]
    batch = [row(bob), row(ada, "visit"), row(ada), row(ada, "visit"), row(bob), row(cleo)]
    with pytest.raises(ApiError) as many:
        await store.load(by, records, batch)
    assert [(p.code, p.extra["path"]) for p in many.value.problems] == [
        ("uniqueness_exception", "[2].type_name"),
        ("uniqueness_exception", "[4].type_name"),
    ]
    assert (
        await store.load(by, records, [row(bob), row(ada, "visit"), row(ada, "visit"), row(cleo)])
        == 4
    )
    loads = await asyncio.gather(
        *(store.load(by, records, [row(ada, "lamp"), row(bob, "lamp")]) for _ in range(4)),
        return_exceptions=True,
    )
    assert [load for load in loads if isinstance(load, int)] == [2]
    assert all(
        isinstance(load, ApiError) and load.problems[0].code == "uniqueness_exception"
        for load in loads
        if load != 2
    )


async def test_a_type_that_comes_to_allow_one_record_keeps_those_that_are_there(
    here: Api, database: Database
) -> None:
    user, other = await patient(here), await patient(here)
    first, second = [(await recorded(here, user, "visit", {})).json()["id"] for _ in range(2)]
    await put_in_force(database, here.environment_id, SINGLE_VISIT)
    # Until this server has looked again, what is sent is checked against what it knows.
    assert errors(await recorded(here, user, "visit", {"plce": "x"}))
    assert errors(await recorded(here, user, "visit", {})) == TAKEN
    assert (await recorded(here, other, "visit", {})).status_code == 200
    assert errors(await recorded(here, other, "visit", {})) == TAKEN
    for row in (first, second):
        assert (
            await here.put(f"/v1/custom_data_type_records/{row}", json={"body": {"place": "x"}})
        ).status_code == 200


async def test_a_type_that_comes_to_allow_many_takes_more(here: Api, database: Database) -> None:
    user = await patient(here)
    assert (await recorded(here, user, "home", {"steps": 1})).status_code == 200
    await put_in_force(database, here.environment_id, MANY_HOMES)
    assert errors(await recorded(here, user, "home", {}))
    for _ in range(2):
        assert (await recorded(here, user, "home", {"steps": 1})).status_code == 200
