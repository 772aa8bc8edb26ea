"""Webhooks in the Workshop: made, watched, tried out and sent again, in the words of people."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from almoner.database import Database
from almoner.notifications import subscriptions
from almoner.notifications.progress_report import (
    MOST_COUNTED,
    NOTHING,
    SubscriptionProgress,
    standing,
)
from almoner.notifications.subscription import Subscription
from almoner.notifications.subscription_terms import Rules
from almoner.resources import BY_NAME
from almoner.workshop.pages.webhooks.state import state
from tests.conftest import Callers, Server, ServerThread, free_port, new_environment
from tests.notifications.subscribers import Listening, Subscriber
from tests.people import People, Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

PATH = "/workshop/webhooks"
TERMS: dict[str, Any] = {
    "name": "EHR bridge",
    "notify_url": "https://ehr.example.org/in",
    "authentication": "token_exchange",
    "client_id": "almoner",
    "client_secret": "what they gave us",
    "token_url": "https://ehr.example.org/token",
    "audience": "",
}
RESOURCES = (("resources", "patients"), ("resources", "messages"))


@pytest.fixture
async def integrator(people: People, program: int) -> AsyncIterator[Person]:
    async with await people(program, "admin") as person:
        yield person


@pytest.fixture(scope="module")
def open_server(settings: Any) -> Iterator[Server]:
    """A server that may send to this machine."""
    with ServerThread(replace(settings, port=free_port(), private_targets=True)) as running:
        yield running


async def new_webhook(person: Person, **changed: Any) -> str:
    """The address of a new webhook."""
    answer = await person.send_form(PATH, *RESOURCES, **{**TERMS, **changed})
    assert answer.status_code == 303, answer.text
    address: str = answer.headers["location"].partition("?")[0]
    return address


async def subscription_at(person: Person, database: Database, address: str) -> Subscription:
    async with database.connection() as connection:
        return await subscriptions.find(
            connection, person.environment_id, address.rpartition("/")[2]
        )


async def test_without_webhooks_the_page_says_what_one_is(integrator: Person) -> None:
    page = await integrator.get(PATH)
    assert "No system is told of changes yet" in Document(page).region(
        "Systems that are told of changes"
    )
    assert page.text.count("<h1") == 1


async def test_a_webhook_is_made_and_its_secret_is_never_shown(
    integrator: Person, database: Database
) -> None:
    answer = await integrator.send_form(PATH, *RESOURCES, **TERMS)
    address, _, query = answer.headers["location"].partition("?")
    assert (answer.status_code, query) == (303, "done=made")
    subscription = await subscription_at(integrator, database, address)
    assert (subscription.name, subscription.resources, subscription.audience) == (
        "EHR bridge",
        ("patients", "messages"),
        subscription.token_url,
    )
    for path in (PATH, address, f"{address}/edit", f"{address}/deliveries"):
        page = await integrator.get(path)
        assert page.status_code == 200
        assert Document(page).mentions("EHR bridge")
        assert TERMS["client_secret"] not in page.text
    assert Document(await integrator.get(PATH)).row("running")


async def test_every_problem_stands_at_its_field_and_what_was_typed_stays(
    integrator: Person,
) -> None:
    fields: dict[str, Any] = {
        **TERMS,
        "notify_url": "http://insecure.example.org",
        "token_url": "",
        "client_id": " ",
        "name": "<Bridge>",
    }
    page = await integrator.send_form(PATH, **fields)
    assert page.status_code == 400
    errors = dict(re.findall(r'class="error" id="([a-z_]+)-error">([^<]*)', page.text))
    assert errors == {
        "notify_url": "It must begin with https://.",
        "resources": "Tick at least one.",
        "client_id": "Fill this in.",
        "token_url": "Fill this in.",
    }
    assert Document(page).field("name").value == "<Bridge>"
    assert Document(page).field("notify_url").value == "http://insecure.example.org"
    assert "No system is told of changes yet" in Document(await integrator.get(PATH)).region(
        "Systems that are told of changes"
    )


async def test_a_name_that_is_taken_is_told_at_the_name(integrator: Person) -> None:
    await new_webhook(integrator)
    page = await integrator.send_form(PATH, *RESOURCES, **TERMS)
    assert (
        "Another subscription of this environment has this name."
        in Document(page).field("name").error
    )
    assert "messages" in Document(page).field("resources").values


async def test_a_token_address_out_of_sight_is_no_problem(
    integrator: Person, database: Database
) -> None:
    address = await new_webhook(
        integrator, authentication="bearer_jwt", token_url="not a url at all"
    )
    assert (await subscription_at(integrator, database, address)).token_url is None


async def test_a_change_without_a_secret_keeps_the_one_there_is(
    integrator: Person, database: Database, callers: Callers
) -> None:
    address = await new_webhook(integrator)
    before = await subscription_at(integrator, database, address)
    answer = await integrator.send_form(
        f"{address}/edit",
        ("resources", "workers"),
        **{**TERMS, "client_secret": "", "name": "Renamed", "audience": "them"},
    )
    assert answer.headers["location"] == f"{address}?done=changed"
    after = await subscription_at(integrator, database, address)
    assert (after.name, after.resources, after.audience) == ("Renamed", ("workers",), "them")
    assert (
        callers.box.open(after.sealed, after.id)
        == callers.box.open(before.sealed, before.id)
        == TERMS["client_secret"]
    )
    await integrator.send_form(
        f"{address}/edit", *RESOURCES, **{**TERMS, "client_secret": "another"}
    )
    again = await subscription_at(integrator, database, address)
    assert callers.box.open(again.sealed, again.id) == "another"
    refused = await integrator.send_form(f"{address}/edit", **{**TERMS, "name": ""})
    assert refused.status_code == 400
    assert "Fill this in." in Document(refused).field("name").error


async def test_it_is_paused_resumed_and_deleted(integrator: Person, database: Database) -> None:
    address, other = await new_webhook(integrator), await new_webhook(integrator, name="Another")
    paused = await integrator.send_form(f"{address}/pause")
    assert Document(await integrator.get(paused.headers["location"])).status(
        "Paused. What changes meanwhile"
    )
    assert (await subscription_at(integrator, database, address)).paused
    await integrator.send_form(f"{address}/resume")
    assert not (await subscription_at(integrator, database, address)).paused
    page = await integrator.get(address)
    assert Document(page).button("Delete")
    gone = await integrator.send_form(f"{address}/delete")
    assert gone.headers["location"] == f"{PATH}?done=delete"
    assert (await integrator.get(address)).status_code == 404
    assert (await integrator.get(other)).status_code == 200


async def test_a_test_is_told_step_by_step_in_a_part_and_in_a_page(
    integrator: Person, open_server: Server, callers: Callers, database: Database
) -> None:
    subscriber = Subscriber()
    with Listening(subscriber.app()) as listening:
        terms = {
            **TERMS,
            "notify_url": f"{listening.url}/notifications",
            "token_url": f"{listening.url}/token",
            "audience": None,
        }
        async with database.connection() as connection:
            rules = Rules(BY_NAME, private_targets=True)
            terms_ = {**terms, "resources": ["patients"]}
            created = await subscriptions.create(
                connection, callers.box, integrator.environment_id, terms_, rules
            )
        integrator.base_url = httpx.URL(open_server.url)
        well = await integrator.send_form(f"{PATH}/{created.id}/test", htmx=True)
        subscriber.token_status = 500
        failed = await integrator.send_form(f"{PATH}/{created.id}/test")
    assert not Document(well).all("main")
    assert "The test went well" in Document(well).testid("trial")
    assert Document(well).row("The receiver answered 204")
    assert len(subscriber.received) == 1
    assert Document(failed).main()
    assert Document(failed).status("The test failed at the last step")
    assert "Nothing has been sent yet" in Document(failed).region("Latest attempts")


async def test_a_replay_is_asked_for_in_the_time_zone_of_the_worker(
    integrator: Person, database: Database
) -> None:
    address = await new_webhook(integrator)
    assert "US/Eastern" in Document(await integrator.get(address)).region("Send again")
    # The second day is after the clocks went forward.
    answer = await integrator.send_form(
        f"{address}/replay", ("from", "2026-03-01T08:30"), ("to", "2026-03-09T08:30")
    )
    assert answer.headers["location"] == f"{address}?done=replay"
    async with database.connection() as connection:
        [row] = await connection.fetch(
            "SELECT from_time, to_time FROM replays WHERE environment_id = $1",
            integrator.environment_id,
        )
    assert row["from_time"] == datetime(2026, 3, 1, 13, 30, tzinfo=UTC)
    assert row["to_time"] == datetime(2026, 3, 9, 12, 30, tzinfo=UTC)
    assert "1 replay waits to be sent" in Document(await integrator.get(address)).region("State")


@pytest.mark.parametrize(
    ("start", "end", "field", "words"),
    [
        ("", "", "from", "Give the day and time that it begins at."),
        ("yesterday", "", "from", "Give a day and time such as"),
        ("2026-03-02T00:00", "99999-01-01T00:00", "to", "Give a day and time such as"),
        ("2026-03-02T00:00", "2026-03-01T00:00", "to", "The span ends before it begins"),
    ],
)
async def test_a_span_that_does_not_fit_is_told_at_its_field(
    integrator: Person, start: str, end: str, field: str, words: str
) -> None:
    address = await new_webhook(integrator)
    page = await integrator.send_form(f"{address}/replay", ("from", start), ("to", end))
    assert page.status_code == 400
    assert words in Document(page).field(field).error
    expected = start.replace("2026-03-02T", "2 Mar 2026 ")
    assert Document(page).field("from").value == expected


async def attempt(
    database: Database,
    subscription: Subscription,
    number: int,
    outcome: str = "delivered",
    answer: str = "",
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO deliveries (environment_id, subscription_id, attempted_at, reason,"
            " from_time, to_time, resources, outcome, status, milliseconds, answer) VALUES ($1, $2,"
            " $3, 'change', $3, $3, $4, $5, $6, $7, $8)",
            *(
                subscription.environment_id,
                subscription.id,
                datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
                ["patients"],
            ),
            *(outcome, 204 if outcome == "delivered" else None, number, answer),
        )


async def test_attempts_are_paged_through_the_newest_first(
    integrator: Person, database: Database
) -> None:
    address, noise = await new_webhook(integrator), await new_webhook(integrator, name="Noise")
    subscription, other = (
        await subscription_at(integrator, database, address),
        await subscription_at(integrator, database, noise),
    )
    for number in range(1, 121):
        await attempt(database, subscription, number)
        if number % 10 == 0:
            await attempt(database, other, 5000 + number)
    durations: list[int] = []
    path: str | None = f"{address}/deliveries"
    pages = 0
    while path and pages < 10:
        page = await integrator.get(path)
        durations += [int(took) for took in re.findall(r"(\d+)&nbsp;ms", page.text)]
        pages += 1
        [path] = re.findall(r'href="([^"]*before=\d+)"', page.text) or [None]
    assert durations == list(range(120, 0, -1))
    assert pages == 3
    assert (await integrator.get(f"{address}/deliveries?before=nonsense")).status_code == 200
    assert "There are no older ones" in Document(
        await integrator.get(f"{address}/deliveries?before=1")
    ).region("Older ones")


async def test_what_a_receiver_answered_is_text(integrator: Person, database: Database) -> None:
    address = await new_webhook(integrator)
    subscription = await subscription_at(integrator, database, address)
    await attempt(
        database, subscription, 1, "The receiver answered 500.", "<script>alert(1)</script>"
    )
    for path in (address, f"{address}/deliveries"):
        page = await integrator.get(path)
        assert not Document(page).main().node.css("script")
        assert Document(page).get("cell", "<script>alert(1)")
        assert Document(page).get("cell", "The receiver answered 500.")


async def test_another_environments_webhook_is_not_there(
    integrator: Person, database: Database, callers: Callers
) -> None:
    other = await new_environment(database)
    async with database.connection() as connection:
        terms_ = {**TERMS, "audience": None, "resources": ["patients"], "name": "Theirs"}
        theirs = await subscriptions.create(
            connection, callers.box, other, terms_, Rules(BY_NAME, False)
        )
    assert not Document(await integrator.get(PATH)).mentions("Theirs")
    for key in (theirs.id, "Theirs", "1"):
        address = f"{PATH}/{key}"
        for path in (
            address,
            f"{address}/edit",
            f"{address}/deliveries",
            f"{address}/test",
            f"{address}/replay",
        ):
            assert (await integrator.get(path)).status_code == 404, path
        for action in ("edit", "pause", "resume", "delete", "test", "replay"):
            answer = await integrator.send_form(
                f"{address}/{action}", *RESOURCES, ("from", "2026-03-01T00:00"), **TERMS
            )
            assert answer.status_code == 404, action
    async with database.connection() as connection:
        assert await subscriptions.find(connection, other, theirs.id) == theirs


async def test_only_who_may_integrate_comes_in(
    people: People, program: int, server: Server
) -> None:
    async with await people(program, "coach") as coach:
        assert (await coach.get(PATH)).status_code == 403
        assert (await coach.send_form(PATH, *RESOURCES, **TERMS)).status_code == 403
    async with PlainHttp(base_url=server.url) as nobody:
        assert (await nobody.get(PATH)).headers["location"].startswith("/sign-in?next=")


async def test_a_form_without_its_proof_makes_no_webhook(integrator: Person) -> None:
    assert (await integrator.post(PATH, data={**TERMS, "resources": "patients"})).status_code == 403
    assert "No system is told of changes yet" in Document(await integrator.get(PATH)).region(
        "Systems that are told of changes"
    )


async def test_what_waits_is_counted_by_subscription(
    integrator: Person, database: Database, callers: Callers
) -> None:
    owner = integrator.environment_id
    address, workers_only = (
        await new_webhook(integrator),
        await new_webhook(integrator, name="Workers"),
    )
    await integrator.send_form(
        f"{workers_only}/edit", ("resources", "workers"), **{**TERMS, "name": "Workers"}
    )
    async with await callers(owner) as api:
        people = [
            {"phase": "intake", "timezone": "US/Pacific", "first_name": "Grace", "last_name": str(number), "birthday": "1906-12-09",
             "coach_id": integrator.worker_id}
            for number in range(3)
        ]  # fmt: skip
        for person in people:
            assert (await api.post("/v1/patients", json=person)).status_code == 200
    async with database.connection() as connection:
        how = await standing(connection, owner)
    assert how[(await subscription_at(integrator, database, address)).id].changes == 3
    assert how[(await subscription_at(integrator, database, workers_only)).id] == NOTHING
    await integrator.send_form(f"{address}/pause")
    assert "3 changes will be announced when it is resumed." in Document(
        await integrator.get(address)
    ).region("State")


FAILING = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "how", "word", "sentence"),
    [
        ({}, NOTHING, "running", ""),
        ({}, SubscriptionProgress(3.0, 2, 0), "running", ""),
        ({}, SubscriptionProgress(150.0, 1, 0), "behind", "Behind by 1 change, the oldest 2 minutes old."),
        (
            {},
            SubscriptionProgress(90_000.0, MOST_COUNTED + 1, 0),
            "behind",
            "Behind by more than 1,000 changes, the oldest 1 day old.",
        ),
        ({"paused": True}, NOTHING, "paused", ""),
        ({"paused": True}, SubscriptionProgress(9.0, MOST_COUNTED + 1, 0), "paused",
         "More than 1,000 changes will be announced when it is resumed."),
        ({"paused": True}, SubscriptionProgress(9.0, 1, 0), "paused", "1 change will be announced when it is resumed."),
        ({"failures": 1, "failing_since": FAILING}, NOTHING, "failing", "1 attempt in a row failed."),
        ({"failures": 4, "failing_since": FAILING}, SubscriptionProgress(61.0, 2, 0), "failing",
         "4 attempts in a row failed. Behind by 2 changes, the oldest 1 minute old."),
    ],
)  # fmt: skip
async def test_the_state_is_told_in_words(
    integrator: Person,
    database: Database,
    changed: dict[str, Any],
    how: SubscriptionProgress,
    word: str,
    sentence: str,
) -> None:
    subscription = await subscription_at(integrator, database, await new_webhook(integrator))
    status = state(replace(subscription, **changed), how)
    assert (status.word, status.sentence) == (word, sentence)
