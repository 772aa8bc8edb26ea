"""A part of a program as a form sends it, and back: derived from the declaration, so that a new member needs no word here.

The names of a form follow the program file: ``fields.3.label`` is the label of an item of ``fields``. The number is that of the
item in this form and stays while items are moved; their order is that of the hidden ``fields:item`` values. Names with a colon are
about a member rather than its value: ``next:given`` tells whether a value that may be None is there, ``is:sort`` of which type a
value is that may be of several.

A form is always shown from what was sent (``Form``), so that nothing that was typed is lost; ``written`` makes such a form of a
value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Struct

from almoner.pages import parsing
from almoner.pages.visit import Form
from almoner.workshop.question_checks import NO_TEST
from almoner.workshop.shape import Member, members

GIVEN: Final = "yes"
# The types of a scalar as a form names them; blank where there is no value.
SORTS: Final = ("", "text", "number", "truth")
_NOT_WHOLE: Final = "A whole number is expected, such as 14."
_IN_A_PAGE: Final = {NO_TEST: "Choose what its answer must be."}
_WHOLE: Final = re.compile(r"[+-]?\d{1,399}", re.ASCII)


@dataclass
class Read:
    """What a form says. ``value`` holds plain values by their keys in a file; ``errors`` a sentence for the name of each field
    whose text cannot be a value: such a member is not in ``value``."""

    value: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def under(prefix: str, key: str) -> str:
    """The name of a member of the part that ``prefix`` names; a blank prefix is the part that the whole form is about."""
    return f"{prefix}.{key}" if prefix else key


def positions(form: Form, name: str) -> tuple[str, ...]:
    """The numbers of the items of a list in this form, in their order. A number that stands twice counts once."""
    return tuple(dict.fromkeys(number for number in form.texts(f"{name}:item") if parsing.whole(number) is not None))


def sentence(text: str) -> str:
    """A remark as it stands at a field: with a capital letter and a full stop, and not in the words of a file."""
    text = _IN_A_PAGE.get(text, text)
    shown = text[:1].upper() + text[1:]
    return shown if shown.endswith((".", "?", "!")) else f"{shown}."


def read(form: Form, struct: type[Struct], prefix: str = "") -> Read:
    """The value of a part as its form states it. A field that was not sent has its default."""
    found = Read()
    for member in members(struct):
        name = under(prefix, member.key)
        try:
            found.value[member.key] = _read_member(form, member, name, found.errors)
        except ValueError as error:
            found.errors[name] = str(error)
    return found


def written(part: Struct, prefix: str = "") -> Form:
    """The form that ``read`` would make this part of."""
    return Form(_pairs(part, prefix))


def of_value(part: type[Struct], value: dict[str, Any]) -> Struct:
    """The part that plain values state. Raises msgspec.ValidationError where they do not fit, which ``read`` has told before."""
    made: Struct = msgspec.convert(value, part)
    return made


def _read_member(form: Form, member: Member, name: str, errors: dict[str, str]) -> Any:
    """One value; raises ValueError with the sentence that stands at the field."""
    if member.holds == "parts":
        return _read_parts(form, member, name, errors)
    if member.holds == "part":
        return _read_part(form, member, name, errors)
    if member.holds == "truth":
        return form.truth(name)
    if member.holds == "texts":
        return _read_texts(form, member, name)
    if name not in form and not member.required:
        return member.default
    text = form.text(name)
    if member.holds == "text":
        return _checked(member, text if member.widget == "textarea" or "\n" in text else text.strip())
    if member.holds == "numbers":
        return dict(_read_numbers(text))
    if member.holds == "scalar":
        return _read_scalar(form.text(f"{name}:sort", "text"), text.strip())
    return _read_number(member, text.strip())


def _read_parts(form: Form, member: Member, name: str, errors: dict[str, str]) -> list[dict[str, Any]]:
    assert member.struct is not None
    items = [read(form, member.struct, f"{name}.{number}") for number in positions(form, name)]
    for item in items:
        errors.update(item.errors)
    return [item.value for item in items]


def _read_part(form: Form, member: Member, name: str, errors: dict[str, str]) -> dict[str, Any] | None:
    assert member.struct is not None
    if member.may_be_none and not form.truth(f"{name}:given"):
        return None
    inner = read(form, member.struct, name)
    errors.update(inner.errors)
    return inner.value


def _read_texts(form: Form, member: Member, name: str) -> list[str] | None:
    if member.may_be_none and form.text(f"{name}:given") != GIVEN:
        return None
    if member.names or member.choices:
        texts = [text for text in form.texts(name) if text]
    else:
        texts = [line.strip() for line in form.text(name).split("\n") if line.strip()]
    for text in texts:
        _checked(member, text)
    return texts


def _checked(member: Member, value: Any) -> Any:
    if member.choices and not value:
        raise ValueError("Choose one of these.")
    problem = member.problem(value)
    if problem:
        raise ValueError(sentence(problem))
    return value


def _read_number(member: Member, text: str) -> int | float | None:
    if not text:
        if member.may_be_none:
            return None
        raise ValueError("This must not be blank.")
    if member.holds == "whole" and not _WHOLE.fullmatch(text):
        raise ValueError(_NOT_WHOLE)
    value = parsing.number(text)
    return _checked(member, value) if member.holds == "whole" else value


def _read_numbers(text: str) -> Iterator[tuple[str, int | float]]:
    for line in text.split("\n"):
        if line.strip():
            name, equals, number = line.rpartition("=")
            if not equals:
                raise ValueError("Each line is a choice, an equals sign and its number: often = 2.")
            yield name.strip(), parsing.number(number.strip())


def _read_scalar(sort: str, text: str) -> str | bool | int | float | None:
    if sort == "number":
        return parsing.number(text)
    if sort == "truth":
        return text.lower() in ("yes", "true", "on")
    return text if sort == "text" else None


def _pairs(part: Struct, prefix: str) -> Iterator[tuple[str, str]]:
    for member in members(type(part)):
        yield from _member_pairs(member, getattr(part, member.attribute), under(prefix, member.key))


def _member_pairs(member: Member, value: Any, name: str) -> Iterator[tuple[str, str]]:
    if member.may_be_none and member.holds in ("texts", "part"):
        yield f"{name}:given", "" if value is None else GIVEN
        if value is None:
            return
    if member.holds == "part":
        yield from _pairs(value, name)
    elif member.holds == "parts":
        for number, item in enumerate(value):
            yield f"{name}:item", str(number)
            yield from _pairs(item, f"{name}.{number}")
    elif member.holds == "truth":
        if value:
            yield name, "on"
    elif member.holds == "texts":
        yield from ((name, text) for text in (value if member.names or member.choices else ["\n".join(value)]))
    elif member.holds == "scalar":
        yield f"{name}:sort", _sort(value)
        yield name, _text(value)
    elif member.holds == "numbers":
        yield name, "\n".join(f"{key} = {_text(number)}" for key, number in value.items())
    else:
        yield name, _text(value)


def _sort(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "truth"
    return "text" if isinstance(value, str) else "number"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def completed(struct: type[Struct], value: dict[str, Any]) -> Struct:
    """A part made of what could be read, for a preview: what is missing is made up, so that the rest can be seen."""
    return of_value(struct, _completed(struct, value))


def _completed(struct: type[Struct], value: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for member in members(struct):
        if member.key not in value:
            if member.required:
                found[member.key] = _made_up(member)
        elif member.struct is not None and value[member.key] is not None:
            inner = value[member.key]
            is_list = isinstance(inner, list)
            parts = [_completed(member.struct, one) for one in (inner if is_list else [inner])]
            found[member.key] = parts if is_list else parts[0]
        else:
            found[member.key] = value[member.key]
    return found


def _made_up(member: Member) -> Any:
    if member.holds == "text":
        return member.choices[0] if member.choices else "…"
    return member.least or 0 if member.holds in ("whole", "number") else []
