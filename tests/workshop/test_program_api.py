"""``GET /v1/program``: an integration reads what the API checks against, and learns when it
changes.
"""

from __future__ import annotations

import httpx
import jsonschema
import pytest

from almoner.database import Database
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from tests.conftest import Api, Callers, new_environment

FIRST = """\
program: First
phases: [{name: intake, next: []}]
assessments:
- id: mood
  name: Mood
  sections:
  - questions:
    - {name: low, kind: boolean, required: true}
    - {name: why, kind: text, required: true, shown_when: {question: low, is: true}}
custom_data_types:
- {name: drug, records: one, fields: [{name: dose, kind: integer, low: 1, required: true}]}
terminology: {patient: member}
"""
SECOND = FIRST.replace("low: 1,", "low: 2,").replace("program: First", "program: Second")


async def published(database: Database, environment: int, *sources: str) -> None:
    async with database.connection() as connection:
        for source in sources:
            await publish(connection, environment, source, "test")


def refused(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    [error] = answer.json()["errors"]
    problem: dict[str, object] = error
    return problem


async def test_the_program_is_answered_in_the_files_form_with_its_versions(
    callers: Callers, database: Database, environment: int
) -> None:
    await published(database, environment, FIRST, SECOND)
    async with await callers(environment, "program.read") as api:
        program = (await api.get("/v1/program")).json()
        assert list(program)[:3] == ["version", "published_at", "program"]
        assert (program["version"], program["program"], program["terminology"]) == (
            2,
            "Second",
            {"patient": "member"},
        )
        assert program["phases"] == [{"name": "intake", "next": []}]
        [mood] = program["assessments"]
        [drug] = program["custom_data_types"]
        assert (mood["version"], drug["version"], drug["records"]) == (1, 2, "one")
        assert mood["sections"][0]["questions"][1]["shown_when"] == {"question": "low", "is": True}
        older = (await api.get("/v1/program?version=1")).json()
        assert (older["version"], older["program"], older["custom_data_types"][0]["version"]) == (
            1,
            "First",
            1,
        )
        assert older["published_at"] < program["published_at"]


async def test_the_schema_of_each_part_says_what_fits_it(
    callers: Callers, database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    async with await callers(environment) as api:
        program = (await api.get("/v1/program")).json()
    model, body = program["assessments"][0]["schema"], program["custom_data_types"][0]["schema"]
    for schema in (model, body):
        jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"low": False}, model)
    for wrong in ({}, {"low": 1}, {"low": True, "lo": True}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, model)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"dose": 0}, body)


async def test_an_unchanged_program_is_not_sent_again(
    callers: Callers, database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    async with await callers(environment) as api:
        first = await api.get("/v1/program")
        tag = first.headers["etag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            again = await api.get("/v1/program", headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (
            await api.get("/v1/program", headers={"If-None-Match": '"other"'})
        ).status_code == 200
        await published(database, environment, SECOND)
        changed = await api.get("/v1/program", headers={"If-None-Match": tag})
        assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)
        assert (await api.get("/v1/program?version=1")).content == first.content


async def test_the_enveloped_shape_wraps_it_in_data(callers: Callers, program: int) -> None:
    async with (
        await callers(program, shape="enveloped") as enveloped,
        await callers(program) as documented,
    ):
        assert (await enveloped.get("/v1/program/")).json() == {
            "data": (await documented.get("/v1/program/")).json()
        }


async def test_each_client_sees_the_program_of_its_own_environment(
    callers: Callers, database: Database, environment: int
) -> None:
    other, empty = await new_environment(database), await new_environment(database)
    await published(database, environment, FIRST)
    await published(database, other, kiwi_health.source(), SECOND, FIRST)
    async with (
        await callers(environment) as api,
        await callers(other) as noise,
        await callers(empty) as nothing,
    ):
        assert (await api.get("/v1/program")).json()["version"] == 1
        assert (await noise.get("/v1/program")).json()["version"] == 3
        assert (
            refused(await api.get("/v1/program?version=2"), 404)["detail"]
            == "There is no such version of the program. The newest is 1."
        )
        assert (
            refused(await nothing.get("/v1/program"), 404)["detail"]
            == "No program has been published yet."
        )
        assert refused(await nothing.get("/v1/program?version=1"), 404)["code"] == "not_found"


@pytest.mark.parametrize(
    "scope", ["changes.read", "patients.read patients.write", "subscriptions.read"]
)
async def test_another_scope_does_not_cover_it(callers: Callers, program: int, scope: str) -> None:
    async with await callers(program, scope) as api:
        assert refused(await api.get("/v1/program"), 403)["extra"] == {"scope": "program.read"}


async def test_it_is_read_and_nothing_else(api: Api) -> None:
    head = await api.head("/v1/program")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == (await api.get("/v1/program")).headers["etag"]
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await api.request(method, "/v1/program")
        assert (refused(answer, 405)["code"], answer.headers["allow"]) == (
            "method_not_allowed",
            "GET",
        )
    api.headers["Authorization"] = "Bearer none"
    assert refused(await api.get("/v1/program"), 401)["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("query", "status", "path"),
    [
        ("version=0", 400, ".version"),
        ("version=-1", 400, ".version"),
        ("version=", 400, ".version"),
        ("version=one", 400, ".version"),
        ("version=%D9%A3", 400, ".version"),
        ("vresion=1", 400, ".vresion"),
        ("version=2147483648", 404, None),
        (f"version={'9' * 5000}", 404, None),
    ],
)
async def test_a_version_that_does_not_fit_is_refused(
    api: Api, query: str, status: int, path: str | None
) -> None:
    extra = refused(await api.get(f"/v1/program?{query}"), status)["extra"]
    assert isinstance(extra, dict)
    assert extra.get("path") == path
