"""Find, page by page: windows, sizes, rows of one moment, links that are followed as they stand,
and times in every form.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest

from almoner.database import Database
from almoner.resources import BY_NAME
from tests.cases import quick
from tests.conftest import Api, Callers
from tests.contract.rows import Place, Row, errors, only_row, refused, rows, values

MOMENTS = [
    "2018-09-12T01:27:32.031245+00:00",
    "2018-09-12T01:27:32.031246+00:00",
    "2018-09-12T01:27:33.000000+00:00",
]
SIZES = pytest.mark.parametrize("size", quick([2, 1, 3, 4, 5, 6, 7], 1))


async def stamped(
    database: Database, place: Place, table: str, moments: Sequence[str]
) -> list[Row]:
    """Gives the rows of a collection these times, in the order of their ids, and returns them as a
    reader should see them.
    """
    listed = sorted(await place.find(table, **{"page[size]": 1000}), key=lambda row: str(row["id"]))
    async with database.connection() as connection, connection.transaction():
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER almoner_touch")
        for row, moment in zip(listed, moments, strict=True):
            statement = (
                f"UPDATE {table} SET updated_at = $3::text::timestamptz WHERE environment_id = $1"
                " AND id = $2"
            )
            await connection.execute(statement, place.api.environment_id, row["id"], moment)
        await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER almoner_touch")
    if BY_NAME[table].field("updated_at").returned:
        listed = [row | {"updated_at": moment} for row, moment in zip(listed, moments, strict=True)]
    order = {row["id"]: (moment, row["id"]) for row, moment in zip(listed, moments, strict=True)}
    return sorted(listed, key=lambda row: order[row["id"]])


async def walk(api: Api, path: str, **parameters: Any) -> list[list[Row]]:
    """The pages from here to the last one, each next page by the address that the one before gave,
    unchanged.
    """
    pages = []
    answer = await api.get(path, params=parameters)
    while True:
        pages.append(rows(answer))
        (page,) = answer.json()
        if "links" not in page:
            assert "next" not in page["meta"]
            assert "link" not in answer.headers
            return pages
        assert list(page["links"]) == ["next"]
        assert list(page["links"]["next"]) == ["href"]
        href = page["links"]["next"]["href"]
        assert href.startswith(f"{api.base_url}/v1/")
        assert answer.headers["link"] == f'<{href}>; rel="next"'
        assert dict(parse_qsl(urlsplit(href).query)) == {
            key: str(value) for key, value in page["meta"]["next"].items()
        }
        assert len(pages) < 100
        answer = await api.get(href)


@SIZES
async def test_rows_of_one_moment_are_neither_skipped_nor_repeated(
    size: int, here: Place, database: Database
) -> None:
    patient = (await here.make("patients"))["id"]
    for _ in range(14):
        await here.make("patient_tasks", user_id=patient)
    moments = [MOMENTS[0]] * 2 + [MOMENTS[1]] * 8 + [MOMENTS[2]] * 4
    expected = await stamped(database, here, "patient_tasks", moments)
    pages = await walk(here.api, "/v1/patient_tasks", **{"page[size]": size})
    assert [row for page in pages for row in page] == expected
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert len(pages) == -(-14 // size)


@SIZES
async def test_rows_of_one_moment_are_kept_apart_under_a_filter_too(
    size: int, here: Place, database: Database
) -> None:
    mine = [
        await here.make("external_ids", namespace="a&b=c +é%#", external_id=f"{n}")
        for n in range(9)
    ]
    for n in range(9):
        await here.make("external_ids", namespace="other", external_id=f"{n}")
    await stamped(database, here, "external_ids", [MOMENTS[0]] * 18)
    pages = await walk(
        here.api,
        "/v1/external_ids",
        namespace="a&b=c +é%#",
        resource="patients",
        **{"page[size]": size},
    )
    walked = [row for page in pages for row in page]
    assert walked == sorted(mine, key=lambda row: str(row["id"]))


async def test_the_next_pages_keep_the_filters_the_span_and_the_size(here: Place) -> None:
    patient = (await here.make("patients"))["id"]
    for _ in range(3):
        await here.make("conversations", user_id=patient)
    asked = {
        "user_id": patient,
        "page[from]": MOMENTS[0],
        "page[to]": "2099-01-01T00:00:00.000000+00:00",
        "page[size]": 2,
    }
    (page,) = (await here.api.get("/v1/conversations", params=asked)).json()
    following = page["meta"]["next"]
    assert following["user_id"] == patient
    assert following["page[to]"] == asked["page[to]"]
    assert following["page[size]"] == 2
    assert page["meta"]["current"] == {
        name: asked[name] for name in ("page[from]", "page[to]", "page[size]")
    }


async def test_the_next_page_can_be_asked_for_by_its_parameters_in_a_body(here: Place) -> None:
    for _ in range(3):
        await here.make("workers")
    (page,) = (await here.api.post("/v1/workers/find", json={"page[size]": 2})).json()
    rest = rows(await here.api.post("/v1/workers/find", json=page["meta"]["next"]))
    assert page["data"] + rest == await here.find("workers")


async def test_both_ends_of_the_span_are_inclusive(here: Place, database: Database) -> None:
    for _ in range(3):
        await here.make("workers")
    row = await stamped(database, here, "workers", MOMENTS)
    for start, end, expected in (
        (MOMENTS[0], MOMENTS[2], row),
        (MOMENTS[1], MOMENTS[1], row[1:2]),
        ("2018-09-12T01:27:32.031247Z", MOMENTS[2], row[2:]),
        (MOMENTS[0], "2018-09-12T01:27:32.999999Z", row[:2]),
        (MOMENTS[0], "2018-09-12T01:27:32.031244Z", []),
        (MOMENTS[2], MOMENTS[0], []),
    ):
        assert await here.find("workers", **{"page[from]": start, "page[to]": end}) == expected
        assert (
            rows(
                await here.api.post("/v1/workers/find", json={"page[from]": start, "page[to]": end})
            )
            == expected
        )
    assert await here.find("workers", **{"page[from]": MOMENTS[1]}) == row[1:]
    assert await here.find("workers", **{"page[to]": MOMENTS[1]}) == row[:2]


async def test_the_size_is_50_by_default_and_1000_at_most(shared: Place) -> None:
    for asked, used in (
        (None, 50),
        ("1", 1),
        ("1000", 1000),
        ("1001", 1000),
        ("5000", 1000),
        ("9" * 30, 1000),
        ("007", 7),
    ):
        answer = await shared.api.get(
            "/v1/workers", params={} if asked is None else {"page[size]": asked}
        )
        assert answer.json()[0]["meta"]["current"]["page[size]"] == used
    for asked in ("0", "-1", "x", "", "1.5", "+5", "1e3", " 1", "٣", "0" * 9 + "0"):
        refused(await shared.api.get("/v1/workers", params={"page[size]": asked}), ".page[size]")
    for sent, used in ((1, 1), ("3", 3), (5000, 1000), (None, 50)):
        answer = await shared.api.post("/v1/workers/find", json={"page[size]": sent})
        assert answer.json()[0]["meta"]["current"]["page[size]"] == used
    for sent in values(0, -1, 1.5, True, [], {}):
        assert ("parse_exception", ".page[size]") in errors(
            await shared.api.post("/v1/workers/find", json={"page[size]": sent}), 400
        )


async def test_a_page_holds_no_more_rows_than_its_size(here: Place) -> None:
    patient = (await here.make("patients"))["id"]
    for _ in range(51):
        await here.make("patient_tasks", user_id=patient)
    assert [len(page) for page in await walk(here.api, "/v1/patient_tasks")] == [50, 1]
    assert [
        len(page) for page in await walk(here.api, "/v1/patient_tasks", **{"page[size]": 51})
    ] == [51]


async def test_an_environment_without_rows_has_one_empty_page(here: Place) -> None:
    (page,) = (await here.api.get("/v1/patients")).json()
    assert page["data"] == []
    assert list(page) == ["data", "meta"]
    assert "next" not in page["meta"]


async def test_the_default_end_is_now_and_never_before_what_was_answered(shared: Place) -> None:
    for _ in range(5):
        row = await shared.make("patient_tasks")
        answer = await shared.api.get("/v1/patient_tasks", params={"user_id": row["user_id"]})
        assert rows(answer) == [row]
        assert answer.json()[0]["meta"]["current"]["page[to]"] >= row["updated_at"]
        assert answer.json()[0]["meta"]["current"]["page[from]"] <= row["updated_at"]


async def test_the_time_of_a_row_grows_with_every_change(shared: Place) -> None:
    row = await shared.make("patients")
    for name in values("Ada", "Mary", "Ada"):
        after = only_row(
            await shared.api.put(f"/v1/patients/{row['id']}", json={"first_name": name})
        )
        assert after["updated_at"] > row["updated_at"]
        assert after["created_at"] == row["created_at"]
        row = after


async def test_a_row_that_changes_while_a_reader_pages_is_not_lost(here: Place) -> None:
    patient = (await here.make("patients"))["id"]
    addresses = [
        await here.make("email_addresses", user_id=patient, email=f"{n}@example.org")
        for n in range(6)
    ]
    first = await here.api.get("/v1/email_addresses", params={"page[size]": 2})
    (page,) = first.json()
    changed = only_row(
        await here.api.put(
            f"/v1/email_addresses/{addresses[4]['id']}", json={"friendly_name": "moved"}
        )
    )
    read = page["data"] + [
        row for rest in await walk(here.api, page["links"]["next"]["href"]) for row in rest
    ]
    read += await here.find("email_addresses", **{"page[from]": page["meta"]["complete_until"]})
    assert {row["id"] for row in read} == {row["id"] for row in addresses}
    assert changed in read


async def test_nothing_can_appear_before_what_is_said_to_be_complete(
    here: Place, database: Database
) -> None:
    patient = await here.make("patients")
    async with database.connection() as connection:
        under_way = connection.transaction()
        await under_way.start()
        statement = (
            "UPDATE patients SET first_name = 'Ada' WHERE environment_id = $1 AND id = $2 RETURNING"
            " updated_at"
        )
        moment: datetime = await connection.fetchval(
            statement, here.api.environment_id, patient["id"]
        )
        (page,) = (await here.api.get("/v1/patients")).json()
        assert page["data"] == [patient]
        assert datetime.fromisoformat(page["meta"]["complete_until"]) < moment
        await under_way.commit()
    matches = await here.find("patients", **{"page[from]": page["meta"]["complete_until"]})
    assert [row["first_name"] for row in matches] == ["Ada"]


async def test_a_find_by_body_answers_like_one_by_address(here: Place) -> None:
    patient = (await here.make("patients"))["id"]
    await here.make("phone_numbers")
    for _ in range(3):
        await here.make("phone_numbers", user_id=patient)
    end = "2099-01-01T00:00:00.000000+00:00"
    for asked in values(
        {},
        {"user_id": patient},
        {"user_id": patient, "page[size]": 2},
        {"page[from]": MOMENTS[0], "page[to]": end, "page[size]": 1},
    ):
        asked = {"page[to]": end, **asked}
        by_address = await here.api.get("/v1/phone_numbers", params=asked)
        by_body = await here.api.post("/v1/phone_numbers/find", json=asked)
        by_form = await here.api.post("/v1/phone_numbers/find", data=asked)
        pages = [answer.json()[0] for answer in (by_address, by_body, by_form)]
        for page in pages:
            page["meta"].pop("complete_until")
        assert pages[0] == pages[1] == pages[2]
        assert (
            by_address.headers.get("link")
            == by_body.headers.get("link")
            == by_form.headers.get("link")
        )
    refused(await here.api.post("/v1/phone_numbers/find", json={"user_id": [patient]}), ".user_id")
    assert errors(await here.api.post("/v1/phone_numbers/find", content=b"[]"), 400)
    assert errors(await here.api.post("/v1/phone_numbers/find", content=b""), 400)


async def test_a_form_that_finds_is_as_strict_as_a_query(here: Place) -> None:
    ids = [(await here.make("workers"))["id"] for _ in range(3)]
    path, form = "/v1/workers/find", {"content-type": "application/x-www-form-urlencoded"}
    listed = rows(await here.api.post(path, data={"ids": ids[:2]}))
    assert [row["id"] for row in listed] == ids[:2]
    assert [
        row["id"] for row in rows(await here.api.post(path, content=f"ids={ids[2]}", headers=form))
    ] == ids[2:]
    assert [
        row["id"]
        for row in rows(await here.api.post(path, content=f'{{"ids": ["{ids[2]}"]}}', headers=form))
    ] == ids[2:]
    refused(await here.api.post(path, data={"emial": "x"}), ".emial")
    refused(
        await here.api.post(path, content="page[size]=1&page[size]=2", headers=form), ".page[size]"
    )
    for nothing in ("", " ", "&"):
        assert errors(await here.api.post(path, content=nothing, headers=form), 400)


async def test_a_thousand_ids_are_found_by_a_body_and_no_address_gets_too_long(
    here: Place, callers: Callers
) -> None:
    workers = [(await here.make("workers"))["id"] for _ in range(3)]
    ids = [*workers, *(str(uuid4()) for _ in range(997))]
    (page,) = (await here.api.post("/v1/workers/find", json={"ids": ids})).json()
    assert [row["id"] for row in page["data"]] == workers
    assert "links" not in page
    async with await callers(here.api.environment_id, shape="enveloped") as later:
        links = (await later.post("/v1/workers/find", json={"ids": ids})).json()["links"]
    assert links["href"] == {"current": f"{here.api.base_url}/v1/workers/find"}
    refused(
        await here.api.post("/v1/workers/find", json={"ids": ids, "page[size]": 1}),
        ".page[size]",
        code="bad_request",
    )
    some = await here.api.post("/v1/workers/find", json={"ids": ids[:100], "page[size]": 1})
    assert "link" not in some.headers
    following = some.json()[0]["links"]["next"]["href"]
    assert [row["id"] for row in rows(await here.api.get(following))] == workers[1:2]


async def test_a_parameter_is_given_once(shared: Place) -> None:
    for name, value in (("page[size]", "1"), ("page[from]", MOMENTS[0]), ("user_id", str(uuid4()))):
        refused(
            await shared.api.get("/v1/messages", params=[(name, value), (name, value)]), f".{name}"
        )


async def test_to_go_on_behind_a_row_needs_its_time(shared: Place) -> None:
    refused(
        await shared.api.get("/v1/messages", params={"page[after]": str(uuid4())}), ".page[after]"
    )
    refused(
        await shared.api.get("/v1/messages", params={"page[from]": MOMENTS[0], "page[after]": "x"}),
        ".page[after]",
    )


def raw(api: Api, target: str) -> tuple[int, Any]:
    """The answer to a request whose target is sent byte by byte as it is."""
    address = urlsplit(str(api.base_url))
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        connection.request("GET", target, headers={"Authorization": f"Bearer {api.token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


FORMS = {
    "2018-09-12T01:27:32.031245+00:00": MOMENTS[0],
    "2018-09-12T01:27:32.031245%2B00:00": MOMENTS[0],
    "2018-09-12T01%3A27%3A32.031245%2B00%3A00": MOMENTS[0],
    "2018-09-12T01:27:32.031245%2b00:00": MOMENTS[0],
    "2018-09-12T01:27:32.031245%2000:00": MOMENTS[0],
    "2018-09-12T01:27:32.031245Z": MOMENTS[0],
    "2018-09-12T01:27:32.031245z": MOMENTS[0],
    "2018-09-12T01:27:32.031245": MOMENTS[0],
    "2018-09-12T01:27:32.0312459Z": MOMENTS[0],
    "2018-09-12T01:27:32.0312450+00:00": MOMENTS[0],
    "2018-09-12T01:27:32.031245123456789Z": MOMENTS[0],
    "2018-09-12t01:27:32.031245Z": MOMENTS[0],
    "2018-09-12%2001:27:32.031245": MOMENTS[0],
    "2018-09-12+01:27:32.031245": MOMENTS[0],
    "2018-09-11T18:27:32.031245-07:00": MOMENTS[0],
    "2018-09-12T06:57:32.031245+05:30": MOMENTS[0],
    "2018-09-12T06:57:32.031245+0530": MOMENTS[0],
    "2018-09-12T03:27:32.031245+02": MOMENTS[0],
    "2018-09-12T01:27:33Z": MOMENTS[2],
    "2018-09-12T01:27:33.0Z": MOMENTS[2],
    "2018-09-12T01:27:32.5Z": "2018-09-12T01:27:32.500000+00:00",
    "2018-09-12T01:27Z": "2018-09-12T01:27:00.000000+00:00",
    "20180912T012732.031245Z": MOMENTS[0],
    "20180912T0127Z": "2018-09-12T01:27:00.000000+00:00",
    "20180911T182732.031245-0700": MOMENTS[0],
    "2018-09-12": "2018-09-12T00:00:00.000000+00:00",
}


@pytest.mark.parametrize("name", ["page[from]", "page%5Bfrom%5D", "page%5bfrom%5d"])
async def test_a_time_is_taken_raw_or_encoded_in_every_form(name: str, shared: Place) -> None:
    for form, meant in FORMS.items():
        status, body = await asyncio.to_thread(
            raw, shared.api, f"/v1/patients?{name}={form}&page[size]=1"
        )
        assert status == 200, (form, body)
        assert body[0]["meta"]["current"]["page[from]"] == meant, form


async def test_the_address_of_a_notification_is_followed_as_it_stands(
    here: Place, database: Database
) -> None:
    for _ in range(3):
        await here.make("patients")
    row = await stamped(database, here, "patients", MOMENTS)
    target = (
        "/v1/patients?page[to]=2018-09-12T01:27:32.031246&page[from]=2018-09-12T01:27:32.031245"
    )
    status, body = await asyncio.to_thread(raw, here.api, target)
    assert status == 200
    assert body[0]["data"] == row[:2]


async def test_what_is_no_time_is_refused(shared: Place) -> None:
    for form in (
        "", "x", "2018-9-12", "2018-02-30", "20181312T012732Z", "2018-0912T012732Z", "20180912T01:27:32Z",
        "2018-13-12T01:27:32Z", "2018-02-30T01:27:32Z", "2018-09-12T25:27:32Z", "2018-09-12T01:60:32Z",
        "2018-09-12T01:27:32+99:00", "1536715652", "2018-09-12T01:27:32.Z", "0000-01-01T00:00:00Z", "٢٠١٨-09-12T01:27:32Z",
        "2018-09-12T01:27:32Z ", "now", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    ):  # fmt: skip
        for name in values("page[from]", "page[to]"):
            refused(await shared.api.get("/v1/patients", params={name: form}), f".{name}")


async def test_the_ends_of_time_are_found(here: Place) -> None:
    row = await here.make("workers")
    span = {"page[from]": "0001-01-01T00:00:00Z", "page[to]": "9999-12-31T23:59:59.999999Z"}
    assert await here.find("workers", **span) == [row]
    later = (datetime.fromisoformat(row["updated_at"]) + timedelta(microseconds=1)).isoformat()
    assert await here.find("workers", **{"page[from]": later}) == []
