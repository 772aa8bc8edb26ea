"""A thousand processes beside creates: what they cost those who write, and those who read the feed.

    python -m bench.processes [--rounds 12] [--loaded 6000] [--creates 5000] [--processes 1000]

Answers to fifty assessments are loaded, and others created one after the other, in turns while the
other core is idle, while it is busy with a loop that computes, and while a worker there acts on
the processes: it has what was loaded to read while others write. Each answer is looked at by twenty
processes, and one in fifty answers sets one off. Writer and PostgreSQL share a core. Which of the
three comes first changes with each round, and what is compared is compared within a round.

With the defaults it takes some five minutes on two cores that have nothing else to do. What the
worker is to read must last for as long as is created: it reads some 1,700 answers a second, and a
fifth more where more is loaded. Fewer rounds tell less; with other sizes nothing is written.

A core that is busy with anything slows its neighbour, by what two cores of a machine share. What
the processes cost is therefore told against the loop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from types import MappingProxyType

from almoner.data_api.declare import Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.resources import BY_NAME, RESOURCES
from almoner.workshop.programs import PublishedPrograms
from almoner.workshop.publish import publish
from bench import database, machine, page

SIZES = {
    "rounds": (12, "how often each of the three is measured"),
    "loaded": (6_000, "answers that are loaded before each of them"),
    "creates": (5_000, "answers that are created in each of them"),
    "processes": (1_000, "how many processes the program has"),
}
ASSESSMENTS = 50
PATIENTS = 200
_RESPONSES = BY_NAME["assessment_responses"]
# How old the oldest change is that is committed and that the feed does not tell yet.
_LAG = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(c.changed_at)), 0)::float
FROM changes c, almoner_horizon() h WHERE c.environment_id = $1 AND (c.epoch, c.xid) >= (h.epoch,
  h.xid)
"""
_BEHIND = """
SELECT count(*) FROM changes c LEFT JOIN process_positions p ON p.environment_id = $1
WHERE c.environment_id = $1 AND c.resource = 'assessment_responses'
  AND (p.xid IS NULL OR (c.epoch, c.xid, c.seq) > (p.epoch, p.xid, p.seq))
"""
# The processes read on behind what there is by now.
_READ = """
INSERT INTO process_positions (environment_id, epoch, xid, seq, ahead_until)
SELECT $1, epoch, xid, seq, now() FROM changes WHERE environment_id = $1
ORDER BY epoch DESC, xid DESC, seq DESC LIMIT 1
ON CONFLICT (environment_id) DO UPDATE
SET epoch = excluded.epoch, xid = excluded.xid, seq = excluded.seq
"""
_FIRED = "SELECT count(*) FROM process_firings WHERE environment_id = $1"


@dataclass(frozen=True)
class Round:
    """Creates a second, microseconds of the processor for one, and the lag of the feed in seconds.
    ``beside``: how much of a core the process on the other one used meanwhile, sessions of the
    database not counted. ``caught_up``: seconds from the last create until the processes had
    looked at it; 0 without a worker.
    """

    rate: float
    processor: float
    lag_median: float
    lag_most: float
    beside: float = 0.0
    caught_up: float = 0.0


@dataclass(frozen=True)
class Site:
    """Where answers are created: over ``writing``, by ``store``. ``opened`` looks on."""

    opened: Database
    writing: Database
    store: Store
    by: Actor
    patients: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.processes", description=__doc__)
    for name, (default, what) in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=what)
    options = parser.parse_args()
    machine.take_load_core()
    with database.server() as server:
        text = asyncio.run(_compare(server, options))
    print(text)
    if vars(options) == {name: default for name, (default, _) in SIZES.items()}:
        page.write("Processes beside creates", text)


async def _compare(server: str, sizes: argparse.Namespace) -> str:
    url = await database.fresh(server)
    opened = await Database.connect(url, size=4)
    # Creates have a session of their own.
    writing = await Database.connect(url, size=1)
    store = Store(writing, PublishedPrograms(writing), RESOURCES)
    try:
        async with opened.connection() as connection:
            environment = await database.production(connection)
            await publish(connection, environment, _program(sizes.processes), "bench")
        by = Actor(environment, "bench", "api", "bench", whole=True)
        patients = [
            (await store.create(by, BY_NAME["patients"], _PATIENT)).id for _ in range(PATIENTS)
        ]
        site = Site(opened, writing, store, by, patients)
        arms: tuple[list[Round], list[Round], list[Round]] = ([], [], [])
        for number in range(sizes.rounds):
            for turn in range(3):
                arm = (number + turn) % 3
                arms[arm].append(await _arm(site, url, arm, sizes))
        async with opened.connection() as connection:
            fired = await connection.fetchval(_FIRED, environment)
    finally:
        await writing.close()
        await opened.close()
    return _text(arms, sizes, fired)


