"""A dry run over a million responses: how long it takes, and that it tells how far it is.

    python -m bench.dry_run [rows]

The rows are made up in a database of their own (``bench.database``): answers to the demo's intake
assessment, of which every thousandth does not fit the new version. The dry run has one core for
itself and PostgreSQL."""

from __future__ import annotations

import asyncio
import sys
import time

from msgspec.structs import replace

from almoner.database import Connection, Database
from almoner.workshop import kiwi_health
from almoner.workshop.design import ProgramDesign
from almoner.workshop.dry_run import examine
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from bench import database, machine, page

ROWS = 1_000_000
SPEC = "intake_assessment"


async def main(rows: int) -> None:
    machine.take_load_core()
    with database.server() as server:
        url = await database.fresh(server)
        opened = await Database.connect(url, size=2, statement_seconds=600)
        try:
            async with opened.connection() as connection:
                environment = await database.production(connection)
                await publish(connection, environment, kiwi_health.source(), "bench")
                await _fill(connection, environment, rows)
                text = await _measure(connection, environment)
        finally:
            await opened.close()
    print(text)
    if rows == ROWS:
        how = (
            "`python -m bench.dry_run`: every thousandth answer does not fit; the dry run and"
            " PostgreSQL share one core."
        )
        page.write("Dry run", f"{how}\n\nMachine: {machine.description()}.\n\n{text}")


async def _fill(connection: Connection, environment: int, rows: int) -> None:
    """Answers as the API would have stored them; who they are about plays no part."""
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(
        "INSERT INTO assessment_responses (environment_id, id, spec_id, user_id, model, version,"
        " updated_at, created_at) SELECT $1, gen_random_uuid(), $2, gen_random_uuid(),"
        " json_build_object('years_active', CASE WHEN n % 1000 = 0 THEN 90 ELSE n % 40 END,"
        " 'insurance_provider', 'Acme Insurance', 'plan_type', 'SILVER', 'active', true,"
        " 'last_hcp_visit', '2018-07-14', 'pain_scale', 0.4, 'completed_at',"
        " '2018-08-12T10:20:15'), 1, now(), now() FROM generate_series(1, $3::int) AS n",
        *(environment, SPEC, rows),
    )
    await connection.execute("ANALYZE assessment_responses")


async def _measure(connection: Connection, environment: int) -> str:
    progress: list[tuple[int, int]] = []
    began = time.perf_counter()
    report = await examine(
        connection,
        environment,
        _narrower(parse(kiwi_health.source())),
        lambda *at: progress.append(at),
    )
    seconds = time.perf_counter() - began
    misfits = sum(breakage.count for breakage in report.breakages)
    return (
        f"{report.examined:,} responses in {seconds:.1f} s"
        f" ({'under' if seconds < 60 else '**over**'} a minute),"
        f" {1e6 * seconds / report.examined:.1f} µs each; progress was told"
        f" {len(progress):,} times, {misfits:,} misfits were found."
    )


def _narrower(design: ProgramDesign) -> ProgramDesign:
    """The program with a limit to the years, which some answers exceed."""
    (index,) = (n for n, a in enumerate(design.assessments) if a.id == SPEC)
    assessment = design.assessments[index]
    sections = tuple(
        replace(
            s,
            questions=tuple(
                replace(q, high=60) if q.name == "years_active" else q for q in s.questions
            ),
        )
        for s in assessment.sections
    )
    changed = (
        *design.assessments[:index],
        replace(assessment, sections=sections),
        *design.assessments[index + 1 :],
    )
    return replace(design, assessments=changed)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
