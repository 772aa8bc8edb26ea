"""How long the portal's pages take on the server, for a coach of 50 among 100,000 patients with five million entries.

    python -m bench.portal_pages [patients] [rounds]

The rows are made up in a database of their own (``bench.database``). One server process on its own core; a page is fetched again
and again over one connection, in turns with the others, each time for another patient. What is printed is the time until the
whole answer is there, so the load's own share of it is included.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

from almoner.access import accounts, sessions
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.database import Connection, Database
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from bench import database, machine, page

PATIENTS = 100_000
OF_ONE_COACH = 50
ROUNDS = 60
LIMIT_MS = 50
_WARM_UP = 5
_TEAM = 20
PORT = 8765
PAGES = (
    "/inbox",
    "/inbox?of=all",
    "/inbox?of=all&tab=messages",
    "/inbox?of=all&tab=inactive",
    "/patients",
    "/patients?sort=next",
    "/patients?sort=changed",
    "/patients/{patient}",
    "/patients/{patient}/timeline",
    "/patients/{patient}/contact",
    "/patients/{patient}/assessments",
    "/patients/{patient}/records",
    "/patients/{patient}/care-flows",
    "/patients/{patient}/conversations",
    "/calendar",
    "/calendar?view=month{team}",
    "/admin/audit",
)
# Answered to a page's script alone; elsewhere the address leads to the page.
_PARTS = {"/patients/{patient}/timeline": {"HX-Request": "true"}}
_HOW = (
    f"`python -m bench.portal_pages`: a coach of {OF_ONE_COACH} among {PATIENTS:,} patients with five million entries and "
    f"{PATIENTS // OF_ONE_COACH:,} coaches, {ROUNDS} rounds, each page for another patient each time, until the whole answer is "
    "there. One server process on a core of its own."
)
_ENTRIES = ("messages", "calendar_events", "assessment_responses", "care_flows", "custom_data_type_records")
_ROWS = Path(__file__).with_suffix(".sql").read_text().split("--#\n")


async def main(patients: int = PATIENTS, rounds: int = ROUNDS) -> None:
    machine.take_load_core()
    with database.server() as server:
        url = await database.fresh(server)
        opened = await Database.connect(url, size=2, statement_seconds=1800)
        try:
            async with opened.connection() as connection:
                environment = await database.production(connection)
                await publish(connection, environment, kiwi_health.source(), "bench")
                await _fill(connection, environment, patients)
                token, ids, team = await _coach(connection, environment)
        finally:
            await opened.close()
        text = await _serve(url, token, ids, team, rounds)
    print(text)
    if (patients, rounds) == (PATIENTS, ROUNDS):
        page.write("Pages of the portal", f"{_HOW}\n\nMachine: {machine.description()}.\n\n{text}")


async def _fill(connection: Connection, environment: int, patients: int) -> None:
    began = time.perf_counter()
    await connection.execute(
        "INSERT INTO workers (environment_id, id, email, first_name, last_name, timezone) SELECT $1, gen_random_uuid(), "
        "n || '@example.org', 'Coach', 'No ' || n, 'US/Eastern' FROM generate_series(1, $2::int) n",
        *(environment, patients // OF_ONE_COACH),
    )
    await connection.execute(
        "WITH w AS (SELECT id, row_number() OVER () - 1 AS n FROM workers WHERE environment_id = $1) "
        "INSERT INTO patients (environment_id, id, phase, coach_id, timezone, first_name, last_name, birthday) "
        "SELECT $1, gen_random_uuid(), 'active_coaching', w.id, 'US/Pacific', 'Grace', 'Hopper ' || g, '1906-12-09' "
        "FROM generate_series(0, $2::int - 1) g JOIN w ON w.n = g % $3::int",
        *(environment, patients, patients // OF_ONE_COACH),
    )
    for statement in _ROWS:
        await connection.execute(statement, environment)
    await connection.execute("ANALYZE")
    entries = await connection.fetchval("SELECT sum(n_live_tup) FROM pg_stat_user_tables WHERE relname = ANY($1)", list(_ENTRIES))
    print(f"{patients:,} patients, about {entries:,} entries, made in {time.perf_counter() - began:.0f} s")


async def _coach(connection: Connection, environment: int) -> tuple[str, list[str], str]:
    """A coach's session, the ids of the coach's patients, and a team of calendars as the calendar's address has it."""
    worker = await connection.fetchval(
        "SELECT id::text FROM workers WHERE environment_id = $1 AND email = '7@example.org'", environment
    )
    await accounts.set_roles(connection, environment, worker, ("coach", "admin"), AT_THE_TERMINAL)
    token = await sessions.begin(connection, environment, worker)
    rows = await connection.fetch("SELECT id::text FROM patients WHERE environment_id = $1 AND coach_id = $2", environment, worker)
    team = await connection.fetch("SELECT id::text FROM workers WHERE environment_id = $1 ORDER BY id LIMIT $2", environment, _TEAM)
    return token, [row["id"] for row in rows], "".join(f"&worker={one['id']}" for one in team)


async def _serve(url: str, token: str, ids: list[str], team: str, rounds: int) -> str:
    command = machine.on_server_core([database.ALMONER, "serve"])
    server = subprocess.Popen(
        command,
        env=os.environ | database.variables(url) | {"ALMONER_PORT": str(PORT), "ALMONER_SECOND_FACTOR_FOR": "none"},
        stdout=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{PORT}", cookies={"almoner_session": token}, timeout=60
        ) as browser:
            await _ready(browser)
            return await _measure(browser, ids, team, rounds)
    finally:
        server.terminate()
        server.wait(30)


async def _ready(browser: httpx.AsyncClient) -> None:
    for _ in range(1200):
        try:
            if (await browser.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    raise RuntimeError("the server did not start")


async def _measure(browser: httpx.AsyncClient, ids: list[str], team: str, rounds: int) -> str:
    times: dict[str, list[float]] = {path: [] for path in PAGES}
    size: dict[str, int] = {}
    for number in range(_WARM_UP + rounds):
        for path in PAGES:
            began = time.perf_counter()
            answer = await browser.get(path.format(patient=ids[number % len(ids)], team=team), headers=_PARTS.get(path))
            took = time.perf_counter() - began
            if answer.status_code != 200:
                raise RuntimeError(f"{path} answered {answer.status_code}")
            size[path] = len(answer.content)
            # The first rounds draw each template and prepare each statement for the first time.
            if number >= _WARM_UP:
                times[path].append(took)
    rows = []
    for path, found in times.items():
        p95 = 1000 * statistics.quantiles(found, n=20)[-1]
        reached = "yes" if p95 < LIMIT_MS else "**no**"
        rows.append([f"`{path}`", f"{1000 * statistics.median(found):.1f}", f"{p95:.1f}", f"{size[path] / 1024:.0f}", reached])
    columns = ["page", "p50 ms", "p95 ms", "KiB before packing", f"p95 under {LIMIT_MS} ms"]
    return page.table(columns, rows)


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:])))
