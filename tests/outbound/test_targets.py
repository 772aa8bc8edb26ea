"""The guard: no address inside the house, however it is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.outbound import targets
from almoner.outbound.connections import GuardedResolver
from almoner.outbound.targets import TargetError

INSIDE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "168.63.129.16/32",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
INSIDE_6 = (
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "64:ff9b:1::/48",
    "2001:db8::/32",
)
inside = st.sampled_from(INSIDE).flatmap(
    lambda text: st.ip_addresses(v=4, network=ip_network(text))
)
inside_6 = st.sampled_from(INSIDE_6).flatmap(
    lambda text: st.ip_addresses(v=6, network=ip_network(text))
)
FORMS = {
    "mapped": 0xFFFF << 32,
    "translated": 0xFFFF << 48,
    "NAT64": 0x64FF9B << 96,
}


def accepted(text: str, private: bool = False) -> bool:
    try:
        targets.check_address(text, private)
    except TargetError:
        return False
    return True


@given(inside)
def test_no_address_inside_is_sent_to(address: IPv4Address) -> None:
    assert not accepted(str(address))


@given(inside_6)
def test_no_address_inside_is_sent_to_by_the_newer_protocol(address: IPv6Address) -> None:
    assert not accepted(str(address))


@pytest.mark.parametrize("form", list(FORMS))
@given(address=inside)
def test_an_address_inside_is_refused_in_an_address_that_carries_it(
    form: str, address: IPv4Address
) -> None:
    assert not accepted(str(IPv6Address(FORMS[form] | int(address))))


@given(inside, st.integers(0, 2**80 - 1))
def test_an_address_inside_is_refused_behind_a_relay(address: IPv4Address, rest: int) -> None:
    assert not accepted(str(IPv6Address(0x2002 << 112 | int(address) << 80 | rest)))


@given(inside, st.integers(0, 2**64 - 1))
def test_an_address_inside_is_refused_behind_a_tunnel(address: IPv4Address, rest: int) -> None:
    tunnel = 0x20010000 << 96 | rest << 32 | (int(address) ^ 0xFFFFFFFF)
    assert not accepted(str(IPv6Address(tunnel)))


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "93.184.215.14",
        "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ],
)
def test_public_addresses_are_fine(text: str) -> None:
    assert accepted(text)


@given(st.ip_addresses())
def test_what_is_fine_is_fine_with_private_targets_too(address: IPv4Address | IPv6Address) -> None:
    assert not accepted(str(address)) or accepted(str(address), private=True)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fd00::1", "::ffff:127.0.0.1"]
)
def test_private_addresses_are_fine_where_they_are_allowed(text: str) -> None:
    assert accepted(text, private=True)


@pytest.mark.parametrize("text", ["224.0.0.1", "0.0.0.0", "::", "ff02::1", "255.255.255.255"])  # noqa: S104
def test_an_address_of_nobody_or_of_everybody_is_refused_even_then(text: str) -> None:
    assert not accepted(text, private=True)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "1.2.3.4.", "[fe80::1%25eth0]"],
)
@pytest.mark.parametrize("private", [True, False])
def test_an_address_in_an_unusual_notation_is_refused(host: str, private: bool) -> None:
    with pytest.raises(TargetError):
        targets.read(f"https://{host}/", private)


@given(st.integers(0, 2**32 - 1))
def test_no_number_stands_for_an_address(number: int) -> None:
    for host in (str(number), hex(number)):
        with pytest.raises(TargetError):
            targets.read(f"https://{host}/", private_targets=False)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "is not a URL of the form"),
        ("https://", "is not a URL of the form"),
        ("ftp://example.org/", "is not a URL of the form"),
        ("file:///etc/passwd", "is not a URL of the form"),
        ("https://example.org:0/", "is not a URL of the form"),
        ("https://example.org:99999/", "is not a URL"),
        ("https://[::1/", "is not a URL"),
        ("https://user:secret@example.org/", "holds a name or a password"),
        ("http://example.org/", "must begin with https://"),
        (
            "https://169.254.169.254/latest/meta-data",
            "leads to 169.254.169.254, which is not a public address",
        ),
    ],
)
def test_what_is_wrong_with_a_url_is_said_in_words(url: str, why: str) -> None:
    with pytest.raises(TargetError, match=why.replace(".", r"\.")):
        targets.read(url, private_targets=False)


@given(st.text())
def test_no_text_breaks_the_guard(text: str) -> None:
    for url in (text, f"https://{text}/"):
        try:
            target = targets.read(url, private_targets=False)
        except TargetError:
            continue
        assert target.raw_host


def test_a_host_by_name_is_left_to_the_look_up() -> None:
    assert (
        targets.read("https://care.example.org:8443/in?x=1", private_targets=False).raw_host
        == "care.example.org"
    )
    assert (
        targets.read("https://Bücher.example/", private_targets=False).raw_host
        == "xn--bcher-kva.example"
    )


async def test_a_name_that_leads_inside_is_not_handed_out() -> None:
    resolver = GuardedResolver(private_targets=False)
    with pytest.raises(OSError, match="is not a public address"):
        await resolver.resolve("localhost", 80)
    await resolver.close()


async def test_a_name_is_handed_out_as_the_address_that_was_checked() -> None:
    resolver = GuardedResolver(private_targets=True)
    hosts = await resolver.resolve("localhost", 80)
    await resolver.close()
    assert hosts
    assert all(
        ip_address(row["host"]).is_loopback and row["hostname"] == "localhost" for row in hosts
    )
