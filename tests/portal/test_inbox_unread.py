"""What is unread: exact among many, and reading is no change of a message."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from almoner.data_api.writes import Actor
from almoner.portal import read_marks
from almoner.portal.inbox import full_counts, queries
from tests.conftest import Api, taken
from tests.portal.test_inbox import (
    AMONG_OTHERS,
    Clinic,
    Row,
    clinic,
    counts,
    form_of,
)
from tests.web.document import Document

__all__ = ["clinic"]

_MANY = """
WITH created AS (
  INSERT INTO conversations (environment_id, id, user_id, conversation_type)
  SELECT $1, gen_random_uuid(), $2, 'app' FROM generate_series(1, $3) RETURNING id
)
INSERT INTO messages (environment_id, id, user_id, conversation_id, direction, contents, send_time,
    read_at, read_by)
SELECT $1, gen_random_uuid(), $2, created.id, 'inbound', $6 || ' ' || n,
    now() - interval '9 days' + n * interval '1 minute',
  CASE WHEN $5 THEN now() END, CASE WHEN $5 THEN 'test' END
FROM created, generate_series(1, $4) n
"""
_ANSWERS = """
INSERT INTO messages (environment_id, id, user_id, conversation_id, direction, contents, worker_id,
    send_time)
SELECT environment_id, gen_random_uuid(), user_id, conversation_id, 'outbound', 'Answer', $2, now()
FROM messages WHERE environment_id = $1
"""


async def many(
    clinic: Clinic,
    patient: Row,
    conversations: int,
    messages: int,
    read: bool,
    words: str = "Noise",
) -> None:
    """So many conversations with so many inbound messages each, the last of them sent last."""
    async with clinic.database.connection() as connection:
        await connection.execute(
            _MANY, clinic.me.environment_id, patient["id"], conversations, messages, read, words
        )


async def logged(clinic: Clinic) -> int:
    async with clinic.database.connection() as connection:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM changes WHERE environment_id = $1", clinic.me.environment_id
            )
        )


async def test_reading_changes_neither_the_message_nor_the_log_nor_what_the_api_says(
    clinic: Clinic, api: Api
) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    message = await clinic.message(grace, "Hello?")
    await clinic.message(await clinic.patient("Ada", clinic.me), "Noise")
    path = f"/v1/messages/{message['id']}"
    first, log, feed = (
        await api.get(path),
        await logged(clinic),
        (await api.get("/v1/changes")).json(),
    )
    listed = (await api.get("/v1/messages")).json()[0]["data"]
    page = (await clinic.me.get("/inbox?section=messages")).text
    read = await clinic.me.send_form(
        "/inbox/read", htmx=True, **form_of(page, "/inbox/read", message["conversation_id"])
    )
    assert counts(read.text)["messages"] == "1"
    assert read.headers["hx-trigger"] == '{"almoner-changed":{"resources":["message_reads"]}}'
    for _ in range(2):
        again = await api.get(path)
        assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
        assert not {"read_at", "read_by"} & again.json().keys()
        assert (await api.get("/v1/messages")).json()[0]["data"] == listed
        assert await logged(clinic) == log
        assert (await api.get("/v1/changes")).json()["data"] == feed["data"]
        back = await clinic.me.send_form(
            "/inbox/unread", htmx=True, **form_of(read.text, "/inbox/unread")
        )
        assert counts(back.text)["messages"] == "2"


async def test_a_change_of_the_message_itself_is_stamped_read_or_not(clinic: Clinic) -> None:
    message = await clinic.message(await clinic.patient("Grace", clinic.me), "Hello?")
    keys = (clinic.me.environment_id, message["id"])
    query = "UPDATE messages SET {} WHERE environment_id = $1 AND id = $2 RETURNING updated_at"
    async with clinic.database.connection() as connection:
        before = await connection.fetchval(query.format("read_at = now(), read_by = 'test'"), *keys)
        both = await connection.fetchval(query.format("read_at = NULL, contents = 'Hello!'"), *keys)
    assert before.isoformat(timespec="microseconds") == message["updated_at"]
    assert both > before


async def test_whoever_has_written_is_counted_once_among_thousands(clinic: Clinic) -> None:
    mine = await clinic.patient("Mine", clinic.me)
    merged = await clinic.patient("Merged", clinic.me)
    await many(clinic, mine, 1, 4000, read=True)
    async with clinic.database.connection() as connection:
        await connection.execute(_ANSWERS, clinic.me.environment_id, clinic.me.worker_id)
        await connection.execute(
            "INSERT INTO patient_merges (environment_id, patient_id, kept_id, moved, merged_by)"
            " VALUES ($1, $2, $3, '{}', 'test')",
            *(clinic.me.environment_id, merged["id"], mine["id"]),
        )
    await many(clinic, merged, 20, 1, read=False, words="Of a merged record")
    for number in range(3):
        foreign = await clinic.patient(f"Olga {number}", clinic.other, phase="maintenance")
        await many(clinic, foreign, 80, 2, read=False)
    await many(clinic, mine, 3, 5, read=False)
    newest = await clinic.message(foreign, "The newest of all")
    for query, expected in (
        ("", "1"),
        ("?phase=intake", "1"),
        ("?of=all&phase=intake", "1"),
    ):
        page = (await clinic.me.get(f"/inbox{query}")).text
        assert counts(page) == {"messages": expected, "all": expected}, query
        assert not Document(page).mentions("Of a merged record")
        assert not Document(page).mentions(AMONG_OTHERS)
    # Of everybody's the newest conversations are those that are read at once.
    assert counts((await clinic.me.get("/inbox?of=all")).text)["messages"].endswith("+")
    exact = (await clinic.me.fragment("/inbox/counts?of=all&drawn=messages")).text
    assert counts(exact)["messages"] == "4"
    async with clinic.database.connection() as connection:
        first = await connection.fetchrow(queries._ALL_UNREAD, clinic.me.environment_id, None, 1)
    assert (first["conversation_id"], first["total"]) == (newest["conversation_id"], 244)
    badge = Document(await clinic.me.fragment("/inbox/badge"))
    assert badge.words == "1 of yours now, late or unread"


async def test_the_newest_unread_of_a_conversation_speaks_for_it(clinic: Clinic) -> None:
    grace = await clinic.patient("Grace", clinic.me)
    await many(clinic, grace, 1, 3, read=False, words="Word")
    page = Document(await clinic.me.get("/inbox?section=messages"))
    assert page.row("“Word 3” · 3 unread")


async def test_who_read_it_first_stays_where_two_read_at_once(clinic: Clinic) -> None:
    message = await clinic.message(await clinic.patient("Grace", clinic.me), "Hello?")
    first, second = (
        Actor(clinic.me.environment_id, name, "portal", "test") for name in ("first", "second")
    )

    async def late() -> Any:
        async with taken(clinic.database, 1) as (connection,):
            return await read_marks.note(connection, second, message["conversation_id"])

    async with clinic.database.transaction() as connection:
        noted = await read_marks.note(connection, first, message["conversation_id"])
        waiting = asyncio.create_task(late())
        blocked = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid::text ="
            " pg_current_xact_id()::text"
        )
        while not await connection.fetchval(blocked):
            assert not waiting.done()
    assert noted is not None
    assert await waiting is None
    async with clinic.database.connection() as connection:
        await read_marks.take_back(connection, second, message["conversation_id"], noted)
        stored = await connection.fetchval(
            "SELECT read_by FROM messages WHERE id = $1", message["id"]
        )
    assert stored == "first"


async def test_only_the_index_of_what_is_unread_is_looked_into(clinic: Clinic) -> None:
    await many(clinic, await clinic.patient("Grace", clinic.me), 2, 2000, read=True)
    environment, me = clinic.me.environment_id, clinic.me.worker_id
    async with clinic.database.connection() as connection:
        trial = connection.transaction()
        await trial.start()
        # What other tests left would have its say in the planner's figures.
        await connection.execute("DELETE FROM messages WHERE environment_id <> $1", environment)
        await connection.execute("ANALYZE messages, conversations, patients")
        for statement, parameters in (
            (queries._ALL_UNREAD, (environment, None, 200)),
            (queries._OWN_UNREAD, (environment, [me], 200, None)),
        ):
            plan = "\n".join(
                row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *parameters)
            )
            assert set(re.findall(r"\bmessages_[a-z]\w+|Seq Scan on messages", plan)) == {
                "messages_unread_part"
            }, plan
        await trial.rollback()


async def test_an_own_inbox_never_counts_what_is_everybodys(clinic: Clinic) -> None:
    """Where there are more new patients without a coach than are listed, these alone are
    counted.
    """
    foreign = await clinic.patient("Olga", clinic.other)
    await many(clinic, foreign, 7, 1, read=False)
    async with clinic.database.connection() as connection:
        await connection.execute(
            "INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name,"
            " birthday) SELECT $1, gen_random_uuid(), 'intake', 'US/Eastern', 'New', n::text,"
            " '1950-12-09' FROM generate_series(1, 231) n",
            clinic.me.environment_id,
        )
    page = (await clinic.me.get("/inbox")).text
    assert counts(page) == {"new": "200+", "all": "200+"}
    path = re.search(r'hx-get="(/inbox/counts[^"]+)" hx-trigger="load', page)
    assert path is not None
    exact = (await clinic.me.fragment(path[1].replace("&amp;", "&"))).text
    assert counts(exact) == {"new": "231", "all": "231"}


async def test_a_count_that_takes_too_long_leaves_the_least_there_is(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_long(*_: Any) -> None:
        return None

    monkeypatch.setattr(queries, "MOST_OF_ALL", 1)
    monkeypatch.setattr(full_counts, "inactive", too_long)
    for number in range(3):
        await clinic.patient(f"Quiet {number}", clinic.other)
    await many(clinic, await clinic.patient("Olga", clinic.other), 2, 1, read=False)
    path = "/inbox/counts?of=all&counting=yes&drawn=messages.watch"
    answer = (await clinic.me.fragment(path)).text
    assert counts(answer) == {"messages": "1", "watch": "1+", "all": "2+"}
    assert Document(answer).testid("counting").words == ""
