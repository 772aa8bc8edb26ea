"""What is dialled is what was judged: no spelling of an address inside the house reaches it, on
real sockets.
"""

from __future__ import annotations

import ast
import asyncio
import socket
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

import almoner
from almoner.outbound import connections, targets
from almoner.outbound.http import HttpClient, SendError
from almoner.outbound.targets import TargetError

SERVER = Path(almoner.__file__).parent
# A small letter, a full stop: what IDNA makes an ASCII one of (UTS 46).
DOTS = (".", "。", "．", "｡")
DIGITS = {digit: [digit] for digit in "0123456789"}
for _character in map(chr, range(0x2000, 0x1FC00)):
    if (_digit := unicodedata.normalize("NFKC", _character)) in DIGITS:
        DIGITS[_digit].insert(-1, _character)


@dataclass
class Inside:
    """A service inside the house. ``reached`` counts the connections that were made to it."""

    port: int = 0
    reached: int = 0


@asynccontextmanager
async def inside() -> AsyncIterator[Inside]:
    service = Inside()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        service.reached += 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()


# Each leads to 127.0.0.1 in some client, some system or some reader of URLs.
TRICKS = (
    "127.0.0.1",
    "127。0。0。1",
    "127．0｡0。1",
    "１２７.0.0.1",
    "①②⑦.0.0.①",
    "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "127.0.0.1.",
    "127.0.0.1。",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "0X7F.1",
    "０x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.01",
    "0",
    "0.0.0.0",  # noqa: S104
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "localhost",
    "LOCALHOST",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "localhost.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25lo]",
    "[::1%25lo]",
    "[v1.127.0.0.1]",
    "example.org@127.0.0.1",
    "example.org:443@127.0.0.1",
    "@127.0.0.1",
    "127.0.0.1\\@example.org",
    "127.0.0.1#@example.org",
    "example.org﹟@127.0.0.1",
    "127.0.0.1\t",
    "127.0.0\n.1",
    "127.0.0.1\u200b",
    "127.0.0\u00ad.1",
)


async def test_no_spelling_of_an_address_inside_reaches_it() -> None:
    wrong = []
    client = HttpClient(private_targets=False, patience=5)
    async with inside() as service:
        for host in TRICKS:
            try:
                await client.post(f"https://{host}:{service.port}/admin", b"[]", {})
                wrong.append(f"{host!r} was answered")
            except SendError as refused:
                if refused.step not in ("url", "name"):
                    wrong.append(f"{host!r}: {refused.words}")
        await client.close()
        assert (wrong, service.reached) == ([], 0)


async def test_an_address_in_other_letters_is_refused_where_private_ones_are_fine_too() -> None:
    client = HttpClient(private_targets=True, patience=5)
    async with inside() as service:
        with pytest.raises(SendError, match="in other characters than its own"):
            await client.post(f"http://127。0。0。1:{service.port}/", b"[]", {})
        await client.close()
        assert service.reached == 0


async def test_the_dial_judges_by_itself_what_no_look_up_and_no_reader_of_urls_has_seen() -> None:
    async with (
        inside() as service,
        aiohttp.ClientSession(connector=connections.connector(private_targets=False)) as http,
    ):
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await http.get(URL(f"http://127.0.0.1:{service.port}/"))
        assert isinstance(refused.value.os_error, connections.RefusedError)
        assert service.reached == 0
    async with (
        inside() as service,
        aiohttp.ClientSession(connector=connections.connector(private_targets=True)) as http,
    ):
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(URL(f"http://127.0.0.1:{service.port}/"))
        assert service.reached > 0, (
            "the service can be reached, so that the refusals above mean something"
        )


