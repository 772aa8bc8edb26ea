"""How each server of the benchmark is started and stopped: one process of its own on its core,
always from rest.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from bench import database, machine

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "bench" / "peers"
# The environment of Python that holds the peers' packages (peers/requirements.lock).
PEERS_BIN = Path(os.environ.get("BENCH_PEERS_BIN", ROOT / "bench" / ".venv" / "bin"))
PATIENCE = 120


@dataclass(frozen=True)
class Contender:
    """A server: its command, with ``{port}`` where the port goes, and the token that it accepts.

    ``targets`` tells, per operation, the ratio of Almoner's requests per second to its own that is
    to be reached."""

    key: str
    title: str
    command: tuple[str, ...]
    token: str
    environment: dict[str, str] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)


def contenders(url: str, environment: int) -> list[Contender]:
    """Almoner and those it is compared with, over the database at ``url`` and its environment of
    this id.
    """
    secret = secrets.token_hex(32)
    claims = {"sub": "bench", "env": environment, "exp": int(time.time()) + 86_400}
    jwt_token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret))
    peer = {"BENCH_DATABASE_URL": url, "BENCH_SECRET": secret, "PYTHONPATH": str(PEERS)}
    bare_token = secrets.token_urlsafe(32)
    bare = {
        "BENCH_DATABASE_URL": url,
        "BENCH_TOKEN": bare_token,
        "BENCH_ENVIRONMENT": str(environment),
    }
    uvicorn = (
        "--port",
        "{port}",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
    )
    gunicorn = (
        "--workers",
        "1",
        "--worker-class",
        "gthread",
        "--threads",
        "8",
        "--keep-alive",
        "60",
        "--log-level",
        "warning",
    )
    return [
        Contender(
            "almoner",
            "Almoner",
            (database.ALMONER, "serve", "--workers", "1"),
            almoner_token(url),
            database.variables(url),
        ),
        Contender(
            key="bare",
            title="bare ASGI handler, the same SQL",
            command=(sys.executable, "-m", "uvicorn", "bench.peers.bare_asgi:app", *uvicorn),
            token=bare_token,
            environment=bare | {"PYTHONPATH": str(ROOT)},
            # Within 1.25x of it.
            targets={"get": 1 / 1.25, "find": 1 / 1.25, "create": 1 / 1.25},
        ),
        Contender(
            key="fastapi",
            title="FastAPI, SQLAlchemy ORM, asyncpg, uvicorn",
            command=(str(PEERS_BIN / "python"), "-m", "uvicorn", "fastapi_orm.main:app", *uvicorn),
            token=jwt_token,
            environment=peer,
            targets={"get": 7.0, "find": 5.5, "create": 8.0},
        ),
        Contender(
            key="django",
            title="Django, REST framework, psycopg 3, gunicorn",
            command=(
                str(PEERS_BIN / "python"),
                "-m",
                "gunicorn",
                "django_rest.wsgi",
                "--bind",
                "127.0.0.1:{port}",
                *gunicorn,
            ),
            token=jwt_token,
            environment=peer,
            targets={"get": 14.0, "find": 10.0, "create": 11.0},
        ),
    ]


def of_checkout(
    checkout: Path, name: str, program: str, *arguments: str
) -> tuple[Contender, dict[str, Any]]:
    """The server of another checkout, over the database ``name``, and all that ``program`` printed.

    The checkout's own Python runs the program, which makes and fills the database and prints
    ``token`` and ``variables`` as JSON. Raises subprocess.CalledProcessError where it fails."""
    programs = checkout / ".venv" / "bin"
    output = _output_of(
        [str(programs / "python"), "-c", program, *arguments],
        cwd=checkout,
        env=os.environ | {"BENCH_DATABASE": name},
    )
    created: dict[str, Any] = json.loads(output.splitlines()[-1])
    commit = _output_of(["git", "describe", "--always", "--abbrev=7", "--exclude=*"], cwd=checkout)
    command = (str(programs / "almoner"), "serve", "--workers", "1")
    return Contender(name, commit.strip(), command, created["token"], created["variables"]), created


def _output_of(command: list[str], **options: Any) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options)
    return str(done.stdout)


def almoner_token(url: str) -> str:
    """An access token of a new client of Almoner that may do everything."""
    return almoner_credentials(url)["token"]


def almoner_credentials(url: str) -> dict[str, str]:
    """``client_id``, ``client_secret`` and a ``token`` of a new client that may do everything."""
    client = _almoner(url, "client", "create", "--name", "bench", "--scope", "all", "--json")
    identity = str(client.get("client_id") or client["id"])
    token = _almoner(url, "token", "create", "--client", identity, "--json")["access_token"]
    secret = str(client.get("client_secret", ""))
    return {"client_id": identity, "client_secret": secret, "token": str(token)}


def _almoner(url: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [database.ALMONER, *arguments],
        env=os.environ | database.variables(url),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextmanager
def running(contender: Contender) -> Iterator[tuple[int, int]]:
    """Start the server and wait until it listens; yields its port and the id of its process, and
    stops it at the end.

    Raises RuntimeError where it does not listen within two minutes.
    """
    port = machine.free_port()
    command = machine.on_server_core([part.format(port=port) for part in contender.command])
    variables = os.environ | contender.environment | {"ALMONER_PORT": str(port)}
    server = subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _wait(server, port, contender)
        yield port, server.pid
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, contender: Contender) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/v1/patients/none", headers={"Authorization": "Bearer none"})
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError(f"{contender.title} did not start to listen")
