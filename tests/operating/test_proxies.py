"""The samples for nginx and Caddy, by the real programs: what passes, what does not, and whose address is
believed. Only addresses, ports and the certificate are others than in the samples.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from almoner.settings import Settings
from tests import debian
from tests.conftest import METRICS_TOKEN, Api, free_port
from tests.installed import ROOT
from tests.operations.conftest import PATIENT, Process
from tests.people import People

HOST: Final = "care.example.org"
OPERATING = ROOT / "operating"
SECONDS: Final = 60.0
# Another address of this machine, so that a caller is told from its proxy.
CALLER: Final = "127.0.0.2"
FORGED: Final = "203.0.113.9"
MIB: Final = 1_048_576


@dataclass(frozen=True)
class Proxied:
    """A server behind a proxy."""

    port: int
    server: Process
    trusted: ssl.SSLContext

    def caller(self, **more: Any) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(
            verify=self.trusted, local_address=CALLER, trust_env=False
        )
        # The name in the certificate, at the address where the proxy listens.
        hosts = {"Host": HOST, **more.pop("headers", {})}
        return httpx.AsyncClient(
            transport=transport,
            base_url=f"https://127.0.0.1:{self.port}",
            headers=hosts,
            timeout=SECONDS,
            **more,
        )


def certificate(folder: Path) -> None:
    """A key and a certificate of its own for the host and its address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def nginx(folder: Path, port: int, upstream: int) -> list[str]:
    program = debian.program("nginx", "nginx-light")
    sample = (OPERATING / "nginx" / "almoner.conf").read_text(encoding="utf-8")
    sample = replaced(
        sample,
        ("127.0.0.1:8000", f"127.0.0.1:{upstream}"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/ssl/{HOST}", str(folder)),
    )
    (folder / "nginx.conf").write_text(main_configuration(folder, sample), encoding="utf-8")
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]


def main_configuration(folder: Path, sample: str) -> str:
    """What a sample is included by, which writes nowhere but into the folder."""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = (
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/errors warn;\n"
        f"events {{}}\nhttp {{\n{temporary}{sample}\n}}\n"
    )
    return f"user root;\n{main}" if os.getuid() == 0 else main


