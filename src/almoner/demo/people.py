"""Who the demo's people are, with e-mail addresses from the domains that are kept for examples
(RFC 2606).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from almoner.demo.names import ORIGINS, SHARES


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """``handle`` is what an e-mail address is made of: the name in lower-case letters a to z,
    hyphens and one dot.
    """

    first_name: str
    last_name: str
    handle: str
    language: str


DOMAINS: Final = (
    "example.org",
    "example.com",
    "example.net",
    "mail.example.org",
    "post.example.com",
)


def person(rng: Random) -> DemoPerson:
    """Somebody with a name whose parts mostly go together."""
    origin = rng.choices(ORIGINS, SHARES)[0]
    first, family = rng.choice(origin.first), rng.choice(origin.family)
    if rng.random() < 0.06:
        # Families come about across languages too.
        family = rng.choice(rng.choice(ORIGINS).family)
    return DemoPerson(first.text, family.text, f"{first.latin}.{family.latin}", origin.language)


def email_address(rng: Random, someone: DemoPerson) -> str:
    """One of the ways in which people make an address of their name."""
    first, _, family = someone.handle.partition(".")
    local = rng.choice(
        (
            someone.handle,
            f"{first}{rng.randrange(40, 99)}",
            f"{first[:1]}.{family}",
            f"{family}+{first}",
        )
    )
    return f"{local}@{rng.choice(DOMAINS)}"


def distinct(rng: Random, count: int) -> Iterable[DemoPerson]:
    """So many people, no two of whom have the same handle."""
    handles: set[str] = set()
    while len(handles) < count:
        someone = person(rng)
        if someone.handle not in handles:
            handles.add(someone.handle)
            yield someone
