"""Publishing a program of 200 specs, first into nothing and then with one question changed.

    python -m bench.publish [specs]

In a database of its own (``bench.database``); reading the file and comparing it with what is
published are part of it."""

from __future__ import annotations

import asyncio
import sys
import time

from almoner.database import Connection, Database
from almoner.workshop.publish import publish
from bench import database, machine, page

SPECS = 200
LIMIT = 2
QUESTIONS = 25


async def main(specs: int) -> None:
    machine.take_load_core()
    with database.server() as server:
        url = await database.fresh(server)
        opened = await Database.connect(url, size=2)
        try:
            async with opened.connection() as connection:
                environment = await database.production(connection)
                source = _program(specs)
                changed = source.replace("label: Question 7", "label: Question seven", 1)
                rows = [
                    await _timed(
                        f"the first publish of {specs} specs", connection, environment, source
                    ),
                    await _timed("one question changed", connection, environment, changed),
                ]
        finally:
            await opened.close()
    text = page.table(["what", "seconds", f"under {LIMIT} s"], rows)
    print(text)
    if specs == SPECS:
        how = (
            f"`python -m bench.publish`: {SPECS} specs of {QUESTIONS} questions; reading and"
            " comparing are part of it."
        )
        page.write("Publishing a program", f"{how}\n\nMachine: {machine.description()}.\n\n{text}")


async def _timed(what: str, connection: Connection, environment: int, source: str) -> list[str]:
    began = time.perf_counter()
    await publish(connection, environment, source, "bench")
    seconds = time.perf_counter() - began
    return [what, f"{seconds:.2f}", "yes" if seconds < LIMIT else "**no**"]


def _program(specs: int) -> str:
    lines = ["program: Benchmark", "assessments:"]
    for spec in range(specs):
        lines += [
            f"  - id: spec_{spec}",
            f"    name: Spec {spec}",
            "    sections:",
            "      - questions:",
        ]
        lines += [
            f"          - {{name: q{n}, kind: choice, label: Question {n}, choices: [never,"
            " sometimes, often]}"
            for n in range(QUESTIONS)
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else SPECS))
