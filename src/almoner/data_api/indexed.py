"""What of a collection is indexed beside its fields."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IndexedPart:
    """A part of the rows that pages look into: an index of ``keys`` that holds those alone for
    which the SQL ``where`` is true.

    A key is a column or an SQL expression over the columns; ``using`` is ``gin`` where what is
    looked for is in a list."""

    name: str
    keys: tuple[str, ...]
    where: str
    using: str = "btree"


@dataclass(frozen=True)
class Search:
    """What people search rows by, typing errors included: an index of ``almoner_plain`` of an SQL
    expression over the columns.

    ``text`` is the expression, with ``{row}`` before each column. ``column`` names a column that
    keeps what is searched, where more than one index needs it; a trigger fills it in, and neither
    the API nor the change log tells of it. ``beside`` are columns whose exact values the same index
    finds: that costs a write less than an index of their own."""

    name: str
    text: str
    column: str | None = None
    beside: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The SQL of what the index holds."""
        return self.column or self.worked_out()

    def worked_out(self, row: str = "") -> str:
        """The SQL by which it follows from the columns of ``row``."""
        return f"almoner_plain({self.text.format(row=row)})"
