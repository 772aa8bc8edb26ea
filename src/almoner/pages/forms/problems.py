"""What is wrong with a form, as sentences for the fields that they are about; and what is said
where nothing is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from almoner.errors import ApiError, Problem, problem
from almoner.pages.forms.refusals import BLANK, refusal

_FIELD = re.compile(r"\.([a-z0-9_]+)")


def by_field(error: ApiError) -> dict[str, str]:
    """The problems by the name of their field, the first of each; those of no field under the empty
    name.

    Raises the error again where it is about no form: nothing is there, or the server is at fault.
    """
    if not is_of_form(error):
        raise error
    errors: dict[str, str] = {}
    for refused in error.problems:
        match = _FIELD.match(refused.extra.get("path", ""))
        errors.setdefault(match[1] if match else "", refusal(refused))
    return errors


def is_of_form(error: ApiError) -> bool:
    """Whether what was typed is at fault: a value, or what it refers to is not there or may not be
    named. Else the page itself is not there, or the server is at fault.
    """
    at_field = "path" in error.problems[0].extra
    return error.status == 400 or (error.status in (403, 404) and at_field)


@contextmanager
def missing_as(text: str) -> Iterator[None]:
    """Says a 404 ApiError of the block in the words of the page, which speaks to people and not to
    programs.
    """
    try:
        yield
    except ApiError as error:
        if error.status == 404:
            raise problem("not_found", text) from None
        raise


def by_name(
    problems: Iterable[Problem], names: Iterable[str], within: str, required: str = BLANK
) -> tuple[dict[str, str], list[str]]:
    """The problems as sentences: those of a field by its name, and those that are about no field of
    the form.

    ``within`` is the path of what the form fills in, such as ``.body``; ``required`` is said at a
    blank field that must be filled."""
    known = list(names)
    by_field: dict[str, str] = {}
    others: list[str] = []
    for refused in problems:
        path = refused.extra.get("path", "")
        at = path.removeprefix(f"{within}.") if path.startswith(f"{within}.") else ""
        name = next(
            (each for each in known if at == each or at.startswith((f"{each}[", f"{each}."))), ""
        )
        if name:
            by_field.setdefault(name, required if refused.rule == "required" else refusal(refused))
        else:
            others.append(refusal(refused))
    return by_field, others
