"""Many cases in one test: each is looked at, whatever came of those before it, and all that were
wrong are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


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
