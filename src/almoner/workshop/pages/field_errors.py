"""What is wrong with a form, as sentences for the fields that they are about."""

from __future__ import annotations

import re

from almoner.errors import ApiError, Problem

# Of "Failed to parse url at .notify_url: it must begin with https://", what tells a person something.
_HINT = re.compile(r"Failed to parse [^:]*?: (.*)", re.DOTALL)
_FIELD = re.compile(r"\.([a-z0-9_]+)")


def by_field(error: ApiError) -> dict[str, str]:
    """The problems by the name of their field, the first of each; those of no field under the empty name.

    Raises the error again where it is about no form: nothing is there, or the server is at fault.
    """
    if error.status != 400:
        raise error
    found: dict[str, str] = {}
    for problem in error.problems:
        match = _FIELD.match(problem.extra.get("path", ""))
        found.setdefault(match[1] if match else "", sentence(problem))
    return found


def sentence(problem: Problem) -> str:
    """The problem as a sentence beside the field, which need not name it."""
    match = _HINT.fullmatch(problem.detail)
    hint = match[1] if match else problem.detail
    return hint[:1].upper() + hint[1:] + ("" if hint.endswith(".") else ".")
