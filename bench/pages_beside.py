"""``python -m bench.pages_beside OTHER_CHECKOUT``: the portal's pages of another checkout and of
this one, in turns over the same rows.

Each checkout has an environment of its own (``make .venv`` there makes it) and fills a database of
its own with its own ``bench.portal_pages``; both databases are on one server, and each checkout's
server is one process on the same core. A page is fetched from both, one right after the other; who
is first alternates. The processor's time of server and database is compared, which other work on
the machine changes less than the time until the answer."""

from __future__ import annotations

import argparse
import asyncio
import statistics
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench import database, machine, page
from bench.contenders import ROOT, Contender, of_checkout, running
from bench.portal_pages import PAGES, PARTS

_WARM_UP = 5
# Run by each checkout's own Python, so that rows, program and session are made by its own code.
_PREPARE = """
import asyncio, json, sys
from almoner.database import Database
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from bench import database, machine, portal_pages

async def prepare(server_url, patients):
    url = await database.fresh(server_url)
    opened = await Database.connect(url, size=2, statement_seconds=1800)
    async with opened.connection() as connection:
        environment = await database.production(connection)
        await publish(connection, environment, kiwi_health.source(), "bench")
        # Their names in checkouts of before.
        fill = getattr(portal_pages, "fill", None) or portal_pages._fill
        coach = getattr(portal_pages, "coach", None) or portal_pages._coach
        await fill(connection, environment, patients)
        token, ids, team = await coach(connection, environment)
        backend = await connection.fetchval("SELECT pg_backend_pid()")
    postmaster = machine.postmaster(backend)
    await opened.close()
    return {"url": url, "token": token, "ids": ids, "team": team, "postmaster": postmaster,
            "variables": database.variables(url)}

print(json.dumps(asyncio.run(prepare(sys.argv[1], int(sys.argv[2])))))
"""


@dataclass
class Side:
    """One checkout: its running server, and what each page took of both processors (ms)."""

    server: Contender
    ids: list[str]
    team: str
    postmaster: int | None
    took_ms: dict[str, list[float]] = field(default_factory=lambda: {path: [] for path in PAGES})


def main() -> None:
    """Read the options, measure in turns, print and write down."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pages_beside", description="Compare the pages of two checkouts."
    )
    parser.add_argument("other", type=Path, help="the other checkout, with its own .venv")
    parser.add_argument("--patients", type=int, default=20_000, help="in each database")
    parser.add_argument("--rounds", type=int, default=40, help="times that each page is fetched")
    options = parser.parse_args()
    machine.take_load_core()
    with database.server() as server_url:
        sides = [
            _side(server_url, checkout.resolve(), number, options.patients)
            for number, checkout in enumerate((options.other, ROOT))
        ]
        asyncio.run(_measure(sides, options.rounds))
    text = report(*sides)
    print(f"\n{text}")
    circumstances = (
        f"`python -m bench.pages_beside OTHER_CHECKOUT --patients {options.patients} --rounds"
        f" {options.rounds}`: processor time of server and database for one page, the median of"
        f" {options.rounds}, milliseconds. Machine: {machine.description()}."
    )
    page.write("Pages beside the version before", f"{circumstances}\n\n{text}")


def _side(server_url: str, checkout: Path, number: int, patients: int) -> Side:
    """A checkout with its database made and filled."""
    name = f"{database.NAME}_pages_beside_{number}"
    server, prepared = of_checkout(checkout, name, _PREPARE, server_url, str(patients))
    server.environment["ALMONER_SECOND_FACTOR_FOR"] = "none"
    return Side(server, prepared["ids"], prepared["team"], prepared["postmaster"])


async def _measure(sides: list[Side], rounds: int) -> None:
    async with AsyncExitStack() as stack:
        browsers = []
        for side in sides:
            port, pid = stack.enter_context(running(side.server))
            browser = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                cookies={"almoner_session": side.server.token},
                timeout=60,
            )
            browsers.append((side, pid, await stack.enter_async_context(browser)))
        for number in range(_WARM_UP + rounds):
            for path in PAGES:
                for side, pid, browser in browsers if number % 2 else reversed(browsers):
                    took_ms = await _fetch(side, pid, browser, path, number)
                    # The first rounds draw each template and prepare each statement.
                    if number >= _WARM_UP:
                        side.took_ms[path].append(took_ms)


async def _fetch(side: Side, pid: int, browser: httpx.AsyncClient, path: str, number: int) -> float:
    """The processor's milliseconds of the server and of the database for one page."""
    processes = [of for of in (pid, side.postmaster) if of]
    before = sum(machine.processor_ms(of) for of in processes)
    address = path.format(patient=side.ids[number % len(side.ids)], team=side.team)
    answer = await browser.get(address, headers=PARTS.get(path))
    if answer.status_code != 200:
        raise RuntimeError(f"{side.server.title}: {path} answered {answer.status_code}")
    return sum(machine.processor_ms(of) for of in processes) - before


def report(before: Side, after: Side) -> str:
    """A table in Markdown: each page of both, and the ratio of both medians."""
    rows, ratios = [], []
    for path in PAGES:
        old, new = (statistics.median(side.took_ms[path]) for side in (before, after))
        ratios.append(new / old)
        rows.append([f"`{path}`", f"{old:.1f}", f"{new:.1f}", f"{new / old:.2f}"])
    rows.append(
        ["all pages, the geometric mean", "", "", f"{statistics.geometric_mean(ratios):.2f}"]
    )
    titles = [before.server.title, after.server.title]
    return page.table(["page", *titles, f"{titles[1]} divided by {titles[0]}"], rows)


if __name__ == "__main__":
    main()
