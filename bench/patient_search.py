"""How long a search for patients takes among a million of them, by each way of naming one.

    python -m bench.patient_search [patients] [rounds]

The rows are made up in a database of their own (``bench.database``), with a fifth as many of
another environment among them. A search is asked for again and again, in turns with the others,
from the call to the rows, over one connection."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path

from almoner.database import Connection, Database
from almoner.portal.patients.find import PatientMatch, find
from almoner.workshop import kiwi_health
from almoner.workshop.publish import publish
from bench import database, machine, page

PATIENTS = 1_000_000
ROUNDS = 40
LIMIT_MS = 50
RESULTS = 8
_HOW = (
    f"`python -m bench.patient_search`: {PATIENTS:,} patients with names of many scripts, each with"
    f" a phone number, an e-mail address and an external id, {PATIENTS // 5:,} more in another"
    f" environment; {ROUNDS} rounds, the first {RESULTS} results, one connection."
)
# Made when the rows are there, since filling them row by row takes several times as long.
_LATER = (
    "patients_name_search",
    "email_addresses_email_search",
    "phone_numbers_phone_number_search",
    "external_ids_external_id_search",
)
_ROWS = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("--#\n")
# Fixed queries; the others follow from one patient who is there.
QUERIES = {
    "a common name": "Smith",
    "a common name and its beginning": "smith jo",
    "an apostrophe": "O'Brian",
    "an apostrophe, mistyped": "o'brain",
    "two letters": "ma",
    "three letters": "kuz",
    "a typing error": "Jonhson",
    "a typing error in both words": "patrica wiliams",
    "first name first": "Grace Hernandez",
    "first name first, mistyped": "garce hernandes",
    "accents left out": "jurgen muller",
    "Cyrillic": "Кузнецова",
    "Cyrillic typed in Latin": "kuznetsova olga",
    "Greek": "Παππάς",
    "Chinese": "王伟",
    "Japanese": "山田 太郎",
    "Korean": "김민수",
    "Arabic": "محمد حسن",
    "nobody's name": "xqzwv plimf",
    "the last digits of a phone number": "555-12",
    "an area code": "(415)",
}


async def main(patients: int = PATIENTS, rounds: int = ROUNDS) -> None:
    machine.take_load_core()
    with database.server() as server:
        opened = await Database.connect(
            await database.fresh(server), size=2, statement_seconds=3600
        )
        try:
            async with opened.connection() as connection:
                environment = await database.production(connection)
                await publish(connection, environment, kiwi_health.source(), "bench")
                await _fill(connection, environment, patients)
                text = await _measure(connection, environment, rounds)
        finally:
            await opened.close()
    print(text)
    if (patients, rounds) == (PATIENTS, ROUNDS):
        page.write("Search of patients", f"{_HOW}\n\nMachine: {machine.description()}.\n\n{text}")


async def _fill(connection: Connection, environment: int, patients: int) -> None:
    began = time.perf_counter()
    other = await connection.fetchval(
        "INSERT INTO environments (name) VALUES ('elsewhere') RETURNING id"
    )
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE indexname = ANY ($1)", list(_LATER)
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    for where, number in ((environment, patients), (other, patients // 5)):
        for statement in _ROWS:
            await connection.execute(statement, where, number)
    await connection.execute("SET maintenance_work_mem = '512MB'")
    for index in indexes:
        await connection.execute(index["indexdef"])
    await connection.execute("VACUUM (ANALYZE)")
    print(f"{patients:,} patients, made in {time.perf_counter() - began:.0f} s", flush=True)


async def _measure(connection: Connection, environment: int, rounds: int) -> str:
    queries = QUERIES | await _of_somebody(connection, environment)
    times: dict[str, list[float]] = {name: [] for name in queries}
    matches: dict[str, list[PatientMatch]] = {}
    for number in range(rounds + 2):
        for name, words in queries.items():
            began = time.perf_counter()
            matches[name] = await find(connection, environment, None, words, RESULTS)
            # The first rounds prepare each statement.
            if number >= 2:
                times[name].append(time.perf_counter() - began)
    rows = []
    for name, took in times.items():
        p95 = 1000 * statistics.quantiles(took, n=20)[-1]
        median, reached = 1000 * statistics.median(took), "yes" if p95 < LIMIT_MS else "**no**"
        rows.append([name, str(len(matches[name])), f"{median:.1f}", f"{p95:.1f}", reached])
    return page.table(
        ["what is typed", "results", "p50 ms", "p95 ms", f"p95 under {LIMIT_MS} ms"], rows
    )


async def _of_somebody(connection: Connection, environment: int) -> dict[str, str]:
    """Queries by what one patient has, who is in the middle of all."""
    who = await connection.fetchrow(
        "SELECT p.id::text, p.birthday::text, n.phone_number, e.email, x.external_id FROM patients"
        " p JOIN phone_numbers n USING (environment_id, id) JOIN email_addresses e USING"
        " (environment_id, id) JOIN external_ids x USING (environment_id, id) WHERE"
        " p.environment_id = $1 AND p.id >= '80000000-0000-0000-0000-000000000000' AND"
        " length(e.email) > 20 ORDER BY p.id LIMIT 1",
        environment,
    )
    email, phone, mapped = who["email"], who["phone_number"], who["external_id"]
    return {
        "an e-mail address": email,
        "an e-mail address as far as it is typed": email[: email.index("@") + 3],
        "an e-mail address, two letters swapped": email[:3] + email[4] + email[3] + email[5:],
        "an e-mail address, a letter left out": email[:5] + email[6:],
        "a phone number": phone,
        "a phone number in another notation": "+1 " + phone.replace("-", "."),
        "a phone number, a digit wrong": phone[:-1] + str((int(phone[-1]) + 1) % 10),
        "an external id": mapped,
        "a part of an external id": mapped[:-2],
        "an external id, two digits swapped": mapped[:-3] + mapped[-2] + mapped[-3] + mapped[-1],
        "a patient's id": who["id"],
        "the beginning of a patient's id": who["id"][:10],
        "a date of birth": who["birthday"],
    }


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:])))
