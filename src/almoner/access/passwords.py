"""Passwords: which may be chosen, and how they are kept (Argon2id, RFC 9106; NIST SP 800-63B for
what is asked of people).
"""

from __future__ import annotations

import asyncio
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from almoner.errors import unavailable

T = TypeVar("T")
SHORTEST: Final = 12
LONGEST: Final = 200
# OWASP's costs of 46 MiB, gone over twice: 80 to 100 ms of one core of a small server.
TIME_COST: Final = 2
MEMORY_KIB: Final = 47_104
AT_ONCE: Final = 2  # so that a crowd at the door takes 92 MiB and not the machine
# at a tenth of a second each, the last waits some seconds; further ones are told to come back
MOST_WAITING: Final = 50
_LONGEST_LOOKED_AT: Final = 1_000  # characters; longer ones cannot be anybody's
_OWN_PIECE: Final = 3  # characters of a name that count as the name
_LEAST_BESIDE: Final = 8  # characters that must be left beside names
# Ten milliards of guesses: 30 years at one a tenth of a second, which is what a hash costs whoever
# has stolen it and one core.
_LEAST_GUESSES: Final = 10**10
# What is looked at, so that it takes a tenth of a second at most: what begins strongly enough is
# strong enough, and nobody who guesses tries more signs in the place of letters at once.
_LOOKED_AT: Final = 32
_SIGNS_FOR_LETTERS: Final = frozenset("4@8({[<3690!1|70$5+%2")
_MOST_SIGNS: Final = 6
_OF_THE_PLACE: Final = ("almoner", "care", "coach", "portal", "workshop")


def normal(password: str) -> str:
    """The password as it is hashed: what looks and means the same is the same, whatever keyboard it
    was typed on (NFKC).
    """
    return unicodedata.normalize("NFKC", password)


def password_problem(password: str, personal: Iterable[str]) -> str | None:
    """Why a password may not be chosen, as a sentence; None where it may.

    ``personal``: what anybody knows of the worker: address, names, and the name of the environment.
    """
    plain = normal(password)
    if len(plain) < SHORTEST:
        return f"Choose at least {SHORTEST} characters. A few words in a row are easy to remember."
    if len(plain) > LONGEST:
        return f"Choose at most {LONGEST} characters."
    pieces = {
        piece
        for text in personal
        for piece in (text, *re.split(r"[\W_]+", text))
        if len(piece) >= _OWN_PIECE
    }
    if _without(plain.casefold(), pieces):
        return (
            "This is little more than your name, e-mail address or workplace. Choose something that"
            " nobody knows of you."
        )
    if _guesses(plain, pieces) < _LEAST_GUESSES:
        return (
            "This is among the first passwords that anybody tries, as words and names with digits"
            " and signs around them are. Choose a few words in a row that only you would put"
            " together."
        )
    return None


def _guesses(plain: str, pieces: Iterable[str]) -> Decimal:
    """How many guesses a password withstands of somebody who knows these pieces, and the lists that
    there are.
    """
    signs: dict[str, None] = {}
    for character in plain[:_LOOKED_AT]:
        if character in _SIGNS_FOR_LETTERS:
            signs.setdefault(character)
    surplus = str.maketrans(dict.fromkeys([*signs][_MOST_SIGNS:], "?"))
    known = [*_OF_THE_PLACE, *(normal(piece).casefold() for piece in pieces)]
    guesses: Decimal = zxcvbn(plain[:_LOOKED_AT].translate(surplus), known)["guesses"]
    return guesses


def _without(folded: str, pieces: Iterable[str]) -> bool:
    """Whether too little is left of a password once these pieces of it are taken away."""
    left = folded
    for piece in sorted(pieces, key=len, reverse=True):
        left = left.replace(normal(piece).casefold(), "")
    return left != folded and len(left) < _LEAST_BESIDE


class Passwords:
    """Hashes and verifies, in threads of its own, so that nobody else waits for it."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(
            time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=1
        )
        self._threads = ThreadPoolExecutor(AT_ONCE, "passwords")
        self._waiting = 0
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """The password as it may be stored. Raises ``UnavailableError`` where too many wait
        already.
        """
        plain = normal(password)
        return await self._in_turn(lambda: self._hasher.hash(plain))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether this is the password. None, where there is nothing to compare it with, takes as
        long as a wrong one.

        Raises ``UnavailableError`` where too many wait already.
        """
        plain = normal(password[:_LONGEST_LOOKED_AT])
        right = await self._in_turn(lambda: self._fits(stored or self._nobodys, plain))
        return right and stored is not None and len(password) <= _LONGEST_LOOKED_AT

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other costs than today's, and is to be made anew while the
        password is at hand.
        """
        return self._hasher.check_needs_rehash(stored)

    def _fits(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            detail = "Many people are signing in at the moment. Try again in a few seconds."
            raise unavailable(detail, 5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
