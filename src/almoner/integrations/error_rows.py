"""Errors as rows of integration_tasks hold them: whatever an author or a partner put into one, it
can be stored and read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from almoner.integrations.declare import IntegrationError
from almoner.vocabulary import json_values

# Letters of a text; whoever reads a page of tasks reads all of them.
LONGEST_TEXT: Final = 4_000
_LONGEST_CODE: Final = 200
_LONGEST_EXTRA: Final = 16_384
# Neither infinite nor longer than readers of JSON keep; not a number is never less.
_BEYOND: Final = 2**63
# PostgreSQL holds no NUL, and UTF-8 no half of a surrogate pair.
_NOT_STORED: Final = re.compile("[\0\ud800-\udfff]")


def error_row(error: IntegrationError, attempt: int) -> Mapping[str, Any]:
    """The error as a row holds it; ``attempt`` is the number of the try that it ended. What cannot
    be stored is replaced, and what is too long is cut, with a mark.
    """
    details = _value(error.details, json_values.DEEPEST // 2)
    encoded = json_values.encode(details)
    if len(encoded) > _LONGEST_EXTRA:
        details = {"cut": _text(encoded)}
    return {
        "code": _text(error.code, _LONGEST_CODE) or "unnamed",
        "message": _text(error.message) or "The integration says no more of it.",
        "extra": {**details, "attempt_number": attempt},
    }


def _text(value: Any, longest: int = LONGEST_TEXT) -> str:
    text = str(value)
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return _NOT_STORED.sub("\ufffd", cut)


def _value(value: Any, levels: int) -> Any:
    """The value as JSON; as text where JSON has none like it, or where it is nested too deep."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < _BEYOND:
        return value
    if levels and isinstance(value, Mapping):
        return {_text(key, _LONGEST_CODE): _value(item, levels - 1) for key, item in value.items()}
    if levels and isinstance(value, list | tuple | set | frozenset):
        return [_value(item, levels - 1) for item in value]
    return _text(value)
