"""Where a copy is kept: what every kind of it offers, and how rows are handed to it and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from almoner_client.mirror.layout import Table, View
from almoner_client.mirror.rows import CHECK as CHECK
from almoner_client.mirror.rows import DIGEST as DIGEST
from almoner_client.mirror.rows import NOTHING, UPDATED, CopiedRow, check

# What the copy knows of itself: where it stands in the feed, and how far its first load is.
STATE: Final = "almoner_mirror"
VIEWS: Final = "views"


@dataclass
class TableChanges:
    """What is to be written into a table: rows as they are, and the ids of those that are gone; a
    blank one stands for rows that have none.
    """

    table: Table
    rows: list[CopiedRow] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fence:
    """What a write is made for: it is done where the state still has this value, so that two
    processes on one copy cannot write over each other with what is older.
    """

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class KeptRow:
    """What a copy has of a row. ``altered``: somebody has changed it in the copy. ``id`` is blank
    where it has none.
    """

    id: str
    updated_at: str
    digest: str
    altered: bool


class Destination(ABC):
    """A copy. All of it is called by one thread. ``read_as`` has, by the kind of column, how a
    value that comes back from it is read as a text, a number or a boolean.
    """

    read_as: ClassVar[Mapping[str, Callable[[Any], Any]]] = NOTHING
    # What the database of the copy raises where it cannot be used.
    errors: ClassVar[tuple[type[Exception], ...]] = ()
    # Whether its address is a file or a folder.
    in_files: ClassVar[bool] = True

    @abstractmethod
    def state(self) -> dict[str, str]:
        """What the copy knows of itself; nothing in a new one."""

    @abstractmethod
    def prepare(self, tables: Iterable[Table]) -> bool:
        """Makes the tables that are missing, and adds the columns. True where a column was added to
        a table that was there. Raises AlmonerError, with nothing done, where somebody else has a
        table of such a name.
        """

    @abstractmethod
    def make_views(self, views: Iterable[View]) -> None:
        """Makes the views anew, under their names."""

    @abstractmethod
    def write(
        self,
        changes: Iterable[TableChanges],
        state: Mapping[str, str | None],
        fence: Fence | None = None,
    ) -> bool:
        """Writes rows and state as a whole; a state of None is forgotten. False, with nothing
        written, where the fence does not hold any more.
        """

    @abstractmethod
    def rows(self, table: Table) -> Iterator[KeptRow]:
        """Every row of a table, in the order of their ids."""

    @abstractmethod
    def rows_with(self, table: Table, ids: Sequence[str]) -> dict[str, KeptRow]:
        """The rows with these ids, by their id; a blank one stands for rows that have none."""

    @abstractmethod
    def close(self) -> None:
        """Gives the copy back."""

    def settled(self) -> None:  # noqa: B027  # most destinations make nothing
        """Is called where the copy has caught up, and now and then while it follows, for what is
        made of it then.
        """

    def released(self) -> None:  # noqa: B027  # most destinations let others read at any time
        """Is called before the feed is waited for: whatever keeps others from reading is given
        back.
        """


def stored_rows(table: Table, records: Iterable[Sequence[Any]]) -> Iterator[KeptRow]:
    """What a copy has of rows: of each the values of the table's columns as they are given back,
    and the two hashes behind them.
    """
    names = [column.name for column in table.columns]
    updated = names.index(UPDATED) if UPDATED in names else 0
    for *values, digest, noted in records:
        yield KeptRow(
            id="" if values[0] is None else str(values[0]),
            updated_at=str(values[updated]),
            digest=digest or "",
            altered=check(names, values, digest or "") != noted,
        )
