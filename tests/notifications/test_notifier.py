"""The notifier on a real database and real sockets: what arrives, when, how often, and what is kept
of it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from almoner.access.secrets import SecretBox
from almoner.changes.feed import Position
from almoner.database import Database, connection_guard
from almoner.notifications import delivery_log, replays, subscriptions
from almoner.notifications.delivery import DeliveryAttempt
from almoner.notifications.subscription import Subscription
from tests.changes.writing import insert, opened, remove, rename, until_true
from tests.notifications.receiving import (
    HURRIED,
    PUBLIC_URL,
    RULES,
    SECRET,
    Receiver,
    claims,
    deliveries,
    new_subscription,
    notifying,
    raw_receiver,
    subscribe,
)


async def write(database: Database, environment: int, name: str = "Grace") -> str:
    async with database.connection() as connection:
        return await insert(connection, environment, name)


def refusing(times: int, status: int = 500) -> Any:
    """Answers with the status so many times, and accepts from then on."""
    left = times

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal left
        left -= 1
        return web.Response(
            status=status if left >= 0 else 200, text="no" if left >= 0 else "thanks"
        )

    return answer


async def attempts(database: Database, subscription: Subscription, count: int) -> list[Any]:
    """The attempts that were kept, once there are so many."""
    rows: list[Any] = []

    async def enough() -> bool:
        rows[:] = await deliveries(database, subscription)
        return len(rows) >= count

    await until_true(enough, f"{count} attempts are kept")
    return rows


async def test_a_change_is_announced_in_the_documented_form(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    async with notifying(own, box):
        row_id = await write(own, tenant)
        (notification,) = await receiver.got(1)
        (attempt,) = await attempts(own, subscription, 1)
    async with own.connection() as connection:
        updated_at = await connection.fetchval(
            "SELECT updated_at FROM patients WHERE id = $1", row_id
        )
    moment = updated_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    assert notification.body == [
        {
            "resource": "patients",
            "from": moment,
            "to": moment,
            "href": f"{PUBLIC_URL}/v1/patients?page[to]={moment}&page[from]={moment}",
        }
    ]
    assert (attempt["outcome"], attempt["status"], attempt["answer"], attempt["reason"]) == (
        "delivered",
        200,
        "thanks",
        "changes",
    )
    assert (attempt["from_time"], attempt["to_time"], attempt["resources"]) == (
        updated_at,
        updated_at,
        ["patients"],
    )


async def test_an_update_of_what_is_so_already_is_not_announced(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    async with own.connection() as connection:
        row_id = await insert(connection, tenant)
        name = await connection.fetchval("SELECT first_name FROM patients WHERE id = $1", row_id)
    await subscribe(own, box, tenant, receiver.url())
    async with notifying(own, box):
        async with own.connection() as connection:
            await rename(connection, tenant, row_id, name)
        other = await write(own, tenant)
        (notification,) = await receiver.got(1)
    async with own.connection() as connection:
        updated_at = await connection.fetchval(
            "SELECT updated_at FROM patients WHERE id = $1", other
        )
    (entry,) = notification.body
    assert entry["from"] == entry["to"] == updated_at.strftime("%Y-%m-%dT%H:%M:%S.%f")


async def test_changes_within_the_coalescing_time_are_announced_together(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    await subscribe(own, box, tenant, receiver.url())
    async with notifying(own, box, coalesce=0.5):
        began = time.monotonic()
        await write(own, tenant, "first")
        await write(own, tenant, "second")
        (notification,) = await receiver.got(1)
    assert notification.body[0]["from"] < notification.body[0]["to"]
    assert 0.4 < notification.at - began < 2
    assert len(receiver.received["in"]) == 1


async def test_a_resource_that_nobody_asked_for_is_not_announced_and_is_passed_over(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url(), resources=["messages"])
    async with notifying(own, box):
        await write(own, tenant)

        async def passed() -> bool:
            return (await new_subscription(own, subscription)).position > subscription.position

        await until_true(passed, "the position moves over what was not asked for")
    assert receiver.received == {}
    assert await deliveries(own, subscription) == []


async def test_what_is_deleted_is_told_by_id(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    async with own.connection() as connection:
        gone = await insert(connection, tenant)
        await remove(connection, tenant, gone)
        deleted_at = await connection.fetchval(
            "SELECT changed_at FROM changes WHERE kind = 'delete'"
        )
    async with notifying(own, box):
        (notification,) = await receiver.got(1)
        await attempts(own, subscription, 1)
    assert notification.body[0]["deleted"] == [gone]
    assert notification.body[0]["to"] == deleted_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


async def test_a_failure_backs_off_and_is_sent_again_together_with_what_came_since(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    receiver.answering["in"] = refusing(2)
    async with notifying(own, box):
        await write(own, tenant, "first")
        await receiver.got(1)
        failed = (await attempts(own, subscription, 1))[0]
        after_failure = await new_subscription(own, subscription)
        await write(own, tenant, "second")
        received = await receiver.got(3)
        await attempts(own, subscription, 3)
        standing = await new_subscription(own, subscription)
    assert (failed["outcome"], failed["status"], failed["answer"]) == (
        "The receiver answered 500.",
        500,
        "no",
    )
    assert after_failure.position == subscription.position
    assert after_failure.failures == 1
    assert after_failure.failing_since is not None
    assert [entry.body[0]["from"] for entry in received] == [received[0].body[0]["from"]] * 3
    assert received[0].body[0]["to"] < received[2].body[0]["to"]
    waits = [later.at - earlier.at for earlier, later in pairwise(received)]
    assert 0.9 < waits[0] < 1.9
    assert 1.9 < waits[1] < 3.9
    assert (standing.failures, standing.failing_since, standing.next_attempt_at) == (0, None, None)
    assert standing.position > subscription.position


async def test_the_position_moves_on_success_only_and_no_further_than_what_was_announced(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    writer = await opened(own.dsn)
    transaction = writer.transaction()
    await transaction.start()
    late = await insert(writer, tenant, "late")
    async with notifying(own, box):
        # Its transaction began later and ends earlier: it is not settled, and no one may be told to
        # look past the other.
        await write(own, tenant, "early")
        async with own.connection() as connection:
            await connection.execute("SELECT almoner_tick()")
        assert receiver.received == {}
        await transaction.commit()
        (notification,) = await receiver.got(1)
        await attempts(own, subscription, 1)
        position = (await new_subscription(own, subscription)).position
    await writer.close()
    async with own.connection() as connection:
        times = await connection.fetch(
            "SELECT row_id::text, changed_at, xid FROM changes ORDER BY changed_at"
        )
    assert times[0]["row_id"] == late
    assert notification.body[0]["from"] == times[0]["changed_at"].strftime("%Y-%m-%dT%H:%M:%S.%f")
    assert notification.body[0]["to"] == times[1]["changed_at"].strftime("%Y-%m-%dT%H:%M:%S.%f")
    assert position.xid > max(row["xid"] for row in times)


async def test_never_are_two_requests_of_a_subscription_under_way(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return web.Response()

    receiver.answering["in"] = slow
    async with notifying(own, box), notifying(own, box), notifying(own, box):
        for number in range(40):
            await write(own, tenant, f"number {number}")

        async def all_announced() -> bool:
            async with own.connection() as connection:
                last = await connection.fetchval("SELECT max(xid) FROM changes")
            return bool((await new_subscription(own, subscription)).position.xid > last)

        await until_true(all_announced, "everything is announced")
    assert receiver.most["in"] == 1


async def test_a_receiver_that_is_slow_delays_no_other(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    release = asyncio.Event()

    async def stuck(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    for number in range(30):
        receiver.answering[f"stuck-{number}"] = stuck
        await subscribe(own, box, tenant, receiver.url(f"stuck-{number}"))
    await subscribe(own, box, tenant, receiver.url("quick"))
    async with notifying(own, box):
        for number in range(5):
            began = time.monotonic()
            await write(own, tenant, f"number {number}")
            received = await receiver.got(number + 1, "quick")
            assert received[number].at - began < 2
        release.set()


async def test_a_paused_subscription_is_told_of_everything_once_it_is_resumed(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url(), paused=True)
    await subscribe(own, box, tenant, receiver.url("other"))
    async with notifying(own, box):
        await write(own, tenant)
        await receiver.got(1, "other")
        assert "in" not in receiver.received
        async with own.connection() as connection:
            await subscriptions.resume(connection, tenant, subscription.id)
        await receiver.got(1)


async def test_a_replay_announces_its_span_once_more(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(
        own, box, tenant, receiver.url(), resources=["patients", "messages"]
    )
    receiver.answering["in"] = refusing(1)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    await write(own, tenant)
    async with notifying(own, box):
        # The first attempt fails, the second tells of the change.
        await receiver.got(2)
        receiver.answering["in"] = refusing(1, 503)
        async with own.connection() as connection:
            asked = await replays.replay(
                connection, tenant, subscription.id, {"from": start.isoformat()}
            )
        received = await receiver.got(4)
        attempted = await attempts(own, subscription, 4)

        async def done() -> bool:
            async with own.connection() as connection:
                left: int = await connection.fetchval("SELECT count(*) FROM replays")
            return left == 0

        await until_true(done, "the replay is done with")
    assert [notification.body for notification in received[2:]] == [received[2].body] * 2
    (entry,) = received[2].body
    assert (entry["resource"], entry["from"]) == ("patients", "2020-01-01T00:00:00.000000")
    assert entry["to"] == asked.to_time.strftime("%Y-%m-%dT%H:%M:%S.%f")
    assert [(attempt["reason"], attempt["status"]) for attempt in attempted[2:]] == [
        ("replay", 503),
        ("replay", 200),
    ]
    assert (await new_subscription(own, subscription)).failures == 0


async def test_a_replay_of_a_span_in_which_nothing_changed_sends_nothing_and_says_so(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    span = {"from": "2001-01-01T00:00:00", "to": "2001-01-02T00:00:00"}
    async with notifying(own, box):
        async with own.connection() as connection:
            await replays.replay(connection, tenant, subscription.id, span)
        (attempt,) = await attempts(own, subscription, 1)
    assert attempt["outcome"].startswith("nothing to send")
    assert receiver.received == {}


async def test_a_token_is_signed_for_the_subscriber(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    await subscribe(own, box, tenant, receiver.url())
    async with notifying(own, box):
        await write(own, tenant)
        (notification,) = await receiver.got(1)
    payload = claims(notification.token)
    assert (payload["iss"], payload["aud"], payload["scope"]) == (
        "almoner-at-the-subscriber",
        "https://subscriber.example.org",
        "welkin",
    )
    assert time.time() < payload["exp"] < time.time() + 400


async def test_an_exchanged_token_is_kept_and_renewed_once_when_it_is_refused(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    revoked: set[str] = set()

    async def checked(request: web.Request) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return web.Response(status=401 if token in revoked else 200)

    receiver.answering["in"] = checked
    subscription = await subscribe(
        own,
        box,
        tenant,
        receiver.url(),
        authentication="token_exchange",
        token_url=receiver.token_url,
    )
    async with notifying(own, box):
        for number in range(2):
            await write(own, tenant)
            await attempts(own, subscription, number + 1)
        assert [notification.token for notification in receiver.received["in"]] == [
            "token-1",
            "token-1",
        ]
        assert claims(receiver.assertions[0])["aud"] == "https://subscriber.example.org"
        revoked.add("token-1")
        await write(own, tenant)
        attempted = await attempts(own, subscription, 3)
        assert [notification.token for notification in receiver.received["in"]][2:] == [
            "token-1",
            "token-2",
        ]
        assert attempted[2]["outcome"] == "delivered"
        # A token that is refused although it is new is a failure, not a loop.
        revoked |= {f"token-{number}" for number in range(2, 50)}
        await write(own, tenant)
        attempted = await attempts(own, subscription, 4)
        assert len(receiver.assertions) == 3
        assert attempted[3]["outcome"].startswith(
            "The receiver refused the token: 401. Check client id"
        )


async def says(words: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(words)
    await writer.drain()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await says(b"\x16\x03\x01 this is not HTTP at all\r\n\r\n", writer)


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return None


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", writer)
    while True:
        await says(b"2000\r\n" + b"x" * 0x2000 + b"\r\n", writer)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await says(b"HTTP/1.1 200 OK\r\n", writer)
    while True:
        await says(b"X-Slow: yes\r\n", writer)
        await asyncio.sleep(0.1)


async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it", writer)


BAD = {
    "garbage": (garbage, "The receiver answered with something that is not HTTP.", None),
    "nothing": (nothing, "The receiver closed the connection without an answer.", None),
    "silence": (silence, "The receiver did not answer within 1 s.", None),
    "without end": (
        without_end,
        "The receiver answered 200 and more than 64 KiB, which is not read to its end.",
        200,
    ),
    "drip": (drip, "The receiver did not answer within 1 s.", None),
    "broken off": (broken, "The receiver broke off in the middle of its answer.", None),
}


@pytest.mark.parametrize("kind", list(BAD))
async def test_a_receiver_that_misbehaves_has_its_own_entry_and_the_position_stays(
    kind: str, own: Database, tenant: int, box: SecretBox
) -> None:
    talk, outcome, status = BAD[kind]
    async with raw_receiver(talk) as url, notifying(own, box, patience=1.0):
        subscription = await subscribe(own, box, tenant, url)
        await write(own, tenant)
        attempt = (await attempts(own, subscription, 1))[0]
    assert (attempt["outcome"], attempt["status"]) == (outcome, status)
    assert len(attempt["answer"]) <= 2048
    assert (await new_subscription(own, subscription)).position == subscription.position


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        (
            "http://",
            "The receiver cannot be sent to: its URL is not a URL of the form https://host/path.",
        ),
        (
            "no url at all",
            "The receiver cannot be sent to: its URL is not a URL of the form https://host/path.",
        ),
        ("http://127.0.0.1:1/", "The receiver cannot be reached: connection refused."),
        (
            "http://nowhere.invalid/",
            "The receiver cannot be reached: the name nowhere.invalid is not found.",
        ),
        (
            "http://2130706433/",
            "names the address 2130706433, which is not one in the usual notation",
        ),
    ],
)
async def test_a_url_that_leads_nowhere_is_told_in_words(
    url: str, outcome: str, own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    async with own.connection() as connection:
        await connection.execute("UPDATE subscriptions SET notify_url = $1", url)
    async with notifying(own, box):
        await write(own, tenant)
        attempt = (await attempts(own, subscription, 1))[0]
    assert outcome in attempt["outcome"]
    assert attempt["status"] is None
    assert (await new_subscription(own, subscription)).position == subscription.position


async def test_a_redirect_is_not_followed(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": receiver.url("elsewhere")})

    receiver.answering["in"] = redirect
    subscription = await subscribe(own, box, tenant, receiver.url())
    async with notifying(own, box):
        await write(own, tenant)
        attempt = (await attempts(own, subscription, 1))[0]
    assert attempt["outcome"].startswith("The receiver answered 307, a redirect. None is followed")
    assert "elsewhere" not in receiver.received


async def test_a_secret_that_is_wrong_is_told_in_words(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    receiver.token_answer = lambda _: web.json_response({"error": "invalid_grant"}, status=400)
    subscription = await subscribe(
        own,
        box,
        tenant,
        receiver.url(),
        authentication="token_exchange",
        token_url=receiver.token_url,
    )
    async with notifying(own, box):
        await write(own, tenant)
        attempt = (await attempts(own, subscription, 1))[0]
    assert (
        attempt["outcome"]
        == "The token endpoint refused: 400 invalid_grant. Check client id, client secret, audience"
        " and token URL."
    )
    assert SECRET not in str(dict(attempt))
    assert receiver.received == {}
    assert (await new_subscription(own, subscription)).position == subscription.position


async def test_a_token_endpoint_that_answers_with_something_else_is_told_in_words(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    receiver.token_answer = lambda _: web.Response(text="<html>welcome</html>")
    subscription = await subscribe(
        own,
        box,
        tenant,
        receiver.url(),
        authentication="token_exchange",
        token_url=receiver.token_url,
    )
    async with notifying(own, box):
        await write(own, tenant)
        attempt = (await attempts(own, subscription, 1))[0]
    assert (
        attempt["outcome"]
        == "The token endpoint answered 200, but not with JSON that holds an access_token."
    )


async def test_a_secret_sealed_with_another_key_is_told_in_words(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(
        own, SecretBox(b"another key, of 32 bytes exactly"), tenant, receiver.url()
    )
    async with notifying(own, box):
        await write(own, tenant)
        attempt = (await attempts(own, subscription, 1))[0]
    assert attempt["outcome"].startswith(
        "No token could be signed: The secret was sealed with another key."
    )


async def test_a_notifier_that_shows_no_life_stops_sending_and_another_takes_over(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    release = asyncio.Event()
    broke_off = asyncio.Event()

    async def delayed(request: web.Request) -> web.StreamResponse:
        try:
            await release.wait()
        except asyncio.CancelledError:
            broke_off.set()
            raise
        return web.Response()

    receiver.answering["in"] = delayed
    async with notifying(own, box) as first:
        await write(own, tenant)
        await receiver.got(1)

        async def no_touch(connection: Any) -> None:
            raise OSError("the network is gone")

        first._ownership.touch = no_touch  # type: ignore[method-assign]
        began = time.monotonic()
        async with notifying(own, box) as second:
            received = await receiver.got(2)
            assert received[1].at - began < 5 * HURRIED.lost
            assert broke_off.is_set()
            assert (await new_subscription(own, subscription)).notifier_id == second.id
            release.set()
            await attempts(own, subscription, 1)
    assert receiver.most["in"] == 1


async def test_who_has_lost_a_subscription_writes_nothing_of_it(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    stranger = "00000000-0000-4000-8000-000000000000"
    for well in (True, False):
        attempt = DeliveryAttempt(well, "", 200, 1, "")
        async with own.connection() as connection:
            if well:
                until = Position(9, 9, 9)
                written = await delivery_log.arrived(
                    connection,
                    stranger,
                    subscription=subscription,
                    groups={},
                    attempt=attempt,
                    until=until,
                )
            else:
                written = await delivery_log.failed(connection, stranger, subscription, {}, attempt)
        assert written is None
    after = await new_subscription(own, subscription)
    assert (after.position, after.failures) == (subscription.position, 0)
    assert await deliveries(own, subscription) == []


async def test_subscriptions_are_shared_among_notifiers_and_given_back_on_a_clean_stop(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    for number in range(6):
        await subscribe(own, box, tenant, receiver.url(f"path-{number}"))

    async def shares() -> list[tuple[str | None, int]]:
        async with own.connection() as connection:
            rows = await connection.fetch(
                "SELECT notifier_id::text, count(*) FROM subscriptions GROUP BY 1 ORDER BY 1"
            )
        return [(row[0], row[1]) for row in rows]

    async with notifying(own, box) as first:

        async def all_its_own() -> bool:
            return await shares() == [(first.id, 6)]

        await until_true(all_its_own, "the first serves all")
        async with notifying(own, box) as second:

            async def half_each() -> bool:
                return dict(await shares()) == {first.id: 3, second.id: 3}

            await until_true(half_each, "each serves its half")
        await until_true(all_its_own, "the first serves all again")
    assert await shares() == [(None, 6)]
    async with own.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notifiers") == 0


async def test_a_change_of_terms_is_taken_up_and_a_new_resource_is_announced_from_the_position_on(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url(), resources=["messages"])
    async with notifying(own, box, pace=replace(HURRIED, advance=3600.0)):
        await write(own, tenant)
        async with own.connection() as connection:
            body = {"resources": ["patients"], "notify_url": receiver.url("moved")}
            await subscriptions.change(
                connection,
                box,
                environment_id=tenant,
                key=subscription.id,
                body=body,
                rules=RULES,
            )
        (notification,) = await receiver.got(1, "moved")
    assert notification.body[0]["resource"] == "patients"


async def test_old_attempts_are_pruned(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    subscription = await subscribe(own, box, tenant, receiver.url())
    async with notifying(own, box):
        await write(own, tenant)
        await attempts(own, subscription, 1)
    async with own.connection() as connection:
        await connection.execute(
            "UPDATE deliveries SET attempted_at = $1", datetime.now(UTC) - timedelta(days=31)
        )
    async with notifying(own, box):

        async def gone() -> bool:
            return await deliveries(own, subscription) == []

        await until_true(gone, "the old attempt is removed")


async def test_an_update_that_comes_while_a_request_is_under_way_is_announced_by_the_next(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    await subscribe(own, box, tenant, receiver.url())
    release = asyncio.Event()

    async def delayed(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    receiver.answering["in"] = delayed
    async with notifying(own, box):
        row_id = await write(own, tenant)
        await receiver.got(1)
        async with own.connection() as connection:
            await rename(connection, tenant, row_id, "Ada")
            updated_at = await connection.fetchval(
                "SELECT updated_at FROM patients WHERE id = $1", row_id
            )
        release.set()
        received = await receiver.got(2)
    assert received[1].body[0]["from"] == updated_at.strftime("%Y-%m-%dT%H:%M:%S.%f")


async def test_a_notifier_whose_connections_break_goes_on(
    own: Database, tenant: int, box: SecretBox, receiver: Receiver
) -> None:
    await subscribe(own, box, tenant, receiver.url())
    notifiers = await Database.connect(own.dsn, size=4, on_holding=connection_guard.raised)
    async with notifying(notifiers, box):
        await write(own, tenant)
        await receiver.got(1)
        async with own.connection() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            query = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND pid <> $1"
            )
            await connection.execute(query, pid)
            await insert(connection, tenant, "after")
        await receiver.got(2)
    await notifiers.close()
