"""The time zone in which most people of a state live: a guess that saves typing, to be looked
at.
"""

from __future__ import annotations

from typing import Final

_STATES: Final = {
    "America/New_York": "CT DE DC FL GA IN ME MD MA MI NH NJ NY NC OH PA RI SC VT VA WV KY",
    "America/Chicago": "AL AR IL IA KS LA MN MS MO NE ND OK SD TN TX WI",
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
    "America/Puerto_Rico": "PR VI",
    "Pacific/Guam": "GU MP",
    "Pacific/Pago_Pago": "AS",
    "Pacific/Majuro": "MH",
    "Pacific/Palau": "PW",
    "Pacific/Chuuk": "FM",
}
# Of the military and of islands without people no zone is known.
ZONES: Final = {state: zone for zone, states in _STATES.items() for state in states.split()}
# States in which many live in another zone than the one that is guessed.
SPLIT: Final = frozenset(
    ["AK", "FL", "ID", "IN", "KS", "KY", "MI", "ND", "NE", "NV", "OR", "SD", "TN", "TX", "FM"]
)


def guessed(state: str, text: str, last: str = "") -> str:
    """The zone for somebody who lives in this state: the guess, unless something else than the
    ``last`` guess was text.
    """
    return ZONES.get(state, text) if text in ("", last) else text


def guess_hint(state: str) -> str:
    """What stands below a zone that was guessed; blank where it was not."""
    if state not in ZONES:
        return ""
    return f"Guessed from {state}" + (
        ", parts of which have another: look twice." if state in SPLIT else "."
    )
