"""How many examples a property is tried with: few while somebody waits for the tests, all of them
where nobody does.

``make test`` goes by the profile ``dev``; ``make test-slow`` and ``make test-all`` by ``ci``, with
``--hypothesis-profile``."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

settings.register_profile("ci", deadline=None, max_examples=100)
settings.register_profile("dev", deadline=None, max_examples=15)


def few() -> None:
    """What holds until pytest is told of another profile."""
    settings.load_profile("dev")


def tries(most: int, **more: Any) -> settings:
    """So many examples in the profile ``ci``, and in another as many fewer as it tries of
    everything.
    """
    whole = settings.get_profile("ci").max_examples
    now: int = settings().max_examples
    return settings(max_examples=max(5, most * now // whole), deadline=None, **more)


def every_try() -> bool:
    """Whether nobody waits: all examples are tried, and all screens looked at."""
    now: int = settings().max_examples
    return now >= settings.get_profile("ci").max_examples
