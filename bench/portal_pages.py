"""How long the portal's pages take on the server, for a coach of 50 among 100,000 patients with
five million entries.

    python -m bench.portal_pages [patients] [rounds]

The rows are made up in a database of their own, which stays for later runs of the same day
(``bench.database.standing``). One server process on its own core; a page is fetched again and again
over one connection, in turns with the others, each time for another patient. What is printed is the
time until the whole answer is there, so the load's own share of it is included."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import httpx

from almoner.access import accounts, sessions
from almoner.access.worker_events import AT_THE_TERMINAL
from almoner.database import Connection, Database
from almoner.figures.follower import catch_up
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from bench import database, filling, machine, page

PATIENTS = 100_000
CASELOAD = 50
ROUNDS = 60
LIMIT_MS = 50
_WARM_UP = 5
_TEAM = 20
PAGES = (
    "/inbox",
    "/inbox?of=all",
    "/inbox?of=all&section=messages",
    "/inbox?of=all&section=watch",
    "/panel",
    "/panel?view=all&columns=phase,last_contact,next,due&sort=next",
    "/panel?view=all&columns=phase,due,record.lab_result.value&sort=last_contact&way=down"
    "&all=phase:is:active_coaching&all=record.lab_result.value:least:6&all=due:least:1",
    "/supervisor",
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
PARTS = {"/patients/{patient}/timeline": {"HX-Request": "true"}}
_HOW = (
    f"`python -m bench.portal_pages`: a coach of {CASELOAD} among {PATIENTS:,} patients with"
    f" five million entries and {PATIENTS // CASELOAD:,} coaches, {ROUNDS} rounds, each page"
    " for another patient each time, until the whole answer is there. One server process on a core"
    " of its own. The processor's time is what a page takes where nothing else wants the"
    " processor, and what the limit is for; the time until the answer holds the waiting for others"
    " too."
)
_ENTRIES = (
    "messages",
    "calendar_events",
    "assessment_responses",
    "care_flows",
    "custom_data_type_records",
)
_FILLED = ("patients", "calendars", "conversations", *_ENTRIES, "changes")
_SQL = Path(__file__).with_suffix(".sql").read_text()


async def main(patients: int = PATIENTS, rounds: int = ROUNDS) -> None:
    machine.take_load_core()
    with database.server() as server:
        # Its times are told from the day on which it was filled.
        contents = (
            f"{patients} patients of {datetime.now(UTC):%Y-%m-%d},"
            f" {sha256(_SQL.encode()).hexdigest()}"
        )
        url, is_filled = await database.standing(server, "pages", contents)
        opened = await Database.connect(url, size=2, statement_seconds=1800)
        try:
            async with opened.connection() as connection:
                environment = await database.production(connection)
                if not is_filled:
                    await publish(connection, environment, kiwi_health.source(), "bench")
                    await fill(connection, environment, patients)
            if not is_filled:
                while not await catch_up(opened, environment):
                    pass
            async with opened.connection() as connection:
                if not is_filled:
                    await connection.execute("ANALYZE patient_figures")
                    await database.keep(connection, contents)
                token, ids, team = await coach(connection, environment)
                postmaster = machine.postmaster(
                    await connection.fetchval("SELECT pg_backend_pid()")
                )
        finally:
            await opened.close()
        text = await _serve(url, postmaster, token=token, ids=ids, team=team, rounds=rounds)
    print(text)
    if (patients, rounds) == (PATIENTS, ROUNDS):
        page.write("Pages of the portal", f"{_HOW}\n\nMachine: {machine.description()}.\n\n{text}")


async def fill(connection: Connection, environment: int, patients: int) -> None:
    """Makes coaches, patients and entries up, in an environment that has a program."""
    began = time.perf_counter()
    await connection.execute(
        "INSERT INTO workers (environment_id, id, email, first_name, last_name, timezone) SELECT"
        " $1, gen_random_uuid(), n || '@example.org', 'Coach', 'No ' || n, 'US/Eastern' FROM"
        " generate_series(1, $2::int) n",
        *(environment, patients // CASELOAD),
    )
    async with filling.at_once(connection, _FILLED):
        for number, statement in enumerate(_SQL.split("--#\n")):
            await connection.execute(statement, environment, *([patients] if number == 0 else []))
    entries = await connection.fetchval(
        "SELECT sum(n_live_tup) FROM pg_stat_user_tables WHERE relname = ANY($1)", list(_ENTRIES)
    )
    print(
        f"{patients:,} patients, about {entries:,} entries, made in"
        f" {time.perf_counter() - began:.0f} s"
    )


async def coach(connection: Connection, environment: int) -> tuple[str, list[str], str]:
    """A coach's session, the ids of the coach's patients, and a team of calendars as the calendar's
    address has it.
    """
    worker = await connection.fetchval(
        "SELECT id::text FROM workers WHERE environment_id = $1 AND email = '7@example.org'",
        environment,
    )
    await accounts.set_roles(connection, environment, worker, ("coach", "admin"), AT_THE_TERMINAL)
    token = await sessions.begin(connection, environment, worker)
    rows = await connection.fetch(
        "SELECT id::text FROM patients WHERE environment_id = $1 AND coach_id = $2",
        environment,
        worker,
    )
    team = await connection.fetch(
        "SELECT id::text FROM workers WHERE environment_id = $1 ORDER BY id LIMIT $2",
        environment,
        _TEAM,
    )
    return token, [row["id"] for row in rows], "".join(f"&worker={other['id']}" for other in team)


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[str, int]]:
    """A server of this database on a core of its own: its address and its process."""
    command, port = machine.on_server_core([database.ALMONER, "serve"]), machine.free_port()
    server = subprocess.Popen(
        command,
        env=os.environ
        | database.variables(url)
        | {
            "ALMONER_PORT": str(port),
            "ALMONER_SECOND_FACTOR_FOR": "none",
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as asking:
            await _ready(asking, server)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(30)


async def _serve(
    url: str, postmaster: int | None, token: str, ids: list[str], team: str, rounds: int
) -> str:
    async with (
        serving(url) as (address, pid),
        httpx.AsyncClient(
            base_url=address, cookies={"almoner_session": token}, timeout=60
        ) as browser,
    ):
        return await _measure(browser, (pid, postmaster), ids, team, rounds)


async def _ready(browser: httpx.AsyncClient, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        try:
            if (await browser.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            if server.poll() is not None:
                break
            await asyncio.sleep(0.1)
    raise RuntimeError("the server did not start")


async def _measure(
    browser: httpx.AsyncClient,
    processes: tuple[int | None, ...],
    ids: list[str],
    team: str,
    rounds: int,
) -> str:
    measured: dict[str, list[tuple[float, ...]]] = {path: [] for path in PAGES}
    size: dict[str, int] = {}
    for number in range(_WARM_UP + rounds):
        for path in PAGES:
            used = [machine.processor_ms(pid) if pid else 0.0 for pid in processes]
            began = time.perf_counter()
            answer = await browser.get(
                path.format(patient=ids[number % len(ids)], team=team), headers=PARTS.get(path)
            )
            took_ms = 1000 * (time.perf_counter() - began)
            if answer.status_code != 200:
                raise RuntimeError(f"{path} answered {answer.status_code}")
            size[path] = len(answer.content)
            # The first rounds draw each template and prepare each statement for the first time.
            if number >= _WARM_UP:
                using = [
                    machine.processor_ms(pid) - before if pid else 0.0
                    for pid, before in zip(processes, used, strict=True)
                ]
                measured[path].append((took_ms, *using))
    rows = []
    for path, figures in measured.items():
        answered, *processors = zip(*figures, strict=True)
        both = [sum(each) for each in zip(*processors, strict=True)]
        numbers = [
            *_middle_and_p95(answered),
            *(statistics.median(of) for of in processors),
            *_middle_and_p95(both),
        ]
        reached = "yes" if numbers[-1] < LIMIT_MS else "**no**"
        rows.append(
            [
                f"`{path}`",
                *(f"{number:.1f}" for number in numbers),
                reached,
                f"{size[path] / 1024:.0f}",
            ]
        )
    columns = [
        "page",
        "p50 ms",
        "p95 ms",
        "server's processor ms",
        "database's",
        "both, p50",
        "both, p95",
        f"under {LIMIT_MS} ms",
    ]
    return page.table([*columns, "KiB before packing"], rows)


def _middle_and_p95(numbers: Sequence[float]) -> tuple[float, float]:
    return statistics.median(numbers), statistics.quantiles(numbers, n=20)[-1]


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:])))
