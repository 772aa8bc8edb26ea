"""The feed for programs that keep a copy: cursors that sort as texts, two ends, chosen collections,
and rows that come along.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.access import audit
from almoner.changes import feed
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME
from tests.changes.test_feed import PATIENT, announced, page
from tests.changes.writing import reread, until_true
from tests.conftest import Api, Callers
from tests.contract.rows import Place

positions = st.builds(
    feed.Position, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)
)
near = st.builds(
    feed.Position, st.sampled_from((9, 10, 11)), st.integers(250, 260), st.integers(0, 20)
)


def cursor_before(position: feed.Position) -> str:
    """The cursor as it was given out at first."""
    packed = struct.pack(">BIQQ", 1, position.epoch, position.xid, position.seq)
    return (
        base64.urlsafe_b64encode(packed + binascii.crc32(packed).to_bytes(4)[1:])
        .decode()
        .rstrip("=")
    )


@given(st.lists(positions | near, min_size=2, max_size=9))
def test_cursors_sort_as_texts_as_their_positions_do(several: list[feed.Position]) -> None:
    in_order = [place.cursor() for place in sorted(several)]
    assert in_order == sorted(in_order)
    assert len({len(cursor) for cursor in in_order}) == 1
    # Where case is folded, as some databases do, and behind every cursor of before.
    assert [cursor.upper() for cursor in in_order] == sorted(cursor.upper() for cursor in in_order)
    assert all(cursor_before(place) < in_order[0] for place in several)
    assert all(reread(place) == place for place in several)


@given(positions)
def test_a_cursor_of_before_is_good_for_ever_and_a_damaged_one_is_not(place: feed.Position) -> None:
    problems: list[Any] = []
    assert (feed.position(cursor_before(place), ".after", problems), problems) == (place, [])
    damaged = [
        cursor_before(place)[:-1],
        cursor_before(place) + "=",
        cursor_before(place).swapcase(),
        place.cursor().upper(),
    ]
    for cursor in damaged:
        feed.position(cursor, ".after", problems)
    assert len(problems) == len(damaged)


async def test_whoever_keeps_the_greatest_cursor_as_a_text_misses_nothing(
    api: Api, store: Store, inside: Actor
) -> None:
    ids = []
    greatest = ""
    for round_ in range(3):
        ids += [
            (await store.create(inside, BY_NAME["patients"], dict(PATIENT))).id for _ in range(7)
        ]
        await announced(api, len(ids))
        entries: list[dict[str, Any]] = []
        while rows := (await page(api, after=greatest, limit=3))["data"]:
            entries += rows
            greatest = max(greatest, *(entry["cursor"] for entry in rows))
        assert [entry["id"] for entry in entries] == ids[round_ * 7 :]


async def test_an_empty_cursor_is_the_beginning_and_latest_is_the_end(api: Api) -> None:
    first = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    await announced(api, 1)
    assert [entry["id"] for entry in (await page(api, after=""))["data"]] == [first]
    latest = await page(api, after="latest")
    assert (latest["data"], latest["meta"]["more"]) == ([], False)
    second = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    await announced(api, 2)
    assert [entry["id"] for entry in (await page(api, after=latest["meta"]["after"]))["data"]] == [
        second
    ]
    assert (await page(api, after="latest"))["meta"]["after"] > latest["meta"]["after"]


async def test_the_feed_is_narrowed_to_collections(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await api.post(
            "/v1/patients",
            json=PATIENT | {"phone": f"555-555-000{number}", "email": "grace@example.org"},
        )
    everything = await announced(api, 12)
    expected = [entry for entry in everything if entry["resource"] == "phone_numbers"]
    assert (await page(api, resource="phone_numbers"))["data"] == expected
    both = [entry for entry in everything if entry["resource"] != "patients"]
    assert (await page(api, resource="phone_numbers,email_addresses"))["data"] == both
    assert (await page(api, resource=["email_addresses", "phone_numbers"]))["data"] == both
    assert (await page(api, resource="phone_numbers", after=expected[1]["cursor"]))[
        "data"
    ] == expected[2:]
    # However little a request looks through, whoever goes on gets everything, and no page goes
    # back.
    monkeypatch.setattr(feed, "LOOKED_THROUGH", 2)
    walked, after, pages = [], "", 0
    while True:
        answer_page = await page(api, resource="phone_numbers", after=after)
        walked += answer_page["data"]
        assert answer_page["meta"]["after"] >= after
        after, pages = answer_page["meta"]["after"], pages + 1
        if not answer_page["meta"]["more"]:
            break
    assert walked == expected
    assert pages > 4, "the feed was to be walked in small steps"


async def test_an_unknown_collection_and_an_unknown_inclusion_are_refused_by_name(api: Api) -> None:
    answer = await api.get(
        "/v1/changes?resource=patients,patient&resource=&include=row&after=nonsense"
    )
    assert answer.status_code == 400
    problems = answer.json()["errors"]
    assert [p["extra"]["path"] for p in problems] == [
        ".resource",
        ".resource",
        ".include",
        ".after",
    ]
    assert "there is no collection patient;" in problems[0]["detail"]


@pytest.mark.parametrize("shape", ["documented", "enveloped"])
async def test_rows_come_along_as_find_gives_them(
    callers: Callers,
    program: int,
    database: Database,
    store: Store,
    inside: Actor,
    api: Api,
    shape: str,
) -> None:
    patient = (await api.post("/v1/patients", json=PATIENT | {"phone": "555-555-0001"})).json()[
        "id"
    ]
    other = (await api.post("/v1/patients", json=PATIENT)).json()["id"]
    task = (await Place(api, inside, store).make("patient_tasks", user_id=patient))["id"]
    await api.put(f"/v1/patients/{patient}", json={"first_name": "Ada"})
    assert (await api.delete(f"/v1/patient_tasks/{task}")).status_code == 200
    async with await callers(program, "all", shape) as caller:
        entries = await announced(caller, 6)
        assert all("row" not in entry for entry in entries)
        listed = (await page(caller, include="rows"))["data"]
        rows: dict[str, Any] = {}
        for name in {entry["resource"] for entry in listed}:
            body = (await caller.get(f"/v1/{name}")).json()
            rows |= {row["id"]: row for row in (body if shape == "enveloped" else body[0])["data"]}
        assert {patient, other} < set(rows)
        assert [entry["row"] for entry in listed] == [rows.get(entry["id"]) for entry in listed]
        assert all(
            entry["row"] is None or list(entry["row"]) == list(rows[entry["id"]])
            for entry in listed
        )
        assert [(entry["kind"], entry["row"]) for entry in listed if entry["id"] == task] == [
            ("create", None),
            ("delete", None),
        ]
        assert [entry["row"]["first_name"] for entry in listed if entry["id"] == patient] == [
            "Ada",
            "Ada",
        ]
        reader = f"client:{caller.client_id}"

    async def noted() -> set[tuple[str, int]]:
        async with database.connection() as connection:
            read = await connection.fetch(
                "SELECT resource, length(patients) / 16 AS patients_noted FROM audit_reads WHERE"
                " environment_id = $1 AND actor = $2 AND verb = 'find'",
                program,
                reader,
            )
        return {(row["resource"], row["patients_noted"]) for row in read}

    async def is_noted() -> bool:
        return {
            ("changes", sum(e["patient_id"] is not None for e in listed)),
            ("patients", 2),
            ("phone_numbers", 1),
        } <= await noted()

    await until_true(is_noted, f"the rows' reads are noted within {audit.INTERVAL} s")


async def test_rows_need_the_scope_of_their_collection(callers: Callers, environment: int) -> None:
    cases = [
        ("all", {"include": "rows"}, None),
        ("changes.read", {"include": "rows"}, True),
        ("changes.read patients.read", {"include": "rows", "resource": "patients"}, None),
        ("changes.read patients.read", {"include": "rows"}, True),
        (
            "changes.read patients.read",
            {"include": "rows", "resource": "patients,workers"},
            "workers.read",
        ),
        (
            "changes.read patients.write",
            {"include": "rows", "resource": "patients"},
            "patients.read",
        ),
        ("patients.read", {"include": "rows", "resource": "patients"}, "changes.read"),
        ("changes.read", {"resource": "patients"}, None),
    ]
    wrong = []
    for scope, parameters, needed in cases:
        async with await callers(environment, scope) as caller:
            answer = await caller.get("/v1/changes", params=parameters)
        scope_needed = (
            None if answer.status_code == 200 else answer.json()["errors"][0]["extra"].get("scope")
        )
        if scope_needed != needed and not (needed is True and scope_needed):
            wrong.append((scope, parameters, scope_needed))
    assert not wrong
