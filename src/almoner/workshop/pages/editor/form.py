"""A part of a program as a form sends it, and back: derived from the declaration, so that a new
member needs no word here.

The names of a form follow the program file: ``fields.3.label`` is the label of an item of
``fields``. The number is that of the item in this form and stays while items are moved; their order
is that of the hidden ``fields:item`` values. Names with a colon are about a member rather than its
value: ``next:given`` tells whether a value that may be None is there, ``is:sort`` of which type a
value is that may be of several.

A form is always shown from what was sent (``Form``), so that nothing that was typed is lost;
``written`` makes such a form of a value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Struct

from almoner.pages import parsing
from almoner.pages.visit import Form
from almoner.workshop.question_checks import NO_TEST, TESTS
from almoner.workshop.shape import Member, members

PRESENT: Final = "yes"
# The types of a scalar as a form names them; blank where there is no value.
SCALAR_TYPES: Final = ("", "text", "number", "truth")
_NOT_WHOLE: Final = "A whole number is expected, such as 14."
_IN_A_PAGE: Final = {NO_TEST: "Choose what its answer must be."}
_WHOLE: Final = re.compile(r"[+-]?\d{1,399}", re.ASCII)


@dataclass
class Read:
    """What a form says. ``value`` holds plain values by their keys in a file; ``errors`` a sentence
    for the name of each field whose text cannot be a value: such a member is not in ``value``."""

    value: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


# By whose words a name in the API begins, the first of them that are there.
SUGGESTING: Final[Mapping[str, tuple[str, ...]]] = {"name": ("label", "title"), "id": ("name",)}


def under(prefix: str, key: str) -> str:
    """The name of a member of the part that ``prefix`` names; a blank prefix is the part that the
    whole form is about.
    """
    return f"{prefix}.{key}" if prefix else key


def positions(form: Form, name: str) -> tuple[str, ...]:
    """The numbers of the items of a list in this form, in their order. A number that stands twice
    counts once.
    """
    return tuple(
        dict.fromkeys(
            number for number in form.texts(f"{name}:item") if parsing.whole(number) is not None
        )
    )


def filled(form: Form, name: str) -> tuple[str, ...]:
    """The numbers of the rows of a list of texts that hold something: the text itself, or what
    stands beside it.
    """
    entered = [key for key, value in form.pairs if value.strip()]
    return tuple(
        number
        for number in positions(form, name)
        if any(key == f"{name}.{number}" or key.startswith(f"{name}.{number}:") for key in entered)
    )


def suggested_name(form: Form, at: str) -> str:
    """The name in the field ``at`` that what people read of its part suggests; blank where the form
    says that it has a name of its own.
    """
    name, (prefix, key) = form.text(at).strip(), _parted(at)
    words = (form.text(f"{prefix}{of}") for of in SUGGESTING.get(key, ()))
    suggested = api_name(next(filter(str.strip, words), ""))
    return suggested if not name or (name == suggested and form.truth(f"{at}:suggested")) else ""


def _parted(at: str) -> tuple[str, str]:
    prefix, dot, key = at.rpartition(".")
    return f"{prefix}{dot}", key


def api_name(label: str) -> str:
    """The name that a label suggests: small letters and underscores."""
    bare = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return "_".join(re.findall(r"[a-z0-9]+", bare))[:60].rstrip("_")


def sentence(text: str) -> str:
    """A remark as it stands at a field: with a capital letter and a full stop, and not in the words
    of a file.
    """
    text = _IN_A_PAGE.get(text, text)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


def read(form: Form, struct: type[Struct], prefix: str = "") -> Read:
    """The value of a part as its form states it. A field that was not sent has its default."""
    sent = Read()
    # Of a condition whose test was chosen, that one alone counts.
    test = form.text(f"{prefix}:test")
    for member in members(struct):
        name = under(prefix, member.key)
        if test and member.key in TESTS and member.key != test:
            continue
        try:
            sent.value[member.key] = _read_member(form, member, name, sent.errors)
        except ValueError as error:
            sent.errors[name] = str(error)
    if test == "answered":
        sent.value["answered"] = True
    return sent


def blank(struct: type[Struct]) -> Form:
    """The form of a new part: what holds unless somebody says otherwise is ticked."""
    return Form(
        tuple(
            (member.key, _text(True))
            for member in members(struct)
            if member.holds == "truth" and member.default
        )
    )


def written(part: Struct, prefix: str = "") -> Form:
    """The form that ``read`` would make this part of."""
    return Form(_pairs(part, prefix))


def of_value(part: type[Struct], value: dict[str, Any]) -> Struct:
    """The part that plain values state. Raises msgspec.ValidationError where they do not fit, which
    ``read`` has told before.
    """
    part_of_type: Struct = msgspec.convert(value, part)
    return part_of_type


def _read_member(form: Form, member: Member, name: str, errors: dict[str, str]) -> Any:
    """One value; raises ValueError with the sentence that stands at the field."""
    if member.holds == "parts":
        return _read_parts(form, member, name, errors)
    if member.holds == "part":
        return _read_part(form, member, name, errors)
    if member.holds == "truth":
        return form.truth(name)
    if member.holds == "texts":
        return (
            list(_read_rows(form, name, errors))
            if member.widget == "rows"
            else _read_texts(form, member, name)
        )
    if member.beside:
        return dict(_read_beside(form, member, name, errors))
    if name not in form and not member.required:
        return member.default
    text = form.text(name)
    if member.widget == "code":
        text = suggested_name(form, name) or text
    if member.holds == "text":
        return _checked(
            member, text if member.widget == "textarea" or "\n" in text else text.strip()
        )
    if member.holds == "numbers":
        return dict(_read_numbers(text))
    if member.holds == "scalar":
        return _read_scalar(form.text(f"{name}:sort", "text"), text.strip())
    return _read_number(member, text.strip())


def _read_parts(
    form: Form, member: Member, name: str, errors: dict[str, str]
) -> list[dict[str, Any]]:
    assert member.struct is not None
    items = [read(form, member.struct, f"{name}.{number}") for number in positions(form, name)]
    for item in items:
        errors.update(item.errors)
    return [item.value for item in items]


def _read_part(
    form: Form, member: Member, name: str, errors: dict[str, str]
) -> dict[str, Any] | None:
    assert member.struct is not None
    if member.widget == "condition":
        return _read_condition(form, member.struct, name, errors)
    if member.may_be_none and not form.truth(f"{name}:given"):
        return None
    inner = read(form, member.struct, name)
    errors.update(inner.errors)
    return inner.value


def _read_texts(form: Form, member: Member, name: str) -> list[str] | None:
    if member.may_be_none and form.text(f"{name}:given") != PRESENT:
        return None
    if member.names or member.choices:
        texts = [text for text in form.texts(name) if text]
    else:
        texts = [
            line.strip() for text in form.texts(name) for line in text.split("\n") if line.strip()
        ]
    for text in texts:
        _checked(member, text)
    return texts


def _read_condition(
    form: Form, struct: type[Struct], name: str, errors: dict[str, str]
) -> dict[str, Any] | None:
    """A condition, which there is where a question is named; only the chosen test of it where one
    was to be chosen.
    """
    if not form.text(f"{name}.question").strip():
        return None
    inner = read(form, struct, name)
    errors.update(inner.errors)
    return inner.value


def _read_rows(form: Form, name: str, errors: dict[str, str]) -> Iterator[str]:
    for number in filled(form, name):
        text = form.text(f"{name}.{number}").strip()
        if not text:
            errors[f"{name}.{number}"] = "Name the choice that these points belong to."
        yield text


def _read_beside(
    form: Form, member: Member, name: str, errors: dict[str, str]
) -> Iterator[tuple[str, int | float]]:
    """The numbers beside the rows of a list, and those of texts that the list does not have."""
    yield from _read_numbers(form.text(name))
    rows = f"{name.removesuffix(member.key)}{member.beside}"
    for number in filled(form, rows):
        at = f"{rows}.{number}:{member.key}"
        if entered := form.text(at).strip():
            try:
                yield form.text(f"{rows}.{number}").strip(), parsing.number(entered)
            except ValueError as error:
                errors[at] = str(error)


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
    if not text:
        return None
    if sort == "number":
        return parsing.number(text)
    if sort == "truth":
        return text.lower() in ("yes", "true", "on")
    return text if sort == "text" else None


def _pairs(part: Struct, prefix: str) -> Iterator[tuple[str, str]]:
    for member in members(type(part)):
        value = getattr(part, member.attribute)
        if member.beside:
            rows: tuple[str, ...] = getattr(part, member.beside)
            for number, text in enumerate(rows):
                yield (
                    f"{under(prefix, member.beside)}.{number}:{member.key}",
                    _text(value.get(text)),
                )
            value = {text: amount for text, amount in value.items() if text not in rows}
        yield from _member_pairs(member, value, under(prefix, member.key))


def _member_pairs(member: Member, value: Any, name: str) -> Iterator[tuple[str, str]]:
    if member.may_be_none and member.holds in ("texts", "part"):
        yield f"{name}:given", "" if value is None else PRESENT
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
    elif member.widget == "rows":
        for number, text in enumerate(value):
            yield f"{name}:item", str(number)
            yield f"{name}.{number}", text
    elif member.holds == "texts":
        yield from (
            (name, text)
            for text in (value if member.names or member.choices else ["\n".join(value)])
        )
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
    """A part made of what could be read, for a preview: what is missing is made up, so that the
    rest can be seen.
    """
    return of_value(struct, _completed(struct, value))


def _completed(struct: type[Struct], value: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for member in members(struct):
        if member.key not in value:
            if member.required:
                values[member.key] = _stand_in(member)
        elif member.struct is not None and value[member.key] is not None:
            inner = value[member.key]
            is_list = not isinstance(inner, dict)
            parts = [_completed(member.struct, item) for item in (inner if is_list else [inner])]
            values[member.key] = parts if is_list else parts[0]
        else:
            values[member.key] = value[member.key]
    return values


def _stand_in(member: Member) -> Any:
    if member.holds == "part" and member.struct is not None:
        return _completed(member.struct, {})
    if member.holds == "text":
        return member.choices[0] if member.choices else "…"
    return member.least or 0 if member.holds in ("whole", "number") else []
