"""The secret of a second factor, as an app scans it and as a person types it."""

from __future__ import annotations

import segno
from markupsafe import Markup

_GROUP = 4


def picture(uri: str) -> Markup:
    """A QR code as SVG, dark on light with its margin, whatever the page's colours: phones read
    nothing else.
    """
    # What is drawn is made of numbers alone; nothing of the URI is written into it.
    code = segno.make(uri, error="m")
    return Markup(code.svg_inline(scale=4, border=4, dark="black", light="white"))  # noqa: S704


def groups(secret: str) -> tuple[str, ...]:
    """The secret in groups of four, as it is read and typed."""
    return tuple(secret[n : n + _GROUP] for n in range(0, len(secret), _GROUP))
