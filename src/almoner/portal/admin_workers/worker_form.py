"""The form of a worker: what was typed, as the store takes it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from almoner.pages.visit import Form
from almoner.vocabulary.times import TIMEZONES

FIELDS: Final = ("first_name", "last_name", "email", "timezone", "phone_number", "gender")
TITLES: Final[Mapping[str, str]] = {
    "first_name": "Given name",
    "last_name": "Family name",
    "email": "E-mail",
    "timezone": "Time zone",
    "phone_number": "Direct line",
    "gender": "Gender",
}
_OPTIONAL: Final = ("phone_number", "gender")
_BLANK: Final[Mapping[str, str]] = {
    "first_name": "Give the given name, in any script.",
    "last_name": "Give the family name, in any script.",
    "email": "Give the e-mail address that they sign in with.",
    "timezone": "Choose the time zone of their working hours.",
}


@dataclass(frozen=True)
class WorkerForm:
    """What was typed, or what is stored: text by field, and the roles that are ticked."""

    values: Mapping[str, str]
    roles: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, Any]:
        """The fields as the API takes them."""
        return {name: self.values[name] or None if name in _OPTIONAL else self.values[name] for name in FIELDS}

    @property
    def wrong(self) -> dict[str, str]:
        """What is left blank that may not be, by field."""
        return {name: text for name, text in _BLANK.items() if not self.values[name]}


def parse_form(form: Form) -> WorkerForm:
    """What a form sent."""
    return WorkerForm({name: form.text(name).strip() for name in FIELDS}, form.texts("roles"))


def zones() -> tuple[str, ...]:
    """Every time zone that can be chosen, by name."""
    return tuple(sorted(TIMEZONES))
