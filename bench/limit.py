"""The limit: statements, prepared, sent by pgbench at equal concurrency from the server's core.

For get and find these are Almoner's own. For create it is the least that writes the same: the row
and its row of the change log, into tables with a primary key and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import asyncpg

from almoner import embedded
from bench import machine
from bench.dataset import BEFORE_ALL, BODY, PAGE, ROW_ID_SQL, ROWS, START, STEP, WINDOW
from bench.load import CONNECTIONS
from bench.statements import LEFT_OUT, SESSION, Statement

# What each argument of a statement is in pgbench: an expression over a parameter of the statement,
# or a constant.
_COMMON = {
    "id": ROW_ID_SQL.format(n=":row::bigint"),
    "from": f"(timestamptz '{START}' + :second::int * interval '1 second')",
    "to": f"(timestamptz '{START}' + (:second::int + {WINDOW}) * interval '1 second')",
    # Variables, though they never vary: a constant would let the planner choose better than it can
    # for a server.
    "environment_id": ":environment::int",
    "limit": ":limit::bigint",
    "after": f"'{BEFORE_ALL}'::uuid",
    "actor": "'bench'",
    "through": "'api'",
    "request_id": "gen_random_uuid()::text",
    **{name: "null" if value is None else f"'{value}'" for name, value in LEFT_OUT.items()},
    "coach_id": "null::uuid",
    "birthday": f"date '{BODY['birthday']}'",
    **{name: f"'{value}'" for name, value in BODY.items() if name != "birthday"},
}

CREATE: Final = _COMMON | {"id": "gen_random_uuid()"}
_COLUMNS: Final = tuple(LEFT_OUT)
_PLAIN_TABLES: Final = """
DROP TABLE IF EXISTS plain_patients, plain_changes;
CREATE TABLE plain_patients (LIKE patients);
CREATE TABLE plain_changes (LIKE changes);
INSERT INTO plain_patients SELECT * FROM patients;
INSERT INTO plain_changes SELECT * FROM changes;
ALTER TABLE plain_patients ADD PRIMARY KEY (environment_id, id);
ALTER TABLE plain_changes ADD PRIMARY KEY (environment_id, epoch, xid, seq);
"""
# The times and the plain name, which triggers of the real table fill in, are given here.
_PLACES: Final = [f"${n}" for n in range(1, len(_COLUMNS) + 6)]
PLAIN_CREATE: Final = Statement(
    f"WITH written AS (INSERT INTO plain_patients (environment_id, id, {', '.join(_COLUMNS)},"
    f" updated_at, created_at, plain_name) VALUES ({', '.join(_PLACES[:-3])}, clock_timestamp(),"
    " clock_timestamp(), 'hopper grace') RETURNING environment_id, id, updated_at) INSERT INTO"
    " plain_changes (environment_id, epoch, xid, seq, kind, resource, row_id, patient_id,"
    " changed_at, actor, through, request_id) SELECT environment_id, 1,"
    " pg_current_xact_id()::text::bigint, nextval('changes_seq'), 'create', 'patients', id, id,"
    f" updated_at, {', '.join(_PLACES[-3:])} FROM written",
    ("environment_id", "id", *_COLUMNS, "actor", "through", "request_id"),
)


async def make_plain(connection: asyncpg.Connection) -> None:
    """Make the tables of ``PLAIN_CREATE`` anew, with the rows that the real ones have."""
    await connection.execute(_PLAIN_TABLES)
    await connection.execute("VACUUM (ANALYZE) plain_patients, plain_changes")


def script(operation: str, statement: Statement, environment: int, rows: int = ROWS) -> str:
    """The statement as a script of pgbench, with random rows and windows."""
    values = CREATE if operation == "create" else _COMMON
    filled = re.sub(
        r"\$(\d+)",
        lambda n: values[statement.arguments[int(n[1]) - 1]],
        _hide_colons(statement.sql),
    )
    sql = " ".join(_hide_colons(filled).split())
    variables = {
        "environment": environment,
        "limit": PAGE + 1,
        "row": f"random(1, {rows})",
        "second": f"random(1, {rows * STEP - WINDOW})",
    }
    return "".join(f"\\set {name} {value}\n" for name, value in variables.items()) + f"{sql};\n"


def _hide_colons(sql: str) -> str:
    """Write colons inside of literals as escapes, because pgbench takes ``'HH24:MI'`` for its
    variable ``MI``.
    """

    def escape(literal: re.Match[str]) -> str:
        text = literal[0]
        return "E" + text.replace("\\", "\\\\").replace(":", "\\x3a") if ":" in text else text

    return re.sub(r"'(?:[^']|'')*'", escape, sql)


def measure(
    url: str, operation: str, statement: Statement, environment: int, seconds: int, rows: int = ROWS
) -> float:
    """Statements per second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script(operation, statement, environment, rows))
        file.flush()
        command = [
            pgbench(),
            "-n",
            "-M",
            "prepared",
            f"-c{CONNECTIONS}",
            "-j1",
            f"-T{seconds}",
            "-f",
            file.name,
            url,
        ]
        session = os.environ | {
            "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in SESSION.items())
        }
        done = subprocess.run(
            machine.on_server_core(command),
            env=session,
            capture_output=True,
            text=True,
            check=False,
        )
    rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode or not rate:
        raise RuntimeError(f"pgbench failed: {(done.stderr or done.stdout)[-2000:]}")
    return float(rate[1])


def pgbench() -> str:
    """The program: out of the embedded server's package where that is installed, else the
    system's.
    """
    try:
        return str(embedded.binaries() / "pgbench")
    except embedded.EmbeddedServerError:
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)
    program = str(places[0]) if places else shutil.which("pgbench")
    if not program:
        raise SystemExit(
            "pgbench is missing. On Debian and Ubuntu: apt-get install postgresql-contrib"
        )
    return program
