"""What people are called and reached by: names, telephone numbers, zip codes. Whatever reads one
reads it here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from almoner.vocabulary.kinds import Kind, Problems, Schema, Text

# What takes no ink, beside white space and controls: the soft hyphen, joiners, fillers of scripts
# (Hangul, Khmer, Mongolian, Braille), marks of direction, variation selectors, tags.
_BLANK: Final = (
    r"\s\x00-\x20\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u205f-\u206f\u2800"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    + "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# A character that can be seen, as Python and JSON Schema write it.
VISIBLE: Final = f"[^{_BLANK}]"
_has_visible = re.compile(VISIBLE).search

# What programs put around a number when it is copied: marks of direction, joiners, the byte order
# mark, the soft hyphen.
_UNSEEN: Final = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_BETWEEN: Final = "[-\u2010-\u2015\u2212 \t./\u00b7\u2022\u2219\u2027]*"
_PHONE: Final = re.compile(
    rf"(?:tel:)?(?:(?:\(\+?1\)|\+?1){_BETWEEN})?\(?(\d{{3}})\)?{_BETWEEN}(\d{{3}}){_BETWEEN}(\d{{4}})",
    re.ASCII | re.IGNORECASE,
)
_PART_OF_PHONE: Final = re.compile(
    rf"(?:tel:)?(?:[\d+()]|{_BETWEEN[:-1]})+", re.ASCII | re.IGNORECASE
)
_ZIP = re.compile(r"(\d{5})(?:-?(\d{4}))?", re.ASCII)


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it is empty, or of spaces and characters that take no
    ink (U+3164, U+200B, U+2800).
    """
    return _has_visible(text) is None


class Name(Text):
    """A name of a person or thing: a string that has something to be seen."""

    name = "name"
    hint = "a string is expected, with at least one visible character and no NUL"
    sample = "Grace"

    def parse(self, value: Any) -> str:
        text = super().parse(value)
        if is_blank(text):
            raise ValueError
        return text

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "pattern": rf"^[^\x00]*{VISIBLE}[^\x00]*$"}


def phone_number(text: str) -> str | None:
    """A +1 number of ten digits, in whatever notation people write or paste it, as
    ``555-555-5555``; None where it is none.
    """
    match = _PHONE.fullmatch(_pasted(text))
    return None if match is None else "-".join(match.groups())


def phone_digits(text: str) -> str:
    """The digits of a number, or of three and more of a part of one, without the country's 1; empty
    where it is no number.
    """
    text = _pasted(text)
    digits = re.sub(r"\D", "", text, flags=re.ASCII) if _PART_OF_PHONE.fullmatch(text) else ""
    whole = phone_number(text)
    if whole is not None:
        return whole.replace("-", "")
    digits = digits.removeprefix("1") if text.lstrip("(").startswith("+1") else digits
    return digits if 3 <= len(digits) <= 10 else ""


def _pasted(text: str) -> str:
    """The text without what cannot be seen, wide digits and spaces of every kind as plain ones."""
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).strip()


class Phone(Text):
    """A +1 number of ten digits in any common notation, E.164 included, kept as ``555-555-5555``
    (clarification 21).
    """

    name = "phone"
    bounded = True
    widget = "tel"
    hint = (
        "a US or Canadian number of ten digits without an extension is expected, such as"
        " 555-555-5555 or +15555555555"
    )
    form_hint = "a US or Canadian number of ten digits, such as 555-555-5555"
    sample = "555-555-5555"

    def parse(self, value: Any) -> str:
        number = phone_number(super().parse(value))
        if number is None:
            raise ValueError
        return number

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        return self.decode(value, path, problems)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^[0-9]{3}-[0-9]{3}-[0-9]{4}$"}

    def enveloped(self) -> Kind:
        return E164()


class E164(Phone):
    """The same number as the enveloped shape spells it: ``+15555555555``. It is kept as any other
    is.
    """

    name = "e164_phone"
    sample = "+15555555555"

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^\+1[0-9]{10}$"}

    def to_json(self, column: str) -> str:
        return f"'+1' || replace({column}, '-', '')"


class ZipCode(Text):
    """A US zip code of five digits, or of nine: ``94110``, ``94110-1234``."""

    name = "zip_code"
    hint = "a zip code of five or nine digits is expected, such as 94110 or 94110-1234"
    form_hint = "five digits or nine, such as 94110 or 94110-1234"
    sample = "94110"

    def parse(self, value: Any) -> str:
        match = _ZIP.fullmatch(value)
        if match is None:
            raise ValueError
        return match[1] if match[2] is None else f"{match[1]}-{match[2]}"

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        return self.decode(value, path, problems)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[0-9]{5}(-[0-9]{4})?$"}
