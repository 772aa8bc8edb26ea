"""What a value can be (contract: Types): the kinds that every field is made of.

A kind knows its check, its column, how PostgreSQL renders it as JSON, its JSON schema and its form
widget. Built-in collections and what a program designer defines in the Workshop are made of the
same kinds, so that one decoder and one error format serve both."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar, Final

from almoner.errors import MOST_PROBLEMS, Problem, parse_problem
from almoner.vocabulary import json_values

Problems = list[Problem]
Schema = dict[str, Any]

GUID_PATTERN: Final = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
GUID: Final = re.compile(GUID_PATTERN, re.ASCII)
# PostgreSQL cannot hold NUL.
WITHOUT_NUL: Final = r"^[^\x00]*$"


class Kind:
    """What a value is. Subclasses fill in the class variables and ``parse``."""

    name: ClassVar[str] = "anything"
    column: ClassVar[str] = "text"
    widget: ClassVar[str] = "text"
    hint: ClassVar[str] = ""
    # What people type, as a sentence goes on behind "Give"; blank where anything goes.
    form_hint: ClassVar[str] = ""
    sample: ClassVar[Any] = None

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        """The value as the database takes it; a problem is added, and None returned, where it does
        not fit.
        """
        try:
            return self.parse(value)
        except (ValueError, TypeError, OverflowError):
            problems.append(parse_problem(self.name, path, self.hint))
            return None

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        """The value as it is kept inside a JSON document: checked, and as it was sent unless the
        kind normalises it.
        """
        self.decode(value, path, problems)
        return value

    def parse(self, value: Any) -> Any:
        """The value as the database takes it. Raises ValueError or TypeError where it does not
        fit.
        """
        return value

    def schema(self) -> Schema:
        """JSON Schema (2020-12) of what is accepted and returned."""
        return {}

    def answer_schema(self) -> Schema:
        """The same of what is returned, where that is more than was accepted."""
        return self.schema()

    def bind(self, value: Any) -> Any:
        """A decoded value as a statement's parameter."""
        return value

    @property
    def element(self) -> str:
        """The PostgreSQL type as which values of many rows travel in one array."""
        return self.column

    def bind_element(self, value: Any) -> Any:
        """A decoded value as an element of such an array."""
        return self.bind(value)

    def from_element(self, element: str) -> str:
        """The SQL expression that makes the column's value of such an element; null stays null."""
        return element

    def to_json(self, column: str) -> str:
        """The SQL expression whose JSON form is what the API shows of this column."""
        return column

    def enveloped(self) -> Kind:
        """The kind that spells the same values as the enveloped shape does (clarification 7):
        mostly itself.
        """
        return self

    def filter_sql(self, column: str, value: str) -> str:
        """The SQL condition by which Find filters; ``value`` is the parameter's placeholder."""
        return f"{column} = {value}"

    def filter_index(self, column: str) -> str:
        """What the index of that condition holds for this column."""
        return column

    def filter_kind(self) -> Kind:
        """The kind that a Find reads a filter by this field as; usually the same."""
        return self

    def example(self) -> Any:
        return self.sample


class Text(Kind):
    """Any string, of any script and length. NUL is refused: PostgreSQL cannot hold it
    (clarification 21).

    A string may be longer than an index can hold, so filters go by its hash and compare the string
    after that. ``bounded`` kinds are short enough to be indexed as they are."""

    name = "string"
    bounded: ClassVar[bool] = False
    hint = "a string is expected, without NUL characters"
    sample = "Welcome to the program"

    def parse(self, value: Any) -> str:
        if type(value) is not str or "\x00" in value:
            raise ValueError
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": WITHOUT_NUL}

    def filter_sql(self, column: str, value: str) -> str:
        if self.bounded:
            return f"{column} = {value}"
        return (
            f"hashtextextended({column}, 0) = hashtextextended({value}, 0) AND {column} = {value}"
        )

    def filter_index(self, column: str) -> str:
        return column if self.bounded else f"hashtextextended({column}, 0)"


class Word(Text):
    """A word among programs, such as ``app_message``, that people read as words."""

    def in_words(self, value: str) -> str:
        words = value.replace("_", " ").strip()
        return f"{words[:1].upper()}{words[1:]}"


class LongText(Text):
    """A string that a person edits in a box of several lines."""

    widget = "textarea"


class Email(Text):
    """An e-mail address: any non-empty string of at most 320 characters. No format is checked
    (clarification 21).
    """

    name = "email"
    bounded = True
    widget = "email"
    hint = "a string of 1 to 320 characters is expected"
    form_hint = "an address such as grace@example.org"
    sample = "grace.hopper@example.org"

    def parse(self, value: Any) -> str:
        text = super().parse(value)
        if not 1 <= len(text) <= 320:
            raise ValueError
        return text

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": 320, "pattern": WITHOUT_NUL}


class Guid(Kind):
    """A GUID of 36 characters, accepted in any letter case, returned in lower case (clarification
    14).
    """

    name = "guid"
    column = "uuid"
    sample = "45ceeba9-4944-43d1-b34d-0c36846acd4c"

    def parse(self, value: Any) -> str:
        if GUID.fullmatch(value) is None:
            raise ValueError
        lower: str = value.lower()
        return lower

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        return self.decode(value, path, problems)

    def schema(self) -> Schema:
        return {"type": "string", "format": "uuid"}


