"""What a page says of a value that the store refuses: to the person who typed it, by the kind of
value, in their own notation.

The API speaks to programs, and says what a value must look like in JSON; nobody who fills in a form
types JSON. Every form's refusals go through here, whichever field they are about, so that a new
field needs no words of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from almoner.errors import Answerable, Problem, without_path
from almoner.pages.moment_fields import example
from almoner.vocabulary.contact_kinds import Phone, ZipCode

BLANK: Final = "Fill this in."
_EXPECTED: Final = re.compile(
    r"(?P<what>an? .+?) is expected(?P<more>, (?:but|not|such as) .+)?", re.DOTALL
)
_FROM_LIST: Final = "Choose one from the list."
# By the name of the kind (kinds.py and its neighbours), where its hint is of no use to a person:
# what to do.
_KINDS: Final[Mapping[str, Callable[[], str]]] = {
    "isodate": lambda: f"Give a day such as {example('date')}.",
    "birthday": lambda: f"Give a day such as {example('date')}.",
    "isodatetime": lambda: f"Give a day and time such as {example('datetime-local')}.",
    "timezone": lambda: "Choose a time zone from the list, such as America/Los_Angeles.",
    "state": lambda: "Choose a state from the list, such as CA.",
    "enum": lambda: _FROM_LIST,
    "choices": lambda: "Choose from the list, each at most once.",
    "guid": lambda: _FROM_LIST,
    "boolean": lambda: "Choose yes or no.",
    "boolean_or_word": lambda: "Choose yes or no.",
    "name": lambda: "Write something that can be seen.",
    "string": lambda: "Leave out what is no letter, digit or sign: it cannot be kept.",
    "email": lambda: "Give an address of at most 320 characters.",
    "json": lambda: "This form did not come whole. Load the page again.",
    "list": lambda: "This form did not come whole. Load the page again.",
    "array": lambda: "Give at least one.",
}
_FORM_HINTS: Final = {kind.name: kind.form_hint for kind in (Phone, ZipCode)}
# By the path of what must be the only one: a person sees fields and not rows of collections.
_TAKEN: Final[Mapping[str, str]] = {
    ".external_id": "This id is taken in that system. Look whose it is, or choose another.",
    ".welkin_id": "There is an id in that system already. Change that one.",
}


def refusal(refused: Problem) -> str:
    """A sentence beside the field, which need not name it: what to do about the value, or what is
    wrong with it.
    """
    if refused.rule == "required":
        return BLANK
    if refused.rule == "kind" and refused.kind in _KINDS:
        return _KINDS[refused.kind]()
    if refused.rule == "kind" and refused.kind in _FORM_HINTS:
        return f"Give {_FORM_HINTS[refused.kind]}."
    if refused.rule == "if_match":
        return (
            "Somebody else has just changed this. Load the page again, and look before you"
            " change it."
        )
    if refused.code == "resource_not_found" and "path" in refused.extra:
        return "This is not there any more. Choose another one."
    if refused.code == "uniqueness_exception":
        path = str(refused.extra.get("path", ""))
        return next(
            (sentence for end, sentence in _TAKEN.items() if path.endswith(end)), refused.detail
        )
    hint = without_path(refused)
    if expected := _EXPECTED.fullmatch(hint):
        hint = f"give {expected['what']}{expected['more'] or ''}"
    return hint[:1].upper() + hint[1:] + ("" if hint.endswith((".", "?")) else ".")


def refusals(error: Answerable) -> str:
    """The same of a whole error, for a form that has one place for it: a sentence for each
    problem.
    """
    return " ".join(refusal(refused) for refused in error.problems)
