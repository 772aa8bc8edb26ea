"""``python -m bench.batches``: patients created by ``POST /v1/patients/batch`` against single
creates, over HTTP to one server process, in turns: five times as many rows a second are to be
reached.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from statistics import median

import asyncpg
import msgspec

from almoner.workshop.publish import publish
from bench import database, machine, page
from bench.contenders import Contender, almoner_token, running
from bench.dataset import BODY, PROGRAM

TARGET = 5.0
CONNECTIONS = 4
_END = b"\r\n\r\n"


def request(path: str, token: str, body: object) -> bytes:
    """A request as it goes over the socket, made once: what is measured is the server."""
    raw = msgspec.json.encode(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
        f"content-length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


async def _rows_per_second(port: int, asked: bytes, rows: int, seconds: float) -> float:
    until = time.perf_counter() + seconds

    async def send() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        done = 0
        while time.perf_counter() < until:
            writer.write(asked)
            head = await reader.readuntil(_END)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode("latin-1"))
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            done += rows
        writer.close()
        return done

    begun = time.perf_counter()
    done = sum(await asyncio.gather(*(send() for _ in range(CONNECTIONS))))
    return done / (time.perf_counter() - begun)


async def _prepared(server_url: str) -> str:
    url = await database.fresh(server_url)
    connection = await asyncpg.connect(url)
    environment = await database.production(connection)
    await publish(connection, environment, PROGRAM, "bench")
    await connection.close()
    return url


def main() -> None:
    """Read the options, create by each way in turns, tell."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.batches", description="Batches against single creates."
    )
    parser.add_argument("--rows", type=int, default=1000, help="of a batch")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    machine.take_load_core()
    rates: dict[str, list[float]] = {"single creates": [], "batches": []}
    with database.server() as server_url:
        url = asyncio.run(_prepared(server_url))
        token = almoner_token(url)
        command = (database.ALMONER, "serve", "--workers", "1")
        server = Contender("almoner", "Almoner", command, token, database.variables(url))
        ways = {
            "single creates": (request("/v1/patients", token, BODY), 1),
            "batches": (
                request("/v1/patients/batch", token, {"create": [BODY] * options.rows}),
                options.rows,
            ),
        }
        with running(server) as (port, _):
            for _ in range(options.rounds):
                for way, (asked, rows) in ways.items():
                    rate = asyncio.run(_rows_per_second(port, asked, rows, options.seconds))
                    rates[way].append(rate)
                    print(f"{way}: {rate:,.0f} rows/s", flush=True)
    single = median(rates["single creates"])
    lines = [
        [
            way,
            f"{median(rate):,.0f}",
            f"{median(rate) / single:.1f}",
            "yes" if way == "single creates" or median(rate) / single >= TARGET else "**no**",
        ]
        for way, rate in rates.items()
    ]
    table = page.table(["way", "patients per second", "of single creates", "at least 5"], lines)
    print(table)
    text = (
        f"`python -m bench.batches`: patients over HTTP to one process, {CONNECTIONS} connections,"
        f" {options.rows:,} rows a batch; medians of {options.rounds} turns of"
        f" {options.seconds:g} s each.\n\nMachine: {machine.description()}."
    )
    page.write("Batches", f"{text}\n\n{table}")


if __name__ == "__main__":
    main()