class Guids(Kind):
    """Up to a thousand GUIDs, parted by commas: what a Find names rows by."""

    name = "guids"
    column = "uuid[]"
    hint = "at most 1000 GUIDs are expected, parted by commas"
    sample = Guid.sample

    def parse(self, value: Any) -> list[str]:
        ids = value.split(",") if value else []
        if len(ids) > 1000:
            raise ValueError
        return [Guid().parse(text.strip(" ")) for text in ids]

    def schema(self) -> Schema:
        # Blank names no row, and is no mistake: a program that has none to ask for sends it.
        return {"type": "string", "pattern": f"^( *{GUID_PATTERN} *(, *{GUID_PATTERN} *)*)?$"}


@dataclass(frozen=True)
class Ref(Guid):
    """The id of a row of another collection in the same environment.

    ``within`` names a field of this row that must hold the same value in the row referred to: a
    message's conversation belongs to the message's patient. ``current`` names the function of the
    database that tells as which row one goes on that has become part of another; what is written
    for it is written for that one."""

    to: str
    within: str | None = None
    current: str | None = None

    def schema(self) -> Schema:
        # What reads rows from files looks the ids of other systems up where they belong.
        return {**super().schema(), "x-resource": self.to}


class Boolean(Kind):
    """JSON's true or false, never 0, 1 or a text."""

    name = "boolean"
    column = "boolean"
    widget = "checkbox"
    hint = "true or false is expected"
    sample = True

    def parse(self, value: Any) -> bool:
        if type(value) is not bool:
            raise ValueError
        return value

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Consent(Boolean):
    """Whether the patient consents to something. ``needs`` names the consent without which this one
    means nothing.

    Pages never set it alone: how and when it was received is recorded with it.
    """

    needs: str = ""


class BooleanOrWord(Boolean):
    """A JSON boolean, or one of the words ``true`` and ``false``: the later document's examples
    have them as strings.
    """

    name = "boolean_or_word"

    def parse(self, value: Any) -> bool:
        word = value.lower() if type(value) is str else None
        return word == "true" if word in ("true", "false") else super().parse(value)

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        return self.decode(value, path, problems)


def as_written(value: Any) -> Any:
    """A float as it was written. Beyond 2**53 the two differ: 5.318178323384654e+16 is held as
    53181783233846544.
    """
    return (
        int(Decimal(repr(value)))
        if type(value) is float and 2**53 <= abs(value) <= sys.float_info.max
        else value
    )


class Texts(Kind):
    """A JSON array of strings in their order; an array in PostgreSQL.

    PostgreSQL cannot take an array of arrays apart by row, so those of many rows travel as JSON.
    """

    name = "array"
    column = "text[]"
    hint = "a list of strings is expected"
    sample = ("abc123", "cdf456")

    def parse(self, value: Any) -> list[str]:
        if type(value) is not list:
            raise ValueError
        return [Text().parse(item) for item in value]

    def schema(self) -> Schema:
        return {"type": "array", "items": Text().schema()}

    @property
    def element(self) -> str:
        return "json"

    def bind_element(self, value: Any) -> Any:
        return None if value is None else json_values.encode(value)

    def from_element(self, element: str) -> str:
        texts = f"ARRAY(SELECT json_array_elements_text({element}))"
        return f"CASE WHEN {element} IS NOT NULL THEN {texts} END"

    def filter_sql(self, column: str, value: str) -> str:
        return f"{column} @> ARRAY[{value}]"

    def filter_kind(self) -> Kind:
        return Text()

    def example(self) -> Any:
        return list(self.sample)


class Json(Kind):
    """Any JSON value, kept as it was sent, the order of its keys included."""

    name = "json"
    column = "json"
    widget = "textarea"
    hint = "a JSON value without NUL characters is expected"

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        return self.keep(value, path, problems)

    def bind(self, value: Any) -> Any:
        return None if value is None else json_values.encode(value)

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        problems += [
            parse_problem(self.name, at, self.hint)
            for at in islice(_nul_places(value, path), MOST_PROBLEMS)
        ]
        return value


def _nul_places(value: Any, path: str) -> Iterator[str]:
    """The paths of the strings and keys of a JSON value that hold NUL; a key is told by the path of
    its object.
    """
    if type(value) is str:
        if "\x00" in value:
            yield path
    elif type(value) is list:
        for number, item in enumerate(value):
            yield from _nul_places(item, f"{path}[{number}]")
    elif type(value) is dict:
        for key, item in value.items():
            if "\x00" in key:
                yield path
            yield from _nul_places(item, f"{path}.{key[:80]}")


class AnyObject(Json):
    """Any JSON object; what it must hold, NUL included, is checked elsewhere (against a Workshop
    definition).
    """

    hint = "a JSON object is expected"
    sample: ClassVar[Any] = {}

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        if type(value) is dict:
            return value
        problems.append(parse_problem(self.name, path, self.hint))
        return None

    def schema(self) -> Schema:
        return {"type": "object"}
