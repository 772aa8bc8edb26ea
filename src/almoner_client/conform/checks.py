"""What a check is: a function that is given the server, named after itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from almoner_client.conform.server import Server


@dataclass(frozen=True, slots=True)
class Check:
    """A check. ``source`` is the place in the contract; ``about`` says in words what must hold."""

    name: str
    source: str
    about: str
    run: Callable[[Server], None]


def check(source: str) -> Callable[[Callable[[Server], None]], Check]:
    """Makes a check of a function: its docstring says what must hold."""

    def declare(function: Callable[[Server], None]) -> Check:
        about = " ".join((function.__doc__ or "").split())
        return Check(function.__name__, source, about, function)

    return declare
