"""The contract's example against a made-up partner: bad items, and one that is down, slow or lies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from almoner.demo.partner import CLIENT_ID, CLIENT_SECRET, Partner, served
from almoner.integrations import installed
from almoner.integrations.handler import IntegrationHandler
from almoner.integrations.kiwihealth_pull import kiwihealth_pull
from almoner.outbound.http import HttpClient
from tests.integrations.conftest import Place
from tests.integrations.test_jobs import GRACE
from tests.work.doing import running

TREE = [
    "kiwihealth_pull.run_kiwihealth_pull",
    "kiwihealth_pull.validate_user",
    "kiwihealth_pull.fetch_results",
    "kiwihealth_pull.process_response",
]


def result(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"OBX-{number:06d}",
        "patient": "MRN-1",
        "test": "hba1c",
        "value": 7.25,
        "unit": "%",
        "collected_at": "2026-11-20T08:00:00+00:00",
        "laboratory": "Kiwi Central",
    } | more


@pytest.fixture
def partner() -> Iterator[tuple[Partner, str]]:
    kiwihealth = Partner()
    with served(kiwihealth) as url:
        yield kiwihealth, url


async def known(place: Place, url: str, **settings: Any) -> str:
    """A patient whom the partner knows as MRN-1, and the integration set up."""
    body = {"base_url": url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    await place.configure(kiwihealth_pull, **body | settings)
    return await known_there(place)


async def known_there(place: Place) -> str:
    """A patient whom the partner knows as MRN-1."""
    user_id = await place.create("patients", GRACE)
    for namespace, external_id in (("kiwihealth_ehr", "MRN-1"), ("another", "MRN-2")):
        mapping = {"resource": "patients", "welkin_id": user_id}
        await place.create(
            "external_ids", mapping | {"namespace": namespace, "external_id": external_id}
        )
    return user_id


def errors(job: dict[str, Any]) -> Counter[str]:
    return Counter(error["code"] for task in job["tasks"] for error in task["errors"])


def test_it_is_found_by_its_entry_point() -> None:
    assert installed.installed()["kiwihealth_pull"] is kiwihealth_pull


async def test_good_results_are_taken_in_once_and_each_bad_one_says_what_is_wrong_with_it(
    place: Place, partner: tuple[Partner, str]
) -> None:
    kiwi, url = partner
    user_id = await known(place, url, page_size=5)
    kiwi.results = [
        *(result(number) for number in range(12)),
        result(20, patient="MRN-2"),
        result(21, value=-1),
        result(22, test="phrenology"),
        result(23, value="high"),
        "not even an object",
        # What PostgreSQL holds in no text.
        result(24, patient="MRN\0"),
        result(25, unit="\0"),
        result(26, id="\0"),
    ]
    job = await place.run(kiwihealth_pull)

    assert job["status"] == "failed"
    assert job["tasks"][0]["task_name"] == TREE[0]
    names = Counter(task["task_name"] for task in job["tasks"])
    assert names == Counter([*TREE, *["kiwihealth_pull.process_item"] * 20])
    statuses = {task["task_name"]: task["status"] for task in job["tasks"]}
    assert [statuses[name] for name in TREE] == ["failed", "succeeded", "succeeded", "succeeded"]
    assert errors(job) == {"user_not_found": 1, "parse_exception": 5, "malformed_item": 2}
    missing = next(task for task in job["tasks"] if task["ref_ids"] == ["MRN-2", "OBX-000020"])
    assert missing["errors"] == [
        {
            "code": "user_not_found",
            "message": "There is no user with that ID.",
            "extra": {"user_id": "MRN-2", "attempt_number": 1},
        }
    ]
    items = [task for task in job["tasks"] if task["task_name"].endswith("process_item")]
    assert {task["user_id"] for task in items if task["status"] == "succeeded"} == {user_id}
    stored = (
        "SELECT body::text, user_id::text FROM custom_data_type_records WHERE environment_id = $1"
    )
    assert len(await place.rows(stored)) == 12

    kiwi.results = [result(0, value=8.5), result(12)]
    assert (await place.run(kiwihealth_pull))["status"] == "succeeded"
    rows = await place.rows(stored)
    assert len(rows) == 13
    assert sum('"value": 8.5' in row["body"].replace(":8.5", ": 8.5") for row in rows) == 1


@pytest.mark.parametrize(
    ("mood", "code", "task_name"),
    [
        ("down", "partner_unavailable", "fetch_results"),
        ("closes", "partner_unreachable", "fetch_results"),
        ("too_long", "answer_too_long", "fetch_results"),
        ("no_json", "malformed_response", "fetch_results"),
        ("endless", "paging_without_end", "fetch_results"),
        ("redirects", "partner_refused", "fetch_results"),
        ("slow", "partner_unreachable", "fetch_results"),
        ("disabled", "customer_disabled", "validate_user"),
    ],
)
async def test_a_partner_that_is_away_or_lies_ends_the_task_that_met_it_with_a_code(
    place: Place,
    partner: tuple[Partner, str],
    monkeypatch: pytest.MonkeyPatch,
    mood: str,
    code: str,
    task_name: str,
) -> None:
    kiwi, url = partner
    await known(place, url)
    kiwi.mood, kiwi.results = mood, [result(1)]
    # One try, so that nobody waits for the others.
    kind = kiwihealth_pull.kinds["fetch_results"]
    monkeypatch.setitem(kiwihealth_pull.kinds, "fetch_results", replace(kind, attempts=1))
    quick = HttpClient(private_targets=True, patience=0.5)
    try:
        hurried = replace(place, parts=replace(place.parts, client=quick))
        job = await hurried.run(kiwihealth_pull)
    finally:
        await quick.close()
    assert job["status"] == "failed"
    assert errors(job) == {code: 1}
    failed = {task["task_name"] for task in job["tasks"] if task["errors"]}
    assert failed == {f"kiwihealth_pull.{task_name}"}


async def test_wrong_credentials_are_told_and_a_partner_that_comes_back_is_asked_again(
    place: Place, partner: tuple[Partner, str]
) -> None:
    kiwi, url = partner
    await known(place, url, client_secret="wrong")
    assert errors(await place.run(kiwihealth_pull)) == {"bad_credentials": 1}
    await place.configure(kiwihealth_pull, client_secret=CLIENT_SECRET)
    kiwi.results, kiwi.mood = [result(1)], "down"
    job_id = await place.begin(kiwihealth_pull)
    async with running(place.database, IntegrationHandler(kiwihealth_pull, place.parts)):
        async with asyncio.timeout(60):
            while kiwi.asked.count("/v1/results") < 2:
                await asyncio.sleep(0.02)
        kiwi.mood = "well"
        await place.ended(job_id)
    job = await place.show(job_id)
    assert (job["status"], errors(job)) == ("succeeded", Counter())