async def _arm(site: Site, url: str, arm: int, sizes: argparse.Namespace) -> Round:
    """One of the three, beside an idle core (0), a loop (1) or a worker (2)."""
    if arm == 0:
        return await _round(site, sizes)
    if arm == 1:
        async with _loop() as loop:
            return await _round(site, sizes, neighbour=loop)
    async with site.opened.connection() as connection:
        await connection.execute(_READ, site.by.environment_id)
    async with _worker(url) as worker:
        return await _round(site, sizes, neighbour=worker, follows=True)


_PATIENT = {
    "first_name": "Grace",
    "last_name": "Hopper",
    "birthday": "1906-12-09",
    "timezone": "US/Eastern",
    "phase": "intake",
}


async def _round(
    site: Site, sizes: argparse.Namespace, neighbour: int | None = None, follows: bool = False
) -> Round:
    """``neighbour`` is the process on the other core, ``follows`` whether that is a worker."""
    opened, store, by, patients = site.opened, site.store, site.by, site.patients
    loaded = [_answers(patients, number) for number in range(sizes.loaded)]
    await store.load(by, _RESPONSES, loaded)
    if follows:
        # The worker is at it from the first create on.
        await _behind(opened, by.environment_id, fewer=True)
    stop, lags = asyncio.Event(), list[float]()
    async with site.writing.connection() as connection:
        session = await connection.fetchval("SELECT pg_backend_pid()")
    looking = asyncio.create_task(_look(opened, by.environment_id, session, stop=stop, lags=lags))
    used = machine.processor_ms(neighbour) if neighbour else 0.0
    began, processor = time.perf_counter(), _processor_ms(session)
    for number in range(sizes.creates):
        await store.create(by, _RESPONSES, _answers(patients, number))
    ended, processor = time.perf_counter(), _processor_ms(session) - processor
    used = machine.processor_ms(neighbour) - used if neighbour else 0.0
    stop.set()
    await looking
    if follows:
        await _behind(opened, by.environment_id)
    caught_up = time.perf_counter() - ended if follows else 0.0
    return Round(
        rate=sizes.creates / (ended - began),
        processor=1000 * processor / sizes.creates,
        lag_median=median(lags),
        lag_most=max(lags),
        beside=used / 1000 / (ended - began),
        caught_up=caught_up,
    )


def _processor_ms(session: int) -> float:
    """What the writer and its session of the database have used."""
    return time.process_time() * 1000 + machine.processor_ms(session)


