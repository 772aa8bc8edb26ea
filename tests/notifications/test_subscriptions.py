"""Subscriptions as they are kept: what is refused, what is told, and where they stand in the change
log.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from almoner.access import worker_events
from almoner.access.secrets import SecretBox
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.errors import ApiError
from almoner.notifications import deliveries, replays, subscriptions
from almoner.notifications.subscription_terms import Rules
from almoner.resources import BY_NAME
from tests.changes.writing import PATIENCE
from tests.conftest import new_environment, taken

BOX = SecretBox(bytes(32))
STRICT = Rules(BY_NAME, private_targets=False)
NOBODY = "00000000-0000-4000-8000-000000000000"
SECRET = "the-secret-of-the-bridge"
TERMS: dict[str, Any] = {
    "name": "EHR bridge",
    "notify_url": "https://ehr.example.org/notifications",
    "resources": ["workers", "patients"],
    "client_id": "almoner",
    "client_secret": SECRET,
    "token_url": "https://ehr.example.org/token",
}


async def problems(
    connection: Any, environment: int, values: dict[str, Any], rules: Rules = STRICT
) -> dict[str, str]:
    """What a Create is refused for: the code of each problem by the path it names."""
    with pytest.raises(ApiError) as refused:
        await subscriptions.create(connection, BOX, environment, values, rules)
    return {str(p.extra.get("path")): p.code for p in refused.value.problems}


async def worker(store: Store, environment: int) -> str:
    """Makes a change of the collection that the subscriptions here are for."""
    body = {
        "email": f"{uuid.uuid4().hex}@example.org",
        "first_name": "E",
        "last_name": "S",
        "timezone": "US/Eastern",
    }
    actor = Actor(environment, "test", "cli", "test", whole=True)
    return (await store.create(actor, BY_NAME["workers"], body)).id


async def test_a_subscription_is_made_and_shown_without_its_secret(
    connection: Any, environment: int
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    (listed,) = await subscriptions.subscriptions_json(
        connection, environment, await subscriptions.list_subscriptions(connection, environment)
    )
    assert listed["id"] == subscription.id
    assert {name: listed[name] for name in TERMS if name != "client_secret"} == {
        name: value for name, value in TERMS.items() if name != "client_secret"
    }
    assert listed["authentication"] == "token_exchange"
    assert listed["audience"] == TERMS["token_url"]
    assert (listed["paused"], listed["failures"], listed["lag_seconds"]) == (False, 0, 0.0)
    assert SECRET not in json.dumps(listed)


async def test_the_secret_is_kept_sealed_for_this_subscription_alone(
    connection: Any, environment: int
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    assert SECRET.encode() not in subscription.sealed
    assert BOX.open(subscription.sealed, subscription.id) == SECRET


async def test_all_problems_are_told_at_once(connection: Any, environment: int) -> None:
    await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    body = {
        "name": TERMS["name"],
        "notify_url": "http://ehr.example.org",
        "resources": ["patients", "patient", 3],
        "authentication": "basic",
        "client_id": " ",
        "audience": 1,
        "paused": "yes",
        "nickname": "x",
    }
    assert await problems(connection, environment, body) == {
        ".name": "uniqueness_exception",
        ".notify_url": "parse_exception",
        ".resources[1]": "parse_exception",
        ".resources[2]": "parse_exception",
        ".authentication": "parse_exception",
        ".client_id": "parse_exception",
        ".client_secret": "parse_exception",
        ".audience": "parse_exception",
        ".token_url": "parse_exception",
        ".paused": "parse_exception",
        ".nickname": "parse_exception",
    }


async def test_an_empty_body_lacks_everything_that_is_needed(
    connection: Any, environment: int
) -> None:
    refusals = await problems(connection, environment, {})
    assert set(refusals) == {
        ".name",
        ".notify_url",
        ".resources",
        ".client_id",
        ".client_secret",
        ".token_url",
    }


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ehr.example.org/notifications",
        "ftp://ehr.example.org",
        "https://",
        "https://ehr.example.org:0/",
        "https://ehr.example.org:99999/",
        "https://[::1",
        "https://user:password@ehr.example.org/",
        "https://ehr.example.org/#part",
        "https://ehr.example.org/a b",
        "https://ehr.example.org/\x00",
        "https://127.0.0.1/notifications",
        "https://2130706433/",
        "https://[::ffff:169.254.169.254]/",
        "https://10.0.0.1/",
        "http://ehr.example.org/",
        "https://ehr.example.org/" + "x" * 2048,
        None,
        7,
    ],
)
@pytest.mark.parametrize("name", ["notify_url", "token_url"])
async def test_a_target_that_must_not_be_sent_to_is_refused(
    connection: Any, environment: int, name: str, url: Any
) -> None:
    assert await problems(connection, environment, {**TERMS, name: url}) == {
        f".{name}": "parse_exception"
    }


async def test_private_targets_are_fine_where_they_are_allowed(
    connection: Any, environment: int
) -> None:
    body = {
        **TERMS,
        "notify_url": "http://127.0.0.1:9000/notifications",
        "token_url": "http://localhost:9000/token",
    }
    subscription = await subscriptions.create(
        connection, BOX, environment, body, Rules(BY_NAME, private_targets=True)
    )
    assert subscription.notify_url == body["notify_url"]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x9b", "a\x00", "\udcff", "x" * 201, 7, None])
async def test_a_name_is_a_line_that_can_be_seen(
    connection: Any, environment: int, name: Any
) -> None:
    assert await problems(connection, environment, {**TERMS, "name": name}) == {
        ".name": "parse_exception"
    }


@pytest.mark.parametrize("name", ["x", "x" * 200, " \u00c9pic \u4e2d\u6587 ", "\U0001f600 Bridge"])
async def test_a_name_may_be_of_any_script(connection: Any, environment: int, name: str) -> None:
    assert (
        await subscriptions.create(connection, BOX, environment, {**TERMS, "name": name}, STRICT)
    ).name == name


@pytest.mark.parametrize(
    "resources", [[], None, "patients", {"patients": True}, [["patients"]], ["changes"]]
)
async def test_resources_are_collections_each_by_name(
    connection: Any, environment: int, resources: Any
) -> None:
    refusals = await problems(connection, environment, {**TERMS, "resources": resources})
    assert set(refusals) <= {".resources", ".resources[0]"}
    assert refusals


async def test_resources_count_once_each(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(
        connection, BOX, environment, {**TERMS, "resources": ["patients", "patients"]}, STRICT
    )
    assert subscription.resources == ("patients",)


async def test_a_bearer_jwt_needs_no_token_url_and_takes_none(
    connection: Any, environment: int
) -> None:
    body = {**TERMS, "authentication": "bearer_jwt"}
    assert await problems(connection, environment, body) == {".token_url": "bad_request"}
    subscription = await subscriptions.create(
        connection, BOX, environment, {**body, "token_url": None}, STRICT
    )
    assert (subscription.authentication, subscription.token_url) == ("bearer_jwt", None)


async def test_names_are_unique_within_an_environment_only(
    database: Database, connection: Any, environment: int
) -> None:
    await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    assert await problems(connection, environment, TERMS) == {".name": "uniqueness_exception"}
    other = await new_environment(database)
    subscription = await subscriptions.create(connection, BOX, other, TERMS, STRICT)
    with pytest.raises(ApiError):
        await subscriptions.find(connection, environment, subscription.id)


async def test_a_subscription_is_found_by_its_id_in_any_case_or_its_name(
    connection: Any, environment: int
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    lookalike = await subscriptions.create(
        connection, BOX, environment, {**TERMS, "name": subscription.id}, STRICT
    )
    assert (
        await subscriptions.find(connection, environment, subscription.id.upper())
    ).id == subscription.id
    assert (await subscriptions.find(connection, environment, "EHR bridge")).id == subscription.id
    assert (await subscriptions.find(connection, environment, subscription.id)).id != lookalike.id
    for nothing in ("ehr bridge", NOBODY, "", "\x00", "\udcff"):
        with pytest.raises(ApiError) as refused:
            await subscriptions.find(connection, environment, nothing)
        assert refused.value.status == 404


async def test_a_change_keeps_what_it_does_not_name(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    changed = await subscriptions.change(
        connection,
        BOX,
        environment_id=environment,
        key=subscription.id,
        body={"resources": ["messages"]},
        rules=STRICT,
    )
    assert (changed.resources, changed.name, changed.sealed) == (
        ("messages",),
        subscription.name,
        subscription.sealed,
    )
    assert changed.position == subscription.position


async def test_of_two_changes_at_once_neither_undoes_the_other(
    database: Database, environment: int
) -> None:
    changes = {"name": "Bridge"}, {"resources": ["messages"]}
    async with taken(database, 3) as (connection, first, second):
        subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
        transaction = first.transaction()
        await transaction.start()
        await subscriptions.change(
            first,
            BOX,
            environment_id=environment,
            key=subscription.id,
            body=changes[0],
            rules=STRICT,
        )
        later = asyncio.create_task(
            subscriptions.change(
                second,
                BOX,
                environment_id=environment,
                key=subscription.id,
                body=changes[1],
                rules=STRICT,
            )
        )
        while not later.done() and not await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
        ):
            await asyncio.sleep(0)
        await transaction.commit()
        changed = await later
        event = (await worker_events.list_events(connection, environment))[0]
    assert (changed.name, changed.resources) == ("Bridge", ("messages",))
    assert (event.event, event.before) == (
        "webhook changed",
        {"resources": ["workers", "patients"]},
    )


async def test_what_is_shown_can_be_sent_back(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    (listed,) = await subscriptions.subscriptions_json(connection, environment, [subscription])
    again = await subscriptions.change(
        connection, BOX, environment_id=environment, key=subscription.id, body=listed, rules=STRICT
    )
    assert await subscriptions.subscriptions_json(connection, environment, [again]) == [listed]


async def test_a_new_secret_takes_the_place_of_the_old_one(
    connection: Any, environment: int
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    changed = await subscriptions.change(
        connection,
        BOX,
        environment_id=environment,
        key=subscription.id,
        body={"client_secret": "another"},
        rules=STRICT,
    )
    assert BOX.open(changed.sealed, subscription.id) == "another"


async def test_a_change_is_tried_at_once(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    await connection.execute(
        "UPDATE subscriptions SET failures = 9, next_attempt_at = now() + interval '1 minute' WHERE"
        " id = $1",
        subscription.id,
    )
    changed = await subscriptions.change(
        connection,
        BOX,
        environment_id=environment,
        key=subscription.id,
        body={"client_id": "almoner-2"},
        rules=STRICT,
    )
    assert (changed.failures, changed.next_attempt_at) == (9, None)


async def test_a_change_goes_over_to_the_other_way_to_authenticate(
    connection: Any, environment: int
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    to_jwt, back = {"authentication": "bearer_jwt"}, {"authentication": "token_exchange"}
    changed = await subscriptions.change(
        connection, BOX, environment_id=environment, key=subscription.id, body=to_jwt, rules=STRICT
    )
    assert changed.token_url is None
    with pytest.raises(ApiError, match="parse_exception"):
        await subscriptions.change(
            connection,
            BOX,
            environment_id=environment,
            key=subscription.id,
            body=back,
            rules=STRICT,
        )
    again = {**back, "token_url": TERMS["token_url"]}
    assert (
        await subscriptions.change(
            connection,
            BOX,
            environment_id=environment,
            key=subscription.id,
            body=again,
            rules=STRICT,
        )
    ).token_url == TERMS["token_url"]


@pytest.mark.parametrize(
    "name",
    ["name", "notify_url", "resources", "authentication", "client_id", "client_secret", "paused"],
)
async def test_a_change_cannot_clear_what_is_needed(
    connection: Any, environment: int, name: str
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    with pytest.raises(ApiError) as refused:
        await subscriptions.change(
            connection,
            BOX,
            environment_id=environment,
            key=subscription.id,
            body={name: None},
            rules=STRICT,
        )
    assert [p.extra["path"] for p in refused.value.problems] == [f".{name}"]


async def test_the_usual_audience_is_whoever_reads_the_token_and_follows_the_terms(
    connection: Any, environment: int
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    steps: list[tuple[dict[str, Any], str]] = [
        ({}, TERMS["token_url"]),
        (
            {"token_url": "https://ehr.example.org/oauth/token"},
            "https://ehr.example.org/oauth/token",
        ),
        ({"authentication": "bearer_jwt"}, TERMS["notify_url"]),
        ({"notify_url": "https://ehr.example.org/other"}, "https://ehr.example.org/other"),
        ({"audience": "them"}, "them"),
        ({"notify_url": TERMS["notify_url"]}, "them"),
        (
            {"authentication": "token_exchange", "token_url": TERMS["token_url"], "audience": None},
            TERMS["token_url"],
        ),
    ]
    for change, expected in steps:
        changed = await subscriptions.change(
            connection,
            BOX,
            environment_id=environment,
            key=subscription.id,
            body=change,
            rules=STRICT,
        )
        assert changed.audience == expected, change


async def test_a_cleared_audience_is_the_usual_one(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(
        connection, BOX, environment, {**TERMS, "audience": "the bridge"}, STRICT
    )
    assert subscription.audience == "the bridge"
    changed = await subscriptions.change(
        connection,
        BOX,
        environment_id=environment,
        key=subscription.id,
        body={"audience": None},
        rules=STRICT,
    )
    assert changed.audience == TERMS["token_url"]


async def test_a_change_cannot_take_the_name_of_another(connection: Any, environment: int) -> None:
    await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    subscription = await subscriptions.create(
        connection, BOX, environment, {**TERMS, "name": "warehouse"}, STRICT
    )
    with pytest.raises(ApiError, match="uniqueness_exception"):
        await subscriptions.change(
            connection,
            BOX,
            environment_id=environment,
            key=subscription.id,
            body={"name": TERMS["name"]},
            rules=STRICT,
        )


async def test_pausing_and_resuming(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    assert (await subscriptions.pause(connection, environment, subscription.name)).paused
    assert (await subscriptions.find(connection, environment, subscription.id)).paused
    assert not (await subscriptions.resume(connection, environment, subscription.id)).paused
    with pytest.raises(ApiError):
        await subscriptions.pause(connection, environment, NOBODY)


async def test_what_is_deleted_takes_its_deliveries_and_replays_along(
    connection: Any, environment: int
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    await replays.replay(connection, environment, subscription.id, {"from": "2026-01-01T00:00:00"})
    await attempted(connection, environment, subscription.id, 3)
    assert (
        await subscriptions.delete(connection, environment, subscription.id)
    ).name == subscription.name
    for table in ("deliveries", "replays"):
        assert (
            await connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE environment_id = $1", environment
            )
            == 0
        )
    with pytest.raises(ApiError):
        await subscriptions.delete(connection, environment, subscription.id)


async def attempted(connection: Any, environment: int, subscription_id: str, times: int) -> None:
    await connection.execute(
        "INSERT INTO deliveries (environment_id, subscription_id, reason, resources, outcome,"
        " status, milliseconds, answer) SELECT $1, $2, 'changes', '{patients}', 'The receiver"
        " answered 500.', 500, n, 'no' FROM generate_series(1, $3) AS n",
        environment,
        subscription_id,
        times,
    )


async def test_deliveries_are_told_the_newest_first(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    await attempted(connection, environment, subscription.id, 3)
    rows = await deliveries.latest(connection, environment, subscription.id, 2)
    assert [row.milliseconds for row in rows] == [3, 2]
    entry = rows[0].as_json()
    assert (entry["status"], entry["resources"], entry["from"], entry["answer"]) == (
        500,
        ["patients"],
        None,
        "no",
    )


async def test_a_replay_is_noted_with_its_span(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    span = {"from": "2019-01-01T00:00:00", "to": "2019-01-01T01:00:00+01:00"}
    asked = await replays.replay(connection, environment, subscription.name, span)
    assert asked.from_time == asked.to_time == datetime(2019, 1, 1, tzinfo=UTC)
    open_ended = await replays.replay(
        connection, environment, subscription.name, {"from": "2019-01-01T00:00:00", "to": None}
    )
    assert open_ended.to_time > asked.asked_at
    rows = await connection.fetch(
        "SELECT id FROM replays WHERE environment_id = $1 ORDER BY id", environment
    )
    assert [row["id"] for row in rows] == [asked.id, open_ended.id]


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({}, {".from"}),
        ({"from": None}, {".from"}),
        ({"from": "yesterday", "to": 3, "until": 1}, {".from", ".to", ".until"}),
        ({"from": "2026-01-02T00:00:00", "to": "2026-01-01T00:00:00"}, {".to"}),
        ({"from": "9999-12-31T00:00:00"}, {".to"}),
    ],
)
async def test_a_span_that_does_not_fit_is_refused(
    connection: Any, environment: int, values: Any, paths: set[str]
) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    with pytest.raises(ApiError) as refused:
        await replays.replay(connection, environment, subscription.id, values)
    assert {p.extra["path"] for p in refused.value.problems} == paths


async def test_no_more_than_a_hundred_replays_wait(connection: Any, environment: int) -> None:
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    await connection.execute(
        "INSERT INTO replays (environment_id, subscription_id, from_time, to_time) "
        "SELECT $1, $2, now(), now() FROM generate_series(1, 100)",
        environment,
        subscription.id,
    )
    with pytest.raises(ApiError, match="bad_request"):
        await replays.replay(
            connection, environment, subscription.id, {"from": "2026-01-01T00:00:00"}
        )


async def behind(connection: Any, environment: int, ids: list[str]) -> dict[str, float]:
    """The lags, once one of them is above zero: transactions elsewhere in the cluster can hold the
    horizon for a moment.
    """
    deadline = time.monotonic() + PATIENCE
    while not any((lags := await subscriptions.lags(connection, environment, ids)).values()):
        assert time.monotonic() < deadline, "nothing was ever behind"
        await asyncio.sleep(0.01)
    return lags


async def test_the_lag_is_the_age_of_the_oldest_change_that_is_not_announced(
    connection: Any, environment: int, store: Store
) -> None:
    await worker(store, environment)
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    elsewhere = await subscriptions.create(
        connection, BOX, environment, {**TERMS, "name": "b", "resources": ["messages"]}, STRICT
    )
    ids = [subscription.id, elsewhere.id]
    assert await subscriptions.lags(connection, environment, ids) == dict.fromkeys(ids, 0.0)
    await worker(store, environment)
    first = await behind(connection, environment, ids)
    assert first[elsewhere.id] == 0
    await worker(store, environment)
    assert (await subscriptions.lags(connection, environment, ids))[subscription.id] > first[
        subscription.id
    ]


async def test_nobody_is_told_of_what_was_committed_before(
    connection: Any, environment: int, store: Store
) -> None:
    await worker(store, environment)
    subscription = await subscriptions.create(connection, BOX, environment, TERMS, STRICT)
    known = await connection.fetchval(
        "SELECT count(*) FROM changes WHERE environment_id = $1 AND (epoch, xid, seq) > ($2,"
        " $3, $4)",
        environment,
        subscription.position.epoch,
        subscription.position.xid,
        subscription.position.seq,
    )
    assert known == 0
