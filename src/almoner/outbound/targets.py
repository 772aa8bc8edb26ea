"""Where requests may go: no address inside the house, whatever a URL or a name server says. Pure.

An address may be written in many ways and wrapped in others (IPv4 in IPv6). What carries an IPv4
address is judged by that."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from yarl import URL

Address = IPv4Address | IPv6Address

# What belongs to machines' own networks although it is among the public addresses.
_WITHIN: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "168.63.129.16/32",  # the metadata service of Azure
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4, RFC 7526
        "198.18.0.0/15",
        "240.0.0.0/4",
        "64:ff9b:1::/48",  # NAT64 of a network's own, RFC 8215
        "fec0::/10",  # site-local, RFC 3879
        "5f00::/16",  # segment routing, RFC 9602
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")
# The scheme and the authority as they are written (RFC 3986, 3).
_AUTHORITY: Final = re.compile(r"(https?)://([^/?#]*)", re.IGNORECASE)
# A host name after IDNA (RFC 1123, 2.1); underscores are no host's, and yet in use.
_LABEL: Final = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LONGEST_NAME: Final = 253


class TargetError(Exception):
    """A target that nothing is sent to; the message says in words why."""


def refused(address: Address, private_targets: bool) -> bool:
    """Whether nothing may be sent to this address. Private ones are fine with ``private_targets``,
    senseless ones never.
    """
    inner = _carried(address)
    if inner is not None:
        return refused(inner, private_targets)
    if address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
        return True
    if private_targets:
        return False
    within = any(address.version == network.version and address in network for network in _WITHIN)
    return within or not address.is_global or address.is_private or address.is_reserved


def _carried(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or address in _TRANSLATED or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def read(url: str, private_targets: bool) -> URL:
    """The URL as the HTTP client dials it, judged as far as the URL itself tells. Raises
    TargetError.

    There is one reading of a URL: whoever is handed this one dials the host that was judged, and no
    other. ``private_targets``: whether addresses of private networks and URLs without TLS are fine.
    """
    written = _AUTHORITY.match(url)
    try:
        target = URL(url)
        host, port = target.raw_host, target.port
    except (ValueError, UnicodeError):
        raise TargetError("is not a URL") from None
    if written is None or not host or port == 0 or not url.isprintable() or " " in url:
        raise TargetError("is not a URL of the form https://host/path")
    if "@" in written[2]:
        raise TargetError("holds a name or a password, which is not allowed")
    if target.scheme != "https" and not private_targets:
        raise TargetError("must begin with https://")
    _check_host(host, written[2], private_targets)
    return target


def _check_host(host: str, written: str, private_targets: bool) -> None:
    """Judges the host that is dialled; ``written`` is the authority that it was read from. Raises
    TargetError.
    """
    if not _looks_like_address(host):
        if len(host) > _LONGEST_NAME or not _NAME.fullmatch(host):
            raise TargetError(
                f"names the host {host[:100]}, which is neither a name nor an address"
            )
        return
    if not written.isascii():
        # Letters that a name look-up turns into an address are there to deceive whoever reads them
        # otherwise (UTS 46, 4).
        raise TargetError(f"names the address {host[:100]} in other characters than its own")
    check_address(host, private_targets)


def check_address(text: str, private_targets: bool) -> None:
    """Checks an address in the usual notation. Raises TargetError; so does any other notation, such
    as 2130706433.
    """
    try:
        # A zone names a network card of this machine: nothing beyond it can be meant.
        address = None if "%" in text else ip_address(text)
    except ValueError:
        address = None
    if address is None:
        raise TargetError(f"names the address {text[:100]}, which is not one in the usual notation")
    if refused(address, private_targets):
        raise TargetError(
            f"leads to {address}, which is not a public address; "
            "if it is meant to, the operator sets ALMONER_ALLOW_PRIVATE_TARGETS=1"
        )


def _looks_like_address(host: str) -> bool:
    """Whether an HTTP client or the system would take this for an address rather than look it
    up.
    """
    last = host.rstrip(".").rpartition(".")[2]
    return ":" in host or last.isdigit() or last[:2].lower() == "0x"
