"""``python -m bench.sizing [patients] [rounds]``: what coaches and programs cost a machine, and so
how many of them one has room for.

What is measured is processor time, of the server and of PostgreSQL together, for each act of a
coach and of a program: a machine that is busy with other work changes it little. What is counted on
from it is said beside the table: how often a coach does what in a day, and which part of a core is
used."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx

from almoner.access import clients
from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.access.sessions import csrf
from almoner.database import Connection, Database
from almoner.figures.follower import catch_up
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from bench import database, machine, page, portal_pages

PATIENTS: Final = 10_000
ROUNDS: Final = 40
_WARM_UP: Final = 5
_HOURS: Final = 8.0
# The busiest minutes of these hours take more than twice what the middling ones do.
_USED: Final = 0.4
_MS_OF_A_DAY: Final = _HOURS * 3_600_000 * _USED
_LOGGED: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
Act = Callable[[int], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Measured:
    """Processor time of an act in milliseconds, and what it adds to the log, in bytes."""

    server_ms: float
    database_ms: float
    logged: float

    @property
    def ms(self) -> float:
        """Of both."""
        return self.server_ms + self.database_ms


# How often in a day: a coach has 50 patients, sees 15 of them and writes of each.
COACH: Final = {
    "the inbox": 40,
    "a patient's page": 45,
    "the timeline of it": 45,
    "the panel": 6,
    "the calendar": 8,
    "a note saved": 15,
}
# What programs write and read of one patient.
PATIENT: Final = {"a row created": 2, "a row changed": 4, "a row read": 4, "a page of the feed": 1}
CASELOAD: Final = portal_pages.CASELOAD


class Acts:
    """What is done in turns, each by its name, for another patient each time."""

    def __init__(
        self, coach: httpx.AsyncClient, program: httpx.AsyncClient, token: str, ids: list[str]
    ) -> None:
        self._coach, self._program, self._token, self._ids = coach, program, token, ids
        self.each: dict[str, Act] = {
            "the inbox": lambda _: coach.get("/inbox"),
            "a patient's page": lambda n: coach.get(f"/patients/{self._patient(n)}"),
            "the timeline of it": self._timeline,
            "the panel": lambda _: coach.get("/panel"),
            "the calendar": lambda _: coach.get("/calendar"),
            "a note saved": self._note,
            "a row created": self._create,
            "a row changed": self._change,
            "a row read": lambda n: program.get(f"/v1/patients/{self._patient(n)}"),
            "a page of the feed": lambda _: program.get("/v1/changes", params={"limit": "50"}),
        }

    def _patient(self, number: int) -> str:
        return self._ids[number % len(self._ids)]

    def _timeline(self, number: int) -> Awaitable[httpx.Response]:
        path = f"/patients/{self._patient(number)}/timeline"
        return self._coach.get(path, headers={"HX-Request": "true"})

    def _note(self, number: int) -> Awaitable[httpx.Response]:
        values = {"csrf": csrf(self._token), "note_type": "progress", "do": "save"}
        values["text"] = (
            f"Sleeps better since the {number % 28 + 1}th; walks after lunch, keeps to the plan."
        )
        origin = {"Origin": str(self._coach.base_url).rstrip("/")}
        return self._coach.post(
            f"/patients/{self._patient(number)}/note", data=values, headers=origin
        )

    def _create(self, number: int) -> Awaitable[httpx.Response]:
        body = {
            "phase": "intake",
            "timezone": "US/Pacific",
            "first_name": "Grace",
            "last_name": f"Hopper {number}",
            "birthday": "1906-12-09",
        }
        return self._program.post("/v1/patients", json=body)

    def _change(self, number: int) -> Awaitable[httpx.Response]:
        path = f"/v1/patients/{self._patient(number)}"
        return self._program.put(path, json={"city": f"Rye {number}"})


async def main(patients: int = PATIENTS, rounds: int = ROUNDS) -> None:
    """Fills a database, serves it, does each act in turns, and tells."""
    machine.take_load_core()
    with database.server() as server:
        url = await database.fresh(server)
        opened = await Database.connect(url, size=2, statement_seconds=1800)
        try:
            async with opened.connection() as connection:
                environment = await database.production(connection)
                await publish(connection, environment, kiwi_health.source(), "bench")
                await portal_pages.fill(connection, environment, patients)
            while not await catch_up(opened, environment):
                pass
            async with opened.connection() as connection:
                session, ids, _ = await portal_pages.coach(connection, environment)
                box = SecretBox(*KeySource("", database.HOME).first())
                client = await clients.create(
                    connection,
                    box,
                    environment_id=environment,
                    name="sizing",
                    scope="all",
                    shape="documented",
                )
                token = await clients.long_lived_token(connection, client.client_id)
                pid = machine.postmaster(await connection.fetchval("SELECT pg_backend_pid()"))
                size = await connection.fetchval("SELECT pg_database_size(current_database())")
            async with portal_pages.serving(url) as (address, serving):
                async with (
                    httpx.AsyncClient(
                        base_url=address, cookies={"almoner_session": session}, timeout=60
                    ) as coach,
                    httpx.AsyncClient(
                        base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60
                    ) as program,
                ):
                    acts = Acts(coach, program, session, ids)
                    async with opened.connection() as connection:
                        measured = await _measure(acts, (serving, pid), connection, rounds)
                resident = machine.resident_mib(serving)
        finally:
            await opened.close()
    text = _report(measured, patients, size, resident)
    print(text)
    if (patients, rounds) == (PATIENTS, ROUNDS):
        page.write("Sizing", text)


async def _measure(
    acts: Acts, processes: tuple[int, int | None], connection: Connection, rounds: int
) -> dict[str, Measured]:
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in acts.each}
    for number in range(_WARM_UP + rounds):
        for name, act in acts.each.items():
            logged = await connection.fetchval(_LOGGED)
            used = [machine.processor_ms(pid) if pid else 0.0 for pid in processes]
            answer = await act(number)
            if answer.status_code >= 400:
                raise RuntimeError(f"{name} was answered {answer.status_code}: {answer.text[:200]}")
            after = [machine.processor_ms(pid) if pid else 0.0 for pid in processes]
            written = await connection.fetchval(_LOGGED) - logged
            # The first rounds draw each template and prepare each statement for the first time.
            if number >= _WARM_UP:
                figures[name].append((after[0] - used[0], after[1] - used[1], float(written)))
    return {
        name: Measured(*(statistics.mean(column) for column in zip(*each, strict=True)))
        for name, each in figures.items()
    }


def _report(measured: dict[str, Measured], patients: int, size: int, resident: float) -> str:
    rows = [
        [name, f"{of.server_ms:.1f}", f"{of.database_ms:.1f}", f"{of.logged / 1024:.1f}"]
        for name, of in measured.items()
    ]
    coach = sum(measured[name].ms * times for name, times in COACH.items())
    patient = sum(measured[name].ms * times for name, times in PATIENT.items())
    changes = sum(PATIENT[name] for name in ("a row created", "a row changed"))
    written = (measured["a row created"].ms + measured["a row changed"].ms) / 2
    room = [
        ["coaches who work with 50 patients each", f"{_MS_OF_A_DAY / coach:,.0f}"],
        ["patients of whom programs write and read", f"{_MS_OF_A_DAY / patient:,.0f}"],
        [
            "both: coaches, with their patients",
            f"{_MS_OF_A_DAY / (coach + CASELOAD * patient):,.0f}",
        ],
        ["changes by programs a day, and nothing else", f"{_MS_OF_A_DAY / written:,.0f}"],
    ]
    kib = sum(measured[name].logged * times for name, times in PATIENT.items()) / 1024
    return "\n\n".join(
        (
            f"Machine: {machine.description()}. {patients:,} patients, {size / 2**20:,.0f} MiB.",
            page.table(["act", "server, ms", "PostgreSQL, ms", "log, KiB"], rows),
            f"A day of a coach is {coach / 1000:.1f} s of a processor, a day of a patient in"
            f" programs ({changes} changes) {patient / 1000:.2f} s. One core, used to {_USED:.0%}"
            f" over {_HOURS:.0f} hours, has room for:",
            page.table(["of one core", "a day"], room),
            f"A server process takes {resident:,.0f} MiB; a day of a patient in programs adds"
            f" {kib:,.0f} KiB to the log.",
        )
    )


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:])))
