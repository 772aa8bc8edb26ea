"""Rows as lines (``Accept: application/x-ndjson``): what Find gives, for whoever reads all of it."""

from __future__ import annotations

from typing import Any

import pytest

from almoner.access import audit
from almoner.data_api import find
from almoner.database import Database
from tests.changes.writing import until_true
from tests.conftest import Api, Callers
from tests.contract.rows import Place, errors

LINES = {"Accept": "application/x-ndjson"}
BODY = {
    "phase": "intake",
    "timezone": "US/Pacific",
    "first_name": 'Zoë\n"Z"\\',
    "birthday": "1906-12-09",
}


async def pages(api: Api, path: str, **parameters: Any) -> list[list[bytes]]:
    """The lines of each page, the next one by the header."""
    pages = []
    answer = await api.get(path, params=parameters, headers=LINES)
    while True:
        assert (answer.status_code, answer.headers["content-type"]) == (200, LINES["Accept"])
        assert answer.content == b"" or answer.content.endswith(b"\n")
        pages.append(answer.content.splitlines())
        if "next" not in answer.links:
            return pages
        answer = await api.get(answer.links["next"]["url"], headers=LINES)


@pytest.mark.parametrize("shape", ["documented", "enveloped"])
async def test_lines_are_the_rows_of_find_to_the_byte_under_its_filters_and_nobody_elses(
    shape: str, callers: Callers, program: int, elsewhere: Place
) -> None:
    async with await callers(program, "all", shape) as api:
        for caller, count in ((api, 7), (elsewhere.api, 3)):
            rows = [BODY | {"last_name": f"Ö{n % 2}"} for n in range(count)]
            answer = await caller.post("/v1/patients/batch", json={"create": rows})
            assert answer.status_code == 200, answer.text
        for filters, count in (({}, 7), ({"last_name": "Ö1"}, 3)):
            whole = await api.get("/v1/patients", params={"page[size]": 1000, **filters})
            by_size = await pages(api, "/v1/patients", **{"page[size]": 3, **filters})
            lines = [line for page in by_size for line in page]
            assert b",".join(lines) in whole.content
            assert [len(lines), *map(len, by_size[:-1])] == [count, *[3] * (len(by_size) - 1)]
        nobody = await pages(api, "/v1/patients", last_name="Nobody")
        assert nobody == [[]]
        by_body = await api.post("/v1/patients/find", json={"last_name": "Ö1"}, headers=LINES)
        assert by_body.content.splitlines() == lines


async def test_a_page_of_lines_has_more_rows_than_another(callers: Callers, program: int) -> None:
    async with await callers(program) as api:
        for _ in range(2):
            created = [BODY | {"last_name": "Hopper"}] * 510
            answer = await api.post("/v1/patients/batch", json={"create": created})
            assert answer.status_code == 200, answer.text
        assert list(map(len, await pages(api, "/v1/patients", **{"page[size]": 9999}))) == [1020]
        page = await api.get("/v1/patients", params={"page[size]": 9999})
        assert len(page.json()[0]["data"]) == find.LARGEST


async def test_lines_need_the_scope_of_a_find_and_are_noted_as_one(
    callers: Callers, here: Place, program: int, database: Database
) -> None:
    patient = await here.make("patients")
    async with await callers(program, "patients.write") as writer:
        refused = await writer.get("/v1/patients", headers=LINES)
        assert refused.headers["content-type"] == "application/json"
        assert errors(refused, 403)[0][0] == "forbidden"
    async with await callers(program, "patients.read") as reader:
        assert len((await pages(reader, "/v1/patients"))[0]) == 1

        async def is_noted() -> bool:
            async with database.connection() as connection:
                notes = await connection.fetch(
                    "SELECT encode(patients, 'hex') FROM audit_reads WHERE environment_id = $1"
                    " AND actor = $2 AND resource = 'patients'",
                    program,
                    f"client:{reader.client_id}",
                )
            return [note[0] for note in notes] == [patient["id"].replace("-", "")]

        await until_true(is_noted, f"the read is noted within {audit.INTERVAL} s")


async def test_what_no_header_can_say_of_the_next_page_is_refused(here: Place) -> None:
    ids = [(await here.make("patients"))["id"] for _ in range(2)]
    fits = {"ids": ids, "page[size]": 1}
    answer = await here.api.post("/v1/patients/find", json=fits, headers=LINES)
    assert len(answer.content.splitlines()) == 1
    assert "next" in answer.links
    answer = await here.api.post("/v1/patients/find", json=fits | {"ids": ids * 30}, headers=LINES)
    assert errors(answer, 400) == [("bad_request", None)]
    assert "application/json" in answer.json()["errors"][0]["detail"]
