"""``GET /v1/digest``: whoever keeps a copy knows whether it is whole, and finds what differs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from almoner.data_api.digest import MOST_ROWS
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop import kiwi_health
from tests.cases import every_case
from tests.conftest import Api, Callers, new_environment
from tests.contract.rows import Place, errors, only_row
from tests.programs import published

PAGE = Path(__file__).parents[2] / "docs" / "digest.md"
PATIENT = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
}
NONE = "0" * 16


class Rows(msgspec.Struct):
    data: list[msgspec.Raw]


class Key(msgspec.Struct):
    id: str
    updated_at: str = ""


@pytest.fixture(scope="module")
def written() -> dict[str, Callable[..., Any]]:
    """What the page of the docs defines, once it has run: its own examples are asserted in it."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102  # it is ours
    return names


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


async def digest(api: Api, resource: str = "patients", **parameters: str) -> dict[str, Any]:
    answer = only_row(await api.get("/v1/digest", params={"resource": resource, **parameters}))
    assert answer["meta"]["complete_until"]
    data: dict[str, Any] = answer["data"]
    return data


async def raw_rows(api: Api, resource: str, **parameters: str) -> list[bytes]:
    """The rows of a Find, byte for byte."""
    answer = await api.get(f"/v1/{resource}", params=parameters)
    assert answer.status_code == 200, answer.text
    body = answer.content
    page = msgspec.json.decode(body[1:-1] if body.startswith(b"[") else body, type=Rows)
    return [bytes(row) for row in page.data]


async def test_a_digest_is_what_the_docs_compute_of_the_rows_that_find_gives(
    place: Place, callers: Callers, elsewhere: Api, program: int, written: dict[str, Any]
) -> None:
    await elsewhere.post("/v1/patients", json=PATIENT)
    for resource in RESOURCES:
        for _ in range(2):
            await place.make(resource.name)
    odd = {"first_name": 'Zoë "\\"\b\f\n\r\t\x1f\x7f/ 😀', "external_ids": []}
    only_row(await place.api.post("/v1/patients", json=PATIENT | odd))
    async with await callers(program, shape="enveloped") as enveloped:
        with every_case() as cases:
            for resource in RESOURCES:
                for caller in (place.api, enveloped):
                    with cases.case(resource.name, caller is enveloped):
                        rows = await raw_rows(caller, resource.name, **{"page[size]": "1000"})
                        by_json = [written["by_json"](row) for row in rows]
                        now = await digest(caller, resource.name)
                        assert now == {
                            "resource": resource.name,
                            "by": "json",
                            "count": len(rows),
                            "digest": written["digest"](list(reversed(by_json))),
                        }
                        assert now["count"] >= 2
                        parts = await digest(caller, resource.name, prefix="")
                        assert {entry["digest"] for entry in parts["rows"]} == {
                            f"{hashed:016x}" for hashed in by_json
                        }
                        keys = [msgspec.json.decode(row, type=Key) for row in rows]
                        if "updated_at" not in msgspec.json.decode(rows[0]):
                            continue
                        version = await digest(caller, resource.name, by="version")
                        assert version["digest"] == written["digest"](
                            [written["by_version"](key.id, key.updated_at) for key in keys]
                        )


async def test_every_change_gives_another_digest_and_what_is_none_does_not(
    api: Api, elsewhere: Api
) -> None:
    before = [await digest(api), await digest(api, by="version")]
    assert [(entry["count"], entry["digest"]) for entry in before] == [(0, NONE)] * 2
    assert await digest(api, prefix="") == before[0] | {"prefix": "", "rows": []}
    first = only_row(await api.post("/v1/patients", json=PATIENT))
    known = [await digest(api), await digest(api, by="version")]
    await elsewhere.post("/v1/patients", json=PATIENT)
    await api.put(f"/v1/patients/{first['id']}", json={})
    assert [await digest(api), await digest(api, by="version")] == known
    await api.put(f"/v1/patients/{first['id']}", json={"city": "Yale"})
    changed = [await digest(api), await digest(api, by="version")]
    assert all(now["digest"] != then["digest"] for now, then in zip(changed, known, strict=True))


