"""Whether a copy is whole: digests are compared down the tree of ids to the rows that differ."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from almoner_client.answers import Digest, Part
from almoner_client.errors import AlmonerError, NotFound
from almoner_client.mirror.copy import AFTER, Mirror
from almoner_client.mirror.destination import Destination, Fence, KeptRow, TableChanges
from almoner_client.mirror.layout import Table
from almoner_client.mirror.rows import MODULUS, version

_ID_BYTES: Final = 16
_AT_ONCE: Final = 1000
# A row that is changed while it is compared is compared again.
_ROUNDS: Final = 5
_TRIES: Final = 50
VERSION, JSON = "version", "json"


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of which the copy has something else than the server: it is ``missing`` in the copy,
    ``extra`` there, or ``different``. ``id`` is blank of those in the copy that have none.
    """

    collection: str
    id: str
    what: str


@dataclass
class CopyDigests:
    """Ids and hashes of what a copy has of a collection, packed: 24 bytes a row.

    ``altered`` are rows that somebody has changed in the copy, ``strange`` those whose id is none,
    or is there twice.
    """

    ids: bytearray = field(default_factory=bytearray)
    sums: array[int] = field(default_factory=lambda: array("Q", [0]))
    altered: set[str] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)

    def add(self, row: KeptRow, by: str) -> None:
        """A row, in the order of the ids."""
        packed, number = _uuid(row.id), 0
        last = self._at(len(self) - 1)
        if packed is None or str(packed) != row.id or packed.bytes <= last:
            self.strange.add(row.id)
            return
        with suppress(ValueError):
            # What was changed to no moment or no hash is altered.
            number = version(packed, row.updated_at) if by == VERSION else int(row.digest, 16)
        self.ids += packed.bytes
        self.sums.append((self.sums[-1] + number) % MODULUS)
        if row.altered:
            self.altered.add(row.id)

    def __len__(self) -> int:
        return len(self.sums) - 1

    def _at(self, n: int) -> bytes:
        return bytes(self.ids[n * _ID_BYTES : (n + 1) * _ID_BYTES])

    def span(self, prefix: str) -> tuple[int, int]:
        """Where the ids with this prefix begin and end."""
        low = bytes.fromhex(prefix.ljust(32, "0"))
        high = bytes.fromhex(prefix.ljust(32, "f"))
        start = bisect_left(range(len(self)), low, key=self._at)
        end = bisect_left(range(len(self)), high, key=self._at)
        return start, end + (end < len(self) and self._at(end) == high)

    def part(self, prefix: str) -> Part:
        """How many ids have this prefix, and the sum of their hashes."""
        start, end = self.span(prefix)
        digest = (self.sums[end] - self.sums[start]) % MODULUS
        return Part(prefix, end - start, f"{digest:016x}")

    def rows(self, start: int, end: int) -> Iterator[tuple[str, str]]:
        """The ids in a span, each with its hash."""
        for n in range(start, end):
            digest = (self.sums[n + 1] - self.sums[n]) % MODULUS
            yield str(UUID(bytes=self._at(n))), f"{digest:016x}"


def verify(mirror: Mirror, repair: bool = False, by: str = VERSION) -> list[Difference]:
    """What differs once the copy has caught up; mended where it is to ``repair``. The server is
    asked for what differs alone, so a copy that is whole costs a call a collection.

    Compared by ``version``, the server need not render its rows: each that has another id or moment
    of change is found, and each that was changed in the copy, by the copy's own hashes. By ``json``
    a fault of the mirror itself is found too, and what an upgrade of the server renders anew.

    Raises AlmonerError where the server has no digests."""
    mirror.catch_up()
    try:
        candidates = {
            name: _candidates(mirror, name, table, by) for name, table in mirror.tables.items()
        }
    except NotFound:
        raise AlmonerError(
            f"{mirror.client.url} has no /v1/digest to compare with. Bring the server up to date."
        ) from None
    differences = _confirmed(mirror, candidates)
    if repair:
        mend(mirror, differences)
    return differences