def caddy(folder: Path, port: int, upstream: int) -> list[str]:
    program = debian.program("caddy", "caddy")
    sample = (OPERATING / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    sample = replaced(
        sample,
        ("127.0.0.1:8000", f"127.0.0.1:{upstream}"),
        (
            "{\n\tservers",
            "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tservers",
        ),
        (
            f"{HOST} {{\n",
            f"https://{HOST}:{port}, https://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n"
            f"\ttls {folder}/fullchain.pem {folder}/privkey.pem\n",
        ),
    )
    (folder / "Caddyfile").write_text(sample, encoding="utf-8")
    return [program, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def replaced(sample: str, *pairs: tuple[str, str]) -> str:
    """A sample with other words in it, each of which is there."""
    for before, after in pairs:
        assert before in sample, before
        sample = sample.replace(before, after)
    return sample


# Each proxy once for all of it.
@pytest.fixture(scope="module", params=[nginx, caddy])
def proxied(
    request: pytest.FixtureRequest,
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxy")
    certificate(folder)
    port = free_port()
    environ = {"ALMONER_PUBLIC_URL": f"https://{HOST}"}
    command: Callable[[Path, int, int], list[str]] = request.param
    with Process(folder, settings, **environ) as server:
        words = command(folder, port, server.port)
        trusted = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        with running(words, folder, port):
            yield Proxied(port, server, trusted)


@contextmanager
def running(words: list[str], folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A proxy that listens at this port, until the block ends."""
    output = folder / "output"
    with output.open("wb") as log:
        proxy = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        )
    try:
        _wait(proxy, port, output)
        yield proxy
    finally:
        proxy.terminate()
        try:
            proxy.wait(2)
        except subprocess.TimeoutExpired:
            # Caddy waits for the live page that its caller has left, until the next line comes.
            proxy.kill()
            proxy.wait(SECONDS)


def _wait(proxy: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        ended = proxy.poll() is not None or time.monotonic() > deadline
        assert not ended, output.read_text(encoding="utf-8", errors="replace")
        time.sleep(0.02)


@pytest.fixture
async def through(proxied: Proxied, api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the API through the proxy."""
    async with proxied.caller(headers={"Authorization": f"Bearer {api.token}"}) as caller:
        yield caller


async def test_a_program_reads_writes_and_gets_what_is_packed(through: httpx.AsyncClient) -> None:
    for number in range(30):
        answer = await through.post(
            "/v1/patients", json=PATIENT | {"first_name": f"Grace {number}"}
        )
        assert answer.status_code == 200, answer.text
    read = await through.get("/v1/patients", headers={"Accept-Encoding": "gzip"})
    assert read.status_code == 200
    assert read.headers["content-encoding"] == "gzip"
    assert len(read.json()[0]["data"]) == 30
    assert "strict-transport-security" in read.headers


async def test_a_body_and_a_head_have_the_limits_of_almoner(through: httpx.AsyncClient) -> None:
    fits = PATIENT | {"first_name": "x" * (MIB - 100_000)}
    assert (await through.post("/v1/patients", json=fits)).status_code == 200
    too_long = PATIENT | {"first_name": "x" * (MIB + 100_000)}
    assert (await through.post("/v1/patients", json=too_long)).status_code == 413
    assert (await through.get("/v1/patients", headers={"X-Long": "x" * 30_000})).status_code == 200
    refused = await through.get("/v1/patients", headers={"X-Long": "x" * 90_000})
    assert refused.status_code in (400, 431)


async def test_nobody_outside_gets_the_metrics(proxied: Proxied) -> None:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    async with proxied.caller(headers=headers) as caller:
        for path in (
            "/metrics",
            "/%6detrics",
            "/metrics?x=1",
            "//metrics",
            "/metrics/",
            "/./metrics",
        ):
            answer = await caller.get(
                httpx.URL(f"https://127.0.0.1:{proxied.port}").copy_with(raw_path=path.encode())
            )
            # Almoner itself sends whoever adds a slash back to the address without.
            assert answer.status_code in (404, 308), path
            assert "almoner_requests" not in answer.content.decode()
        assert (await caller.get("/readyz")).status_code == 200


async def test_an_address_is_the_callers_whatever_the_caller_says_of_it(proxied: Proxied) -> None:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "e30.e30.e30",
    }
    forged = {"X-Forwarded-For": FORGED, "Forwarded": f"for={FORGED}", "X-Real-IP": FORGED}
    async with proxied.caller(headers=forged) as caller:
        assert (await caller.post("/v1/token", data=form)).status_code in (400, 401)
    lines = [line for line in proxied.server.log().splitlines() if "token refused" in line]
    assert f'"address": "{CALLER}"' in lines[-1]
    assert FORGED not in proxied.server.log()


async def test_a_long_poll_waits_and_is_answered_as_soon_as_something_is_there(
    through: httpx.AsyncClient,
) -> None:
    after = (await through.get("/v1/changes")).json()["meta"]["after"]
    poll = asyncio.create_task(through.get("/v1/changes", params={"after": after, "wait": "30"}))
    answer = await through.post("/v1/patients", json=PATIENT)
    rows = (await poll).json()["data"]
    assert [entry["id"] for entry in rows if entry["resource"] == "patients"] == [
        answer.json()["id"]
    ]


async def test_a_live_page_hears_of_a_change_at_once(
    proxied: Proxied, through: httpx.AsyncClient, api: Api, people: People
) -> None:
    patient_id = (await through.post("/v1/patients", json=PATIENT)).json()["id"]
    async with await people(api.environment_id, "coach") as person:
        cookie = {"Cookie": f"__Host-almoner_session={person.token}"}
        async with (
            proxied.caller(headers=cookie) as caller,
            caller.stream("GET", f"/patients/{patient_id}/live") as live,
        ):
            assert live.status_code == 200, live.headers.get("location")
            assert live.headers["content-type"].startswith("text/event-stream")
            parts = live.aiter_text()
            # The beginning comes while nothing else does: it is not kept back until a buffer is full.
            assert "retry" in await anext(parts)
            await through.put(f"/v1/patients/{patient_id}", json={"city": "Rye"})
            text = ""
            while "patients" not in text:
                text += await anext(parts)