def _answers(patients: list[str], number: int) -> Row:
    model = {"low": number % 7, "lost": number // 7 % 7, "slept": number // 49 % 21}
    return {
        "user_id": patients[number % PATIENTS],
        "spec_id": f"a{number % ASSESSMENTS}",
        "model": model,
    }


async def _look(
    opened: Database, environment: int, session: int, stop: asyncio.Event, lags: list[float]
) -> None:
    """Looks at the lag of the feed ten times a second, and keeps all of PostgreSQL but the writer's
    session on the worker's core: who cleans up and flushes takes turns with nobody else.
    """
    async with opened.connection() as connection:
        while not stop.is_set():
            machine.pin_all_but(session)
            lags.append(await connection.fetchval(_LAG, environment))
            await asyncio.sleep(0.1)


async def _behind(opened: Database, environment: int, fewer: bool = False) -> None:
    """Waits until the processes have looked at everything, or at more than now."""
    async with opened.connection() as connection:
        before = await connection.fetchval(_BEHIND, environment) if fewer else 1
        while await connection.fetchval(_BEHIND, environment) >= before:
            await asyncio.sleep(0.1)


def _loop() -> AbstractAsyncContextManager[int]:
    """A loop that computes on the other core, and knows nothing of the database."""
    return _neighbour([sys.executable, "-c", "numbers = range(200_000)\nwhile True: sum(numbers)"])


def _worker(url: str) -> AbstractAsyncContextManager[int]:
    """`almoner worker` on the other core."""
    return _neighbour([database.ALMONER, "worker"], database.variables(url))


@asynccontextmanager
async def _neighbour(
    command: list[str], variables: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[int]:
    """Answers with the process's id."""
    process = await asyncio.create_subprocess_exec(
        *machine.on_server_core(command),
        env=os.environ | variables,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


def _program(processes: int) -> str:
    assessments = "".join(
        f"""
  - id: a{number}
    name: A{number}
    sections:
      - questions:
          - {{name: low, kind: scale, low: 0, high: 6, weight: 1}}
          - {{name: lost, kind: scale, low: 0, high: 6, weight: 1}}
          - {{name: slept, kind: integer}}
    scoring: {{bands: [{{name: fine, low: 0, high: 11}}, {{name: low, low: 12, high: 12}}]}}"""
        for number in range(ASSESSMENTS)
    )
    acting = "".join(
        f"""
  - name: p{number}
    when: {{event: assessment_finished, assessment: a{number % ASSESSMENTS}}}
    if: {{all: [{{of: band, is: low}}, {{of: answer, field: slept, is: {number // ASSESSMENTS}}}]}}
    then: [{{do: give_task, task: survey}}]"""
        for number in range(processes)
    )
    return (
        f"program: Bench\nphases: [{{name: intake}}]\ntask_types: [{{name: survey}}]\n"
        f"assessments:{assessments}\nprocesses:{acting}\n"
    )


def _text(
    arms: tuple[list[Round], list[Round], list[Round]], sizes: argparse.Namespace, fired: int
) -> str:
    """``arms``: the rounds beside an idle core, beside a loop and beside the worker."""
    rates = [median(each.rate for each in rounds) for rounds in arms]
    lags = [median(each.lag_median for each in rounds) for rounds in arms]
    most = [max(each.lag_most for each in rounds) for rounds in arms]
    took = [median(each.processor for each in rounds) for rounds in arms]
    beside = arms[-1]
    caught_up = max(each.caught_up for each in beside)
    # Within a round, so that what the machine does meanwhile is the same for both.
    against = [with_it.rate / busy.rate for busy, with_it in zip(*arms[1:], strict=True)]
    lost, dearer = 1 - median(against), took[2] / took[1] - 1
    added = most[2] - most[1]
    rows = [
        [
            "creates a second",
            *(f"{rate:,.0f}" for rate in rates),
            _than(-lost, "more", "fewer"),
            "5%",
            _yes(lost < 0.05),
        ],
        [
            "processor time of a create",
            *(f"{microseconds:,.0f} µs" for microseconds in took),
            _than(dearer, "more", "less"),
            "5%",
            _yes(dearer < 0.05),
        ],
        [
            "of the other core",
            *(f"{median(each.beside for each in rounds):.0%}" for rounds in arms),
            "",
            "",
            "",
        ],
        [
            "lag of the feed, median",
            *(f"{lag:.3f} s" for lag in lags),
            f"{lags[2] - lags[1]:.3f} s",
            "",
            "",
        ],
        [
            "lag of the feed, at most",
            *(f"{lag:.3f} s" for lag in most),
            f"{added:.3f} s",
            "2 s",
            _yes(added < 2),
        ],
    ]
    read = sum(map(len, arms)) * (sizes.loaded + sizes.creates)
    how = (
        f"`python -m bench.processes`: {read:,} answers, most of them loaded, {sizes.creates:,} in"
        f" each of {len(beside)} rounds created one after the other, in turns while the other core"
        " is idle, while it is busy with a loop that knows nothing of the database, and while a"
        f" worker there has {sizes.processes:,} processes, of which twenty look at each answer;"
        f" {fired:,} were set off. The worker reads what was loaded while the others are created,"
        f" and was through with all at most {caught_up:.1f} s after the last of them. Creates"
        f" beside the loop were {_than(rates[1] / rates[0] - 1, 'more', 'fewer')} than beside an"
        " idle core: that is the machine's; the difference is of the worker against the loop, in"
        f" the median of the rounds{_between(against)}."
    )
    columns = [
        "what",
        "core idle",
        "core busy",
        "with the worker",
        "worker against busy",
        "at most",
        "reached",
    ]
    return f"{how}\n\nMachine: {machine.description()}.\n\n{page.table(columns, rows)}"


def _between(against: list[float]) -> str:
    """How far apart half of the rounds are; blank of a single one."""
    if len(against) < 2:
        return ""
    first, _, last = quantiles(against, n=4)
    ends = (_than(share - 1, "more", "fewer") for share in (last, first))
    return f", of which half are between {' and '.join(ends)}"


def _than(difference: float, more: str, less: str) -> str:
    return f"{abs(difference):.1%} {more if difference > 0 else less}"


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


if __name__ == "__main__":
    main()
