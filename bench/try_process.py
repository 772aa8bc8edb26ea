"""A process tried on a million changes: how long it takes, and in how much memory.

    python -m bench.try_process [changes]

Every change is an answer that the process waits for, of 50,000 patients, and a third of them are in
the band that it asks for: nothing in the log is passed over. A tenth of the log is tried as well,
for its memory beside that of all. Trial and PostgreSQL share one core; what the processor has to do
is what it takes where nothing else wants it."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from almoner.database import Connection, Database
from almoner.processes import trial
from almoner.workshop.publish import publish
from almoner.workshop.published_programs import design_of
from bench import database, machine, page
from bench.filling import at_once

CHANGES = 1_000_000
PATIENTS = 50_000
PROGRAM = """
program: Bench
phases: [{name: intake}, {name: active}]
assessments:
  - id: mood
    name: Mood
    sections:
      - questions:
          - {name: low, kind: scale, low: 0, high: 6, weight: 1}
          - {name: lost, kind: scale, low: 0, high: 6, weight: 1}
    scoring:
      bands:
        - {name: fine, low: 0, high: 7}
        - {name: low, low: 8, high: 12}
task_types: [{name: survey}]
processes:
  - name: low
    when: {event: assessment_finished, assessment: mood}
    if: {all: [{of: band, is: low}, {of: patient, field: phase, is: active}]}
    then: [{do: give_task, task: survey}]
"""


@dataclass(frozen=True)
class Tried:
    """What came of a trial, in seconds by the clock and of the processor, and MiB."""

    cases: int
    seconds: float
    processor: float
    peak_mib: float


# The answers go back an hour and more, the newest a minute.
_SINCE = "now() - interval '80 days' + interval '79 days' * n / {count}"


async def main(count: int) -> None:
    machine.take_load_core()
    with database.server() as server:
        url = await database.fresh(server)
        opened = await Database.connect(url, size=1, statement_seconds=600)
        try:
            async with opened.connection() as connection:
                environment = await database.production(connection)
                await publish(connection, environment, PROGRAM, "bench")
                async with at_once(connection, ("patients", "assessment_responses", "changes")):
                    await _fill(connection, environment, count)
        finally:
            await opened.close()
        tenth, whole = (_in_its_own_process(url, environment, days) for days in (8, 81))
    text = (
        f"{whole.cases:,} cases came of {count:,} changes in {whole.processor:.1f} s of the"
        f" processor ({'under' if whole.processor < 60 else '**over**'} a minute),"
        f" {1e6 * whole.processor / count:.1f} µs a change, {whole.seconds:.1f} s by the clock. The"
        f" process had {whole.peak_mib:.0f} MiB at most, and {tenth.peak_mib:.0f} MiB over the last"
        f" tenth ({tenth.cases:,} cases)."
    )
    print(text)
    if count == CHANGES:
        how = (
            "`python -m bench.try_process`: each change is an answer that the process waits for, of"
            f" {PATIENTS:,} patients; trial and PostgreSQL share one core. Other work may"
            " go on beside it: what the processor has to do is what it takes where none does."
        )
        page.write("Trying a process", f"{how}\n\nMachine: {machine.description()}.\n\n{text}")


async def _fill(connection: Connection, environment: int, count: int) -> None:
    since = _SINCE.format(count=count)
    await connection.execute(
        "INSERT INTO patients (environment_id, id, first_name, last_name, birthday, timezone,"
        " phase, plain_name, created_at, updated_at) SELECT $1, md5('p' || n)::uuid, 'Grace',"
        " 'Hopper', date '1950-01-01' + n % 20000, 'US/Eastern', CASE n % 20 WHEN 0 THEN 'intake'"
        " ELSE 'active' END, 'hopper grace', now() - interval '90 days', now() FROM"
        " generate_series(1, $2::int) AS n",
        *(environment, min(PATIENTS, count)),
    )
    await connection.execute(
        "INSERT INTO assessment_responses (environment_id, id, spec_id, user_id, model, version,"
        " updated_at, created_at) SELECT $1, md5('r' || n)::uuid, 'mood', md5('p' || (1 + n %"
        f" $3::int))::uuid, json_build_object('low', n % 7, 'lost', n / 7 % 7), 1, {since}, {since}"
        " FROM generate_series(1, $2::int) AS n",
        *(environment, count, min(PATIENTS, count)),
    )
    await connection.execute(
        "INSERT INTO changes (environment_id, epoch, xid, seq, kind, resource, row_id, patient_id,"
        " changed_at, actor, through, request_id) SELECT $1, almoner_epoch(), 1, n, 'create',"
        " 'assessment_responses', md5('r' || n)::uuid, md5('p' || (1 + n % $3::int))::uuid,"
        f" {since}, 'bench', 'api', 'bench' FROM generate_series(1, $2::int) AS n",
        *(environment, count, min(PATIENTS, count)),
    )


def _in_its_own_process(url: str, environment: int, days: int) -> Tried:
    """The trial of so many days."""
    command = [sys.executable, "-m", "bench.try_process", url, str(environment), str(days)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return msgspec.json.decode(printed, type=Tried)


async def _try(url: str, environment: int, days: int) -> Tried:
    opened = await Database.connect(url, size=2)
    try:
        async with opened.connection() as connection:
            design = await design_of(connection, environment, 1)
            server = machine.postmaster(await connection.fetchval("SELECT pg_backend_pid()"))
        at = datetime.now(UTC)
        began, processor = time.perf_counter(), _processor(server)
        tried = await trial.try_out(
            opened, environment, design, design.processes[0], (at - timedelta(days=days), at)
        )
        seconds, processor = time.perf_counter() - began, _processor(server) - processor
    finally:
        await opened.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Tried(tried.number, seconds, processor, peak)


def _processor(server: int | None) -> float:
    """Seconds of the processor that this process and the server have used."""
    return time.process_time() + (machine.processor_ms(server) / 1000 if server else 0.0)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        report = asyncio.run(_try(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
        print(msgspec.json.encode(report).decode())
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else CHANGES))
