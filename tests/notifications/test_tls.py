"""Notifications over TLS that is real: whose certificate is taken, and what is said of one that is
not.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from almoner.app import running
from almoner.errors import SettingError
from almoner.outbound.http import HttpClient, SendError, trusting
from almoner.settings import Settings
from almoner.worker import notifying

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@dataclass
class Certified:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def context(self, folder: Path) -> ssl.SSLContext:
        """What a server shows it with."""
        path = folder / "server.pem"
        secret = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(secret + self.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def certified(
    name: str,
    by: Certified | None = None,
    of: x509.GeneralName = LOOPBACK,
    until: dt.datetime = NOW + DAY,
    is_ca: bool = False,
) -> Certified:
    """A certificate for a server, or of an authority; signed by itself where nobody else does."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, issuer = (by.key, by.certificate.subject) if by else (key, subject)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([of]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Certified(built, key)


@asynccontextmanager
async def receiver(certificate: Certified, folder: Path) -> AsyncIterator[str]:
    """The URL of a receiver that shows this certificate and says thanks."""

    async def thanks(_: web.Request) -> web.Response:
        return web.Response(text="thanks")

    app = web.Application()
    app.router.add_post("/in", thanks)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.context(folder))
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        yield f"https://127.0.0.1:{port}/in"
    finally:
        await runner.cleanup()


async def sent(url: str, ca_file: str = "") -> str:
    """What came of a notification: the answer, or why there was none, after the step that it ended
    at.
    """
    client = HttpClient(private_targets=True, trusted=trusting(ca_file))
    try:
        answer = await client.post(url, b"{}", {})
        return f"{answer.status} {answer.body.decode()}"
    except SendError as error:
        return f"{error.step}: {error.words}"
    finally:
        await client.close()


@pytest.fixture
def authority(tmp_path: Path) -> Certified:
    own_authority = certified("An authority of our own", is_ca=True)
    (tmp_path / "ca.pem").write_bytes(own_authority.pem)
    return own_authority


async def test_a_certificate_that_signs_itself_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with receiver(certified("itself"), tmp_path) as url:
        outcome = await sent(url)
    assert outcome.startswith(
        "tls: shows a certificate that is not trusted: self-signed certificate."
    )
    assert "ALMONER_CA_FILE" in outcome


async def test_an_authority_of_the_house_is_trusted_where_the_setting_names_it(
    tmp_path: Path, authority: Certified
) -> None:
    async with receiver(certified("receiver", authority), tmp_path) as url:
        assert await sent(url, str(tmp_path / "ca.pem")) == "200 thanks"
        outcome = await sent(url)
    assert outcome.startswith(
        "tls: shows a certificate that is not trusted: unable to get local issuer certificate."
    )
    assert "whole chain" in outcome


async def test_when_the_certificate_of_a_receiver_ends_is_told(
    tmp_path: Path, authority: Certified
) -> None:
    ends: dict[str, float] = {}
    until = (NOW + 3 * DAY).replace(microsecond=0)
    trusted = trusting(str(tmp_path / "ca.pem"))
    async with receiver(certified("receiver", authority, until=until), tmp_path) as url:
        client = HttpClient(True, trusted=trusted, certified=ends.__setitem__)
        for _ in range(2):
            await client.post(url, b"{}", {})
        await client.close()
    assert ends == {"127.0.0.1": until.timestamp()}


async def test_a_certificate_that_has_expired_is_refused(
    tmp_path: Path, authority: Certified
) -> None:
    async with receiver(certified("receiver", authority, until=NOW - DAY), tmp_path) as url:
        outcome = await sent(url, str(tmp_path / "ca.pem"))
    assert (
        outcome
        == "tls: shows a certificate that is not trusted: certificate has expired. It has to be"
        " renewed."
    )


@pytest.mark.parametrize(
    "of", [x509.DNSName("elsewhere.example.org"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
)
async def test_a_certificate_of_another_host_is_refused(
    tmp_path: Path, authority: Certified, of: x509.GeneralName
) -> None:
    async with receiver(certified("receiver", authority, of), tmp_path) as url:
        outcome = await sent(url, str(tmp_path / "ca.pem"))
    assert "IP address mismatch" in outcome
    assert "for the host that the URL names" in outcome


async def test_another_authority_is_not_trusted_for_being_named_alike(
    tmp_path: Path, authority: Certified
) -> None:
    double = certified("An authority of our own", is_ca=True)
    async with receiver(certified("receiver", double), tmp_path) as url:
        assert (await sent(url, str(tmp_path / "ca.pem"))).startswith("tls: ")


async def test_plain_http_where_tls_is_spoken_is_told(tmp_path: Path) -> None:
    async with receiver(certified("itself"), tmp_path) as url:
        outcome = await sent(url.replace("https:", "http:"))
    assert not outcome.startswith("200")


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_setting_that_names_no_certificates_says_so(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingError, match="ALMONER_CA_FILE"):
        trusting(str(path))


async def test_no_server_and_no_notifier_starts_with_a_setting_that_names_no_certificates(
    tmp_path: Path, settings: Settings
) -> None:
    wrong = replace(settings, ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(SettingError, match="ALMONER_CA_FILE"):
        async with running(wrong):
            pass
    with pytest.raises(SettingError, match="ALMONER_CA_FILE"):
        async with notifying(wrong):
            pass
