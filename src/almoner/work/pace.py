"""How often a runner does what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunnerPace:
    """In seconds. ``lease``: without a sign of life for so long, a runner's steps are taken up by
    others. ``sweep``: how often due queues are looked for that nobody was woken for, as after a
    back-off. ``grace``: what is under way may end when it stops."""

    lease: float = 10.0
    sweep: float = 0.5
    grace: float = 10.0
    prune: float = 3600.0
    forget: float = 60.0
