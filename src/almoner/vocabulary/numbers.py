"""The kinds of numbers: whole ones and decimal ones."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from almoner.errors import parse_problem
from almoner.vocabulary.kinds import Kind, Problems, Schema, as_written


def number(value: float | Decimal) -> str:
    """A number as people write it: 3 and not 3.0, 0.0000001 and not 1e-07."""
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return str(int(value)) if is_whole else f"{Decimal(str(value)):f}"


def calculated(value: float | Decimal) -> str:
    """A number that came of calculating: 0.3 and not 0.30000000000000004."""
    return number(float(f"{value:.12g}"))


@dataclass(frozen=True)
class Integer(Kind):
    """A whole number of 64 bits, within ``low`` and ``high`` where they are given (both
    inclusive).
    """

    low: int | None = None
    high: int | None = None

    name: ClassVar[str] = "integer"
    column: ClassVar[str] = "bigint"
    widget: ClassVar[str] = "number"
    sample: ClassVar[Any] = 42

    @property
    def bounds(self) -> tuple[int, int]:
        return (
            -(2**63) if self.low is None else self.low,
            2**63 - 1 if self.high is None else self.high,
        )

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        low, high = self.bounds
        # JSON knows one kind of number: 7.0 is 7. What came through ``json_values`` was not
        # rounded.
        written = as_written(value)
        if (
            type(written) in (int, float, Decimal)
            and low <= written <= high
            and written == int(written)
        ):
            return int(written)
        problems.append(parse_problem(self.name, path, f"a whole number{self._limits} is expected"))
        return None

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        return self.decode(value, path, problems)

    @property
    def _limits(self) -> str:
        if self.low is None:
            return "" if self.high is None else f" of at most {self.high}"
        return (
            f" of at least {self.low}" if self.high is None else f" from {self.low} to {self.high}"
        )

    def schema(self) -> Schema:
        low, high = self.bounds
        return {"type": "integer", "minimum": low, "maximum": high}


@dataclass(frozen=True)
class Seconds(Integer):
    """A length of time in whole seconds, which people are told in minutes."""


@dataclass(frozen=True)
class Number(Kind):
    """A number, within ``low`` and ``high`` where they are given (both inclusive), stored with all
    of its digits.
    """

    low: float | None = None
    high: float | None = None

    name: ClassVar[str] = "number"
    column: ClassVar[str] = "numeric"
    widget: ClassVar[str] = "number"
    sample: ClassVar[Any] = 0.4

    def decode(self, value: Any, path: str, problems: Problems) -> Any:
        is_number = type(value) in (int, float, Decimal) and abs(value) <= sys.float_info.max
        value = as_written(value)
        if (
            is_number
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
        ):
            return value
        ends = [] if self.low is None else [f"from {number(self.low)}"]
        ends += [] if self.high is None else [f"to {number(self.high)}"]
        problems.append(
            parse_problem(self.name, path, " ".join(["a number", *ends, "is expected"]))
        )
        return None

    def bind(self, value: Any) -> Any:
        return None if value is None else Decimal(str(value))

    def schema(self) -> Schema:
        largest = sys.float_info.max
        low, high = (
            -largest if self.low is None else self.low,
            largest if self.high is None else self.high,
        )
        return {"type": "number", "minimum": low, "maximum": high}
