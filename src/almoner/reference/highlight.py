"""Code examples as HTML, coloured on the server: the pages need no script."""

from __future__ import annotations

import json
import re
from typing import Any

from markupsafe import Markup, escape

_JSON = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<word>\b(?:true|false|null)\b)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
)
_SHELL = re.compile(
    r"(?P<note>(?m:^#.*$))|(?P<string>\"[^\"]*\"|'[^']*')|(?P<key>(?<=\s)-{1,2}[A-Za-z-]+)"
)
_PYTHON = re.compile(
    r"(?P<note>\#.*)|(?P<string>\"[^\"]*\"|'[^']*')"
    r"|(?P<key>\b(?:import|from|def|return|for|in|while|if|else|not|and|or)\b)"
    r"|(?P<word>\b(?:True|False|None)\b)|(?P<number>\b\d+\b)"
)


def as_json(value: Any) -> Markup:
    return _coloured(_JSON, json.dumps(value, indent=2, ensure_ascii=False))


def shell(text: str) -> Markup:
    return _coloured(_SHELL, text)


def python(text: str) -> Markup:
    return _coloured(_PYTHON, text)


def prose(text: str) -> Markup:
    """A sentence whose `code` in backticks is shown as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part)
        for n, part in enumerate(parts)
    )


def _coloured(pattern: re.Pattern[str], text: str) -> Markup:
    pieces, last = [], 0
    for match in pattern.finditer(text):
        pieces.append(escape(text[last : match.start()]))
        pieces.append(Markup('<span class="{}">{}</span>').format(match.lastgroup, match.group()))
        last = match.end()
    pieces.append(escape(text[last:]))
    return Markup("").join(pieces)