async def test_one_address_inside_among_those_of_a_name_refuses_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with inside() as service:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, service.port))
            for host in ("198.51.100.7", "8.8.8.8", "127.0.0.1")
        ]
        monkeypatch.setattr(connections, "_look_up", lambda *_: addresses)
        client = HttpClient(private_targets=False, patience=5)
        with pytest.raises(SendError, match="is not a public address"):
            await client.post(f"https://rebinding.example:{service.port}/", b"[]", {})
        await client.close()
        assert service.reached == 0


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """An address inside, in one of the notations of the C library, its characters replaced by
    others that IDNA takes for them.
    """
    network = draw(
        st.sampled_from(["127.0.0.0/8", "10.0.0.0/8", "169.254.169.254/32", "192.168.0.0/16"])
    )
    number = int(draw(st.ip_addresses(v=4, network=ip_network(network))))
    parts = draw(st.integers(1, 4))
    leading = [number >> (24 - 8 * n) & 0xFF for n in range(parts - 1)]
    numbers = [*leading, number & (1 << (8 * (5 - parts))) - 1]
    texts = [draw(st.sampled_from(["{}", "{:#x}", "0{:o}", "0X{:X}"])).format(n) for n in numbers]
    host = (
        texts[0]
        + "".join(draw(st.sampled_from(DOTS)) + text for text in texts[1:])
        + draw(st.sampled_from(("", ".", "。")))
    )
    return "".join(draw(st.sampled_from(DIGITS.get(c, [c]))) for c in host)


def dialled_as_address(host: str) -> Iterator[str]:
    """What the system takes this host for without asking a name server."""
    try:
        for address in socket.getaddrinfo(
            host, 443, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        ):
            yield str(address[4][0])
    except (OSError, UnicodeError):
        return


def test_the_system_takes_the_spellings_for_addresses_inside() -> None:
    assert list(dialled_as_address("0x7f.1")) == ["127.0.0.1"]
    assert URL("https://①②⑦。０.0.1/").raw_host == "127.0.0.1"


@given(spelled(), st.booleans())
def test_every_notation_of_an_address_inside_is_refused(host: str, private_targets: bool) -> None:
    try:
        target = targets.read(f"https://{host}/", private_targets)
    except TargetError:
        return
    assert private_targets
    assert host == target.raw_host == str(IPv4Address(host)), (
        "only the usual notation is an address that may be private"
    )


@given(
    st.one_of(
        st.text(max_size=30),
        spelled(),
        st.ip_addresses().map(str),
        st.from_regex(r"[0-9a-fx.。:\[\]%]{1,20}", fullmatch=True),
    )
)
def test_whatever_is_accepted_is_a_name_or_a_public_address_for_the_system_too(host: str) -> None:
    try:
        target = targets.read(f"https://{host}/x", private_targets=False)
    except TargetError:
        return
    assert target.raw_host is not None
    for address in dialled_as_address(target.raw_host):
        assert not targets.refused(ip_address(address), private_targets=False)


@pytest.mark.house
def test_nobody_else_opens_connections() -> None:
    """Every HTTP client of the server dials through ``connections.connector``; what a subscriber
    receives and pulls with is the client's.
    """
    clients = {"http.client", "urllib.request", "requests", "httpx", "urllib3"}
    of_this_machine = {"commands/doctor.py"}  # asks who listens on its own port
    wrong = []
    for path in SERVER.rglob("*.py"):
        name = path.relative_to(SERVER).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom) and name not in of_this_machine:
                modules = {getattr(node, "module", None), *(alias.name for alias in node.names)}
                wrong += [f"{name} imports {module}" for module in modules & clients]
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                if called.endswith(
                    (
                        "ClientSession",
                        "TCPConnector",
                        "asyncio.open_connection",
                        "socket.create_connection",
                    )
                ) and not (
                    (
                        called.endswith("ClientSession")
                        and keywords.get("connector", "").startswith(
                            ("connections.connector(", "connector")
                        )
                    )
                    or (called.endswith("TCPConnector") and name == "outbound/connections.py")
                    or name == "embedded/record.py"  # our own database server
                ):
                    wrong.append(f"{name}:{node.lineno}: {called}")
    assert not wrong
