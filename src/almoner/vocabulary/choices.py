"""Kinds of field that hold one or several of a set of strings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from almoner.errors import parse_problem
from almoner.vocabulary.kinds import Kind, Problems, Schema, Text, Texts

# States, the District of Columbia, territories, freely associated states, and the military (USPS
# Publication 28).
# fmt: off
STATES: Final = (
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI",
    "ID", "IL", "IN", "IA", "KS", "KY", "LA", "ME", "MD", "MA", "MI", "MN",
    "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH",
    "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA",
    "WV", "WI", "WY", "AS", "GU", "MP", "PR", "VI", "FM", "MH", "PW", "UM",
    "AA", "AE", "AP",
)
# fmt: on


_NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
# What care writes in a way of its own, by the names that it has in programs.
_WRITTEN: Final = {
    "hba1c": "HbA1c",
    **{name: name.upper() for name in ("bmi", "bnp", "hdl", "inr", "ldl", "tsh")},
    "egfr": "eGFR",
}


def name_in_words(name: str) -> str:
    """``Fasting glucose`` of ``fasting_glucose``, ``HbA1c`` of ``hba1c``."""
    words = " ".join(_WRITTEN.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def are_names(values: Iterable[str]) -> bool:
    """Whether values are names of programs, which people do not read as they are."""
    listed = list(values)
    return all(map(_NAME.fullmatch, listed)) and any(
        "_" in value or value in _WRITTEN for value in listed
    )


@dataclass(frozen=True)
class Choice(Kind):
    """One of a fixed set of strings. ``respelled``: a spelling of the enveloped shape, with the one
    of these that it stands for.

    ``words``: what people read for a value, where that does not follow from it.
    """

    values: tuple[str, ...]
    respelled: tuple[tuple[str, str], ...] = ()
    words: tuple[tuple[str, str], ...] = ()

    name: ClassVar[str] = "enum"
    widget: ClassVar[str] = "select"

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        if type(value) is str and value in self.values:
            return value
        problems.append(
            parse_problem(self.name, path, f"one of {', '.join(self.schema()['enum'])} is expected")
        )
        return None

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.values)}

    def example(self) -> Any:
        return self.values[0]

    def enveloped(self) -> Kind:
        return Respelled(self.values, self.respelled) if self.respelled else self

    def in_words(self, value: str) -> str:
        """The words of a value for people; without any of its own, those of a name."""
        return dict(self.words).get(value, name_in_words(value))


@dataclass(frozen=True)
class Respelled(Choice):
    """The same choice in the shape that spells some of its values otherwise. The first spelling is
    taken as well.
    """

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        spelled = dict(self.respelled).get(value, value) if type(value) is str else value
        return super().decode(spelled, path, problems)

    def schema(self) -> Schema:
        return {"type": "string", "enum": [self._spelled(value) for value in self.values]}

    def to_json(self, column: str) -> str:
        cases = " ".join(f"WHEN '{value}' THEN '{spelling}'" for spelling, value in self.respelled)
        return f"CASE {column} {cases} ELSE {column} END"

    def enveloped(self) -> Kind:
        return self

    def example(self) -> Any:
        return self._spelled(self.values[0])

    def _spelled(self, value: str) -> str:
        return next((spelling for spelling, stored in self.respelled if stored == value), value)


@dataclass(frozen=True)
class State(Choice):
    """A USPS code of a state, a territory or the military."""

    values: tuple[str, ...] = STATES

    name: ClassVar[str] = "state"
    hint: ClassVar[str] = "a USPS code of two letters is expected, such as CA"

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        return (
            value
            if type(value) is str and value in self.values
            else Kind.decode(self, None, path, problems)
        )

    def parse(self, value: Any) -> Any:
        raise ValueError

    def example(self) -> Any:
        return "CA"

    def in_words(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Several(Texts):
    """Any number of a fixed set of strings, each at most once."""

    values: tuple[str, ...]

    name: ClassVar[str] = "choices"
    widget: ClassVar[str] = "checkboxes"

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        if (
            type(value) is list
            and all(type(v) is str and v in self.values for v in value)
            and len(set(value)) == len(value)
        ):
            return value
        problems.append(
            parse_problem(
                self.name, path, f"a list of different ones of {', '.join(self.values)} is expected"
            )
        )
        return None

    def schema(self) -> Schema:
        return {
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "string", "enum": list(self.values)},
        }

    def example(self) -> Any:
        return [self.values[0]]


@dataclass(frozen=True)
class ProgramName(Text):
    """Any text: pages offer what the environment's published program defines, and have its titles
    for that.

    ``of`` tells what of the program: ``task_types``, ``phases``.
    """

    of: str

    widget: ClassVar[str] = "select"


@dataclass(frozen=True)
class ProgramChoice(ProgramName):
    """A name that the published program has to define."""

    name: ClassVar[str] = "enum"
    bounded: ClassVar[bool] = True