async def test_it_takes_the_span_the_filters_and_the_scope_of_a_find(
    api: Api, callers: Callers, program: int
) -> None:
    rows = [
        only_row(await api.post("/v1/patients", json=PATIENT | {"first_name": name}))
        for name in ("Ada", "Grace", "Ada")
    ]
    whole = await digest(api, prefix="")
    by_id = {entry["id"]: int(entry["digest"], 16) for entry in whole["rows"]}

    def of(*numbers: int) -> tuple[int, str]:
        total = sum(by_id[rows[n]["id"]] for n in numbers) % 2**64
        return len(numbers), f"{total:016x}"

    with every_case() as cases:
        for numbers, asked in (
            ((0, 2), {"first_name": "Ada", "last_name": "Hopper"}),
            ((1, 2), {"page[from]": rows[1]["updated_at"]}),
            ((0, 1), {"page[to]": rows[1]["updated_at"]}),
            ((1,), {"ids": rows[1]["id"], "by": "json"}),
            ((), {"first_name": "Nobody"}),
        ):
            for prefix in ({}, {"prefix": ""}):
                with cases.case(asked, prefix):
                    answer = await digest(api, **asked, **prefix)
                    assert (answer["count"], answer["digest"]) == of(*numbers)
    async with await callers(program, scope="messages.read") as other:
        refused = await other.get("/v1/digest", params={"resource": "patients"})
        assert refused.json()["errors"][0]["extra"] == {"scope": "patients.read"}


async def test_what_differs_is_found_down_the_tree(
    api: Api, store: Store, inside: Actor, elsewhere: Api, written: dict[str, Any]
) -> None:
    count = MOST_ROWS + 300
    ids = [f"0193a1{n % 7:02x}-{n:04x}-7000-8000-{n * 7919:012x}" for n in range(count)]
    rows = [PATIENT | {"id": row_id} for row_id in ids]
    await store.load(inside, BY_NAME["patients"], rows)
    for by in ("json", "version"):
        top = await digest(api, prefix="", by=by)
        assert (top["count"], len(top["children"])) == (count, 7)
        assert [child["prefix"] for child in top["children"]] == [
            f"0193a1{n:02x}" for n in range(7)
        ]
        sums = [int(child["digest"], 16) for child in top["children"]]
        assert top["digest"] == written["digest"](sums)
        whole = await digest(api, by=by)
        assert (whole["count"], whole["digest"]) == (count, top["digest"])
    before = await digest(api, prefix="")
    only_row(await api.put(f"/v1/patients/{ids[777]}", json={"city": "Yale"}))
    after = await digest(api, prefix="")
    (differing,) = [
        now["prefix"]
        for then, now in zip(before["children"], after["children"], strict=True)
        if then != now
    ]
    assert ids[777].replace("-", "").startswith(differing)
    below = await digest(api, prefix=differing)
    assert [entry["id"] for entry in below["rows"]] == sorted(
        row_id for row_id in ids if row_id.replace("-", "").startswith(differing)
    )
    row = await digest(api, prefix=ids[777].replace("-", ""))
    (raw,) = await raw_rows(api, "patients", ids=ids[777])
    assert row["rows"] == [{"id": ids[777], "digest": f"{written['by_json'](raw):016x}"}]
    assert (await digest(api, prefix="ff"))["rows"] == []
    assert (await digest(elsewhere, prefix=""))["rows"] == []


async def test_parameters_that_do_not_fit_are_refused_by_name(api: Api) -> None:
    with every_case() as cases:
        for asked, path in (
            ({}, ".resource"),
            ({"resource": "patient"}, ".resource"),
            ({"resource": "patients", "prefix": "0g"}, ".prefix"),
            ({"resource": "patients", "prefix": "0" * 33}, ".prefix"),
            ({"resource": "patients", "by": "hash"}, ".by"),
            ({"resource": "patients", "page[size]": "3"}, ".page[size]"),
            ({"resource": "patients", "age": "3"}, ".age"),
            ({"resource": ["patients", "messages"]}, ".resource"),
        ):
            with cases.case(asked):
                answer = await api.get("/v1/digest", params=asked)
                assert errors(answer, 400) == [("parse_exception", path)]
    assert (await api.post("/v1/digest", json={})).headers["allow"] == "GET"
