"""The least that a Python process can do for the same answers: ASGI, asyncpg and exactly Almoner's
statements.

No routes, no checks of fields, no error format: it shows what Almoner's layers cost. Run by
uvicorn, like Almoner."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import uuid4

import asyncpg
import msgspec

from almoner.data_api.statements import ROW_END
from bench.dataset import BEFORE_ALL
from bench.statements import LEFT_OUT, SESSION, Statement, statements

TOKENS = {f"Bearer {os.environ['BENCH_TOKEN']}".encode(): int(os.environ["BENCH_ENVIRONMENT"])}
STATEMENTS: dict[str, Statement] = statements()
HEADERS = [(b"content-type", b"application/json")]
pool: asyncpg.Pool | None = None


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    environment = next(
        (TOKENS.get(value) for name, value in scope["headers"] if name == b"authorization"), None
    )
    if environment is None:
        await answer(send, 401, b"{}")
        return
    path: str = scope["path"]
    if scope["method"] == "POST":
        body = await create(environment, (await receive())["body"])
    elif len(path) > len("/v1/patients/"):
        body = await get(environment, path) or b""
    else:
        body = await find(environment, scope["query_string"])
    await answer(send, 200 if body else 404, body or b"{}")


async def run(name: str, values: dict[str, Any]) -> list[bytes]:
    """The JSON of each row that the statement answers with."""
    assert pool is not None
    statement = STATEMENTS[name]
    async with pool.acquire() as connection:
        records = await connection.fetch(statement.sql, *map(values.get, statement.arguments))
    return [record["body"] for record in records]


async def get(environment: int, path: str) -> bytes | None:
    rows = await run("get", {"environment_id": environment, "id": path.rpartition("/")[2]})
    return rows[0] if rows else None


async def find(environment: int, query: bytes) -> bytes:
    asked = parse_qs(unquote(query.decode()))
    start, end = asked["page[from]"][0], asked["page[to]"][0]
    size = int(asked["page[size]"][0])
    values = {
        "environment_id": environment,
        "from": moment(start),
        "to": moment(end),
        "after": BEFORE_ALL,
        "limit": size + 1,
    }
    rows = (await run("find", values))[0].split(ROW_END)
    meta = msgspec.json.encode(
        {"current": {"page[from]": start, "page[to]": end, "page[size]": size}}
    )
    return b'[{"data":[%s],"meta":%s}]' % (b",".join(rows[:size]), meta)


async def create(environment: int, body: bytes) -> bytes:
    values = LEFT_OUT | msgspec.json.decode(body)
    values["birthday"] = date.fromisoformat(values["birthday"])
    values |= {"environment_id": environment, "id": uuid4()}
    values |= {"actor": "bench", "through": "api", "request_id": uuid4().hex}
    return (await run("create", values))[0]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def answer(send: Any, status: int, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Any, send: Any) -> None:
    global pool
    await receive()
    # Without the reset of a connection on its return: no statement here leaves anything behind.
    pool = await asyncpg.create_pool(
        os.environ["BENCH_DATABASE_URL"],
        min_size=16,
        max_size=16,
        reset=_nothing,
        server_settings=SESSION,
    )
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pool.close()
    await send({"type": "lifespan.shutdown.complete"})


async def _nothing(connection: asyncpg.Connection) -> None:
    return None
