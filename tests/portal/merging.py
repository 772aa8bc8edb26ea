"""Merging two records as a person does: the preview is looked at, and what it was made from is sent
along with the choices.
"""

from __future__ import annotations

import re

import httpx

from tests.people import Person


def digest_of(preview: str) -> str:
    """What the form says the preview was made from."""
    match = re.search(r'name="digest" value="([0-9a-f]{64})"', preview)
    assert match, preview
    return match[1]


async def merge(
    coach: Person,
    survivor: str,
    other: str,
    *choices: tuple[str, str],
    wins: str = "",
    digest: str = "",
    **more: str,
) -> httpx.Response:
    """Sends the form. ``wins`` is chosen for all that has to be, ``choices`` besides; ``digest`` is
    that of an earlier look.
    """
    text = (await coach.get(f"/patients/{survivor}/merge/{other}")).text
    names = (
        dict.fromkeys(part for part in text.split('"') if part.startswith("take.")) if wins else {}
    )
    sent = [*((name, wins) for name in names), *choices]
    return await coach.send_form(
        f"/patients/{survivor}/merge", *sent, other=other, digest=digest or digest_of(text), **more
    )
