"""Many cases in one test: each is looked at, whatever came of those before it, and all that were
wrong are told. And the cases of which the quick tests look at some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from zlib import crc32

import pytest

from almoner.resources import BY_NAME

# Of what holds of every collection, the quick tests show one in so many.
_TURNS: Final = 5


class Cases:
    """The cases of a test so far. pytest's own subtests take the output of a server's thread away
    under its hands.
    """

    def __init__(self) -> None:
        self.number = 0
        self.wrong: list[str] = []

    @contextmanager
    def case(self, *what: object) -> Iterator[None]:
        """What is asserted in this block is so of this case."""
        self.number += 1
        try:
            yield
        except Exception as failure:
            self.wrong.append(f"{', '.join(map(str, what))}: {type(failure).__name__}: {failure}")


@contextmanager
def every_case() -> Iterator[Cases]:
    """Fails at its end with every case in which something was wrong, and where there was none at
    all.
    """
    cases = Cases()
    yield cases
    assert not cases.wrong, f"{len(cases.wrong)} of {cases.number} cases:\n" + "\n".join(
        cases.wrong
    )
    assert cases.number, "there was no case to look at"


def quick(cases: Iterable[Any], number: int) -> list[Any]:
    """Cases of one value each for parametrize, of which the quick tests try the first so many and
    `make test-slow` the others.
    """
    return [
        case if at < number else pytest.param(case, marks=pytest.mark.slow)
        for at, case in enumerate(cases)
    ]


def not_its_turn(test: pytest.Function) -> bool:
    """Whether a test of one collection, in a file that is marked ``turns``, is left to
    `make test-slow`.

    What each collection does is derived from its declaration, by the same code: the quick tests show
    it of some of them, each test of others, and of each collection something."""
    cases = getattr(test, "callspec", None)
    if cases is None or test.get_closest_marker("turns") is None:
        return False
    collection = cases.params.get("resource") or cases.params.get("name")
    name = getattr(collection, "name", collection)
    tried = [len(marker.args[1]) for marker in test.iter_markers("parametrize")]
    if name not in BY_NAME or max(tried) <= _TURNS:
        return False
    begins = crc32(test.function.__name__.encode())
    return bool((begins + list(BY_NAME).index(name)) % _TURNS)
