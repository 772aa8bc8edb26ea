"""PostgreSQL's own client programs, told by variables which database they work with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from almoner.database.dialing import addresses

# What libpq's programs are told the parts of an address by, so that none is seen among the
# arguments of a process.
_VARIABLES: Final = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "user": "PGUSER",
    "password": "PGPASSWORD",
}


def run(program: Path, *arguments: str, dsn: str) -> subprocess.CompletedProcess[bytes]:
    """Runs one of PostgreSQL's programs to its end."""
    return subprocess.run(
        [program, *arguments],
        env=environment(dsn),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def environment(dsn: str) -> dict[str, str]:
    """The variables by which PostgreSQL's programs reach the database of an address."""
    parts = urlsplit(dsn)
    named = dict(parse_qsl(parts.query))
    hosts = addresses(dsn)
    variables = {
        "PGHOST": ",".join(host for host, _ in hosts),
        "PGPORT": ",".join(str(port) for _, port in hosts),
        "PGUSER": unquote(parts.username) if parts.username else None,
        "PGPASSWORD": unquote(parts.password) if parts.password else None,
        "PGDATABASE": unquote(parts.path.lstrip("/")) or None,
    } | {_VARIABLES[name]: value for name, value in named.items() if name in _VARIABLES}
    return (
        os.environ | {"LC_ALL": "C"} | {name: value for name, value in variables.items() if value}
    )