def _candidates(mirror: Mirror, name: str, table: Table, by: str) -> set[str]:
    copy = CopyDigests()
    for row in mirror.destination.rows(table):
        copy.add(row, by)
    candidates = copy.altered | copy.strange
    open_prefixes = [""]
    while open_prefixes:
        prefix = open_prefixes.pop()
        theirs = mirror.client.digest(name, prefix, by)
        ours = copy.part(prefix)
        if (ours.count, ours.digest) == (theirs.count, theirs.digest):
            continue
        if theirs.children is None:
            candidates |= _rows_that_differ(copy, prefix, theirs)
            continue
        candidates |= _beside(copy, prefix, theirs.children)
        open_prefixes += [
            child.prefix for child in theirs.children if copy.part(child.prefix) != child
        ]
    return candidates


def _rows_that_differ(copy: CopyDigests, prefix: str, theirs: Digest) -> set[str]:
    ours = dict(copy.rows(*copy.span(prefix)))
    server = {row.id: row.digest for row in theirs.rows or ()}
    return {
        row_id for row_id in ours.keys() | server.keys() if ours.get(row_id) != server.get(row_id)
    }


def _beside(copy: CopyDigests, prefix: str, children: Iterable[Part]) -> set[str]:
    """Rows of the copy below a prefix that are below none of the server's children."""
    start, end = copy.span(prefix)
    beside: set[str] = set()
    for child in sorted(children, key=lambda child: child.prefix):
        first, last = copy.span(child.prefix)
        beside |= {row_id for row_id, _ in copy.rows(start, first)}
        start = max(start, last)
    return beside | {row_id for row_id, _ in copy.rows(start, end)}


def _confirmed(mirror: Mirror, candidates: Mapping[str, set[str]]) -> list[Difference]:
    """Those that still differ once copy and row are read one after the other, with nothing that the
    feed has told in between.
    """
    left = [(name, sorted(ids)) for name, ids in candidates.items() if ids]
    confirmed: list[Difference] = []
    for _ in range(_ROUNDS):
        if not left:
            break
        mirror.catch_up()
        before = mirror.after
        differing = {name: _compared(mirror, name, mirror.tables[name], ids) for name, ids in left}
        mirror.catch_up()
        confirmed = [
            Difference(name, row_id, what)
            for name, of_ids in differing.items()
            for row_id, what in sorted(of_ids.items())
        ]
        left = [(name, list(of_ids)) for name, of_ids in differing.items() if of_ids]
        if mirror.after == before:
            break
    return confirmed


def _compared(mirror: Mirror, name: str, table: Table, ids: list[str]) -> dict[str, str]:
    differing: dict[str, str] = {}
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        theirs = mirror.fetched(name, [row_id for row_id in part if _is_id(row_id)])
        ours = mirror.destination.rows_with(table, part)
        for row_id in part:
            if row_id not in theirs:
                differing |= {row_id: "extra"} if row_id in ours else {}
            elif row_id not in ours:
                differing[row_id] = "missing"
            elif ours[row_id].altered or ours[row_id].digest != theirs[row_id].digest:
                differing[row_id] = "different"
    return differing


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _is_id(text: str) -> bool:
    packed = _uuid(text)
    return packed is not None and str(packed) == text


def mend(mirror: Mirror, differences: Iterable[Difference]) -> None:
    """Writes rows as the server has them now into the copy. Raises AlmonerError where others write
    into it all the while.
    """
    ids_of: dict[str, list[str]] = {}
    for difference in differences:
        ids_of.setdefault(difference.collection, []).append(difference.id)
    for name, ids in ids_of.items():
        for start in range(0, len(ids), _AT_ONCE):
            _mend(mirror, name, ids[start : start + _AT_ONCE])


def _mend(mirror: Mirror, name: str, ids: list[str]) -> None:
    destination: Destination = mirror.destination
    for _ in range(_TRIES):
        after = mirror.after
        rows: Mapping[str, object] = (
            theirs := mirror.fetched(name, [row_id for row_id in ids if _is_id(row_id)])
        )
        gone = [row_id for row_id in ids if row_id not in rows]
        changes = TableChanges(mirror.tables[name], list(theirs.values()), gone)
        # What the feed has told meanwhile is newer than what was fetched.
        if destination.write([changes], {}, Fence(AFTER, after)):
            return
    raise AlmonerError(
        "Another process writes into this copy all the while. End it, and repair then."
    )
