"""The phases of a program as a drawn path: each in its place, with an arc to every other that may
follow it. Arcs onwards stand above, those back below; what it says stands in words in the rows of
the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.patient_merges.current_sql import counts_by_phase
from almoner.vocabulary.definitions import color_number
from almoner.workshop.design import Phase
from almoner.workshop.titles import titled

# In pixels: how far apart two phases stand, and how high an arc over one of them rises.
_STEP: Final = 128
_RISE: Final = 14
_LOWEST: Final = 16
# Where arcs leave and where they arrive, beside the middle of a phase.
_ASIDE: Final = 10
_ARROW: Final = 5


@dataclass(frozen=True, kw_only=True)
class PathPhase:
    """A phase in its place, with how many patients are in it now. ``any_follows``: every other may
    follow, which no arcs are drawn for; ``ends``: none does; ``goes_on``: the next in line may.
    """

    title: str
    dot: int
    patients: int
    any_follows: bool
    ends: bool
    goes_on: bool


@dataclass(frozen=True)
class Arc:
    """An arc in the colour of the phase that it leads away from; ``path`` and ``arrow`` are paths
    of SVG.
    """

    dot: int
    path: str
    arrow: str


@dataclass(frozen=True, kw_only=True)
class PhasePath:
    """The drawing, in pixels: ``above`` and ``below`` are how high its two halves of arcs are."""

    phases: tuple[PathPhase, ...]
    width: int
    onward: tuple[Arc, ...]
    back: tuple[Arc, ...]
    above: int
    below: int


def phase_path(phases: Sequence[Phase], patients: Mapping[str, int]) -> PhasePath:
    """The drawing of phases in the order of the program, with how many ``patients`` are in each, by
    its name. Names that no phase has lead nowhere."""
    places = {phase.name: place for place, phase in enumerate(phases)}
    dots = [color_number(phase.color, place) for place, phase in enumerate(phases)]
    jumps = [
        (place, places[name])
        for place, phase in enumerate(phases)
        for name in dict.fromkeys(phase.next or ())
        if name in places and places[name] != place
    ]
    onward = [(start, end) for start, end in jumps if end > start + 1]
    back = [(start, end) for start, end in jumps if end < start]
    above, below = _height(onward), _height(back)
    return PhasePath(
        phases=tuple(
            PathPhase(
                title=titled(phase),
                dot=dots[place],
                patients=patients.get(phase.name, 0),
                any_follows=phase.next is None,
                ends=phase.next == (),
                goes_on=(place, place + 1) in jumps,
            )
            for place, phase in enumerate(phases)
        ),
        width=_STEP * len(phases),
        onward=tuple(_arc(dots[start], start, end, foot=above, up=-1) for start, end in onward),
        back=tuple(_arc(dots[start], start, end, foot=0, up=1) for start, end in back),
        above=above,
        below=below,
    )


async def patients_by_phase(connection: Connection, environment_id: int) -> dict[str, int]:
    """How many patients are in each phase, without records that were merged into others."""
    return dict(await connection.fetch(counts_by_phase(), environment_id))


def _height(jumps: Sequence[tuple[int, int]]) -> int:
    return max((_rise(start, end) for start, end in jumps), default=-2) + 2


def _rise(start: int, end: int) -> int:
    return _LOWEST + _RISE * abs(end - start)


def _arc(dot: int, start: int, end: int, foot: int, up: int) -> Arc:
    """From one phase to another; ``foot`` is the height of both ends, and ``up`` the way (-1 or 1)
    that leads away from them.
    """
    along = 1 if end > start else -1
    leaves = start * _STEP + _STEP // 2 + _ASIDE * along
    arrives = end * _STEP + _STEP // 2 - _ASIDE * along
    # The middle of such a curve is three quarters as high as its handles.
    handle = foot + up * _rise(start, end) * 4 // 3
    tip, neck = foot + up, foot + up * (_ARROW + 2)
    return Arc(
        dot,
        f"M{leaves} {foot}C{leaves} {handle} {arrives} {handle} {arrives} {neck}",
        f"M{arrives - _ARROW} {neck}H{arrives + _ARROW}L{arrives} {tip}z",
    )
