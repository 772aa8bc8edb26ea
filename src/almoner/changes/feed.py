"""The change feed: every change of an environment, once, in an order that never grows behind a
reader (design, idea 2).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from almoner.changes import cursors_before, epochs
from almoner.database import Connection
from almoner.errors import parse_problem, problem
from almoner.vocabulary import clocks
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import iso

LARGEST = 1000
DEFAULT = 100
# What one request looks through for the collections that it narrows to; where there is more, it is
# told to go on.
LOOKED_THROUGH: Final = 20_000
# The letter sorts behind that of every cursor of the notation before, and leaves letters for
# notations to come.
_CURSOR: Final = re.compile(r"c([0-9a-f]{8})([0-9a-f]{16})([0-9a-f]{16})([0-9a-f]{6})")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the change log. Transaction ids compare within an epoch only, so the epoch comes
    first.
    """

    epoch: int = 0
    xid: int = 0
    seq: int = 0

    def cursor(self) -> str:
        """The position as callers keep it: opaque, fit for a URL; as texts, cursors sort as their
        positions do.
        """
        return cursor_of(self.epoch, self.xid, self.seq)


BEGINNING = Position()
# Before every change.
ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ChangeMark:
    """Whatever is written in ``epoch`` under the transaction id ``xid`` or a later one is stamped
    later than ``at`` (decision 96).
    """

    epoch: int = 0
    xid: int = 0
    at: datetime = ALWAYS

    def since(self, after: Position, until: Position) -> datetime:
        """The beginning of a month before which none of the changes from one position to another
        was written: ``ALWAYS`` where the mark does not tell. A transaction from before it may write
        in a later epoch yet, so that it speaks of its own alone.
        """
        if not self.epoch == after.epoch == until.epoch or self.xid > after.xid:
            return ALWAYS
        # Parts are months, so that a later moment leaves out no more of them; and the database
        # may not know yet how many rows of its newest part are behind it.
        month = clocks.in_utc(self.at).replace(day=1)
        return month.replace(hour=0, minute=0, second=0, microsecond=0)


def behind(first: int) -> str:
    """The SQL for what is behind a position, whose numbers are parameters from this one on.

    The epoch is asked for apart, so that the database does not reckon with it: that hardly a row is
    of a later one tells it nothing of how many are behind, and it would sort the parts of the log
    rather than read each in order to where the page ends.
    """
    return f"(epoch, xid, seq) > ((SELECT ${first}::integer), ${first + 1}, ${first + 2})"


# The last mark at a position or before it, null without any; ``{epoch}`` and ``{xid}`` are the
# position's.
MARKED: Final = (
    "(SELECT ROW (m.epoch, m.xid, m.at) FROM change_marks m"
    " WHERE m.epoch = {epoch} AND m.xid <= {xid} ORDER BY m.xid DESC LIMIT 1)"
)


def cursor_of(epoch: int, xid: int, seq: int) -> str:
    """The cursor of a position."""
    text = f"c{epoch:08x}{xid:016x}{seq:016x}"
    return f"{text}{zlib.crc32(text.encode()) & 0xFFFFFF:06x}"


def position(cursor: str, path: str, problems: Problems) -> Position:
    """The position that a cursor stands for; a problem is added where it is none."""
    match = _CURSOR.fullmatch(cursor)
    numbers = (
        cursors_before.numbers(cursor)
        if match is None
        else tuple(int(part, 16) for part in match.groups()[:3])
    )
    if numbers is not None and numbers[0] < 2**31 and max(numbers[1:]) < 2**63:
        read = Position(*numbers)
        # There is one spelling of a position; what else reads as one was never given out.
        if match is None or read.cursor() == cursor:
            return read
    problems.append(
        parse_problem(
            "cursor", path, "use the cursor of an earlier answer as it stands, or leave it out"
        )
    )
    return BEGINNING


@dataclass(frozen=True, slots=True)
class FeedChange:
    """A change that ``/v1/changes`` announces: settled, so that none before it can still appear."""

    position: Position
    kind: str
    resource: str
    row_id: str
    patient_id: str | None
    changed_at: Any
    actor: str
    through: str
    request_id: str
    fields: list[str] | None

    def as_json(self) -> dict[str, Any]:
        """The change as the API shows it."""
        return {
            "resource": self.resource,
            "id": self.row_id,
            "kind": self.kind,
            "changed_at": iso(self.changed_at),
            "patient_id": self.patient_id,
            "fields": self.fields,
            "actor": self.actor,
            "through": self.through,
            "request_id": self.request_id,
            "cursor": self.position.cursor(),
        }


@dataclass(frozen=True, slots=True)
class Epoch:
    """The database goes on from an earlier state, or as another cluster: a dump was restored, a
    standby took over, or an environment moved in.

    ``survived_until``: the last change before that is still there; ``BEGINNING`` where none is.
    What a reader was told behind it and before ``position`` may be gone."""

    position: Position
    began_at: datetime
    survived_until: Position

    def as_json(self) -> dict[str, Any]:
        """The entry as the API shows it: of no row, and of no patient."""
        return {
            "resource": None,
            "id": None,
            "kind": "epoch",
            "changed_at": iso(self.began_at),
            "patient_id": None,
            "fields": None,
            "actor": "system",
            "through": "system",
            "request_id": "",
            "cursor": self.position.cursor(),
            "survived_until": self.survived_until.cursor(),
        }


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Entries in order; ``last`` is where to go on, ``more`` whether something is there already."""

    entries: list[FeedChange | Epoch]
    last: Position
    more: bool

    @property
    def changes(self) -> list[FeedChange]:
        """The entries that are about a row."""
        return [entry for entry in self.entries if isinstance(entry, FeedChange)]


_GONE: Final = (
    "Changes behind this cursor were removed, since they are older than this environment keeps"
    " them. Read every row anew, then go on from after=latest as it was before that."
)
_HORIZON = "SELECT epoch, xid FROM almoner_horizon()"
_MARKED = f"SELECT {MARKED.format(epoch='$1::integer', xid='$2::bigint')}"
_BEHIND = (
    f"environment_id = $1 AND {behind(2)} AND (epoch, xid, seq) <= ($5, $6, $7) AND changed_at > $8"
)
_SETTLED = f"""
SELECT epoch, xid, seq, kind, resource, row_id::text AS row_id, patient_id::text AS patient_id,
  changed_at, actor, through, request_id, fields
FROM changes
WHERE {_BEHIND} AND ($10::text[] IS NULL OR resource = ANY ($10))
ORDER BY epoch, xid, seq
LIMIT $9
"""
_FAR = (
    f"SELECT epoch, xid, seq FROM changes WHERE {_BEHIND} ORDER BY epoch, xid, seq OFFSET $9"
    " LIMIT 1"
)
# With the last change of an environment that went because it was old (null where none has), and the
# last mark before a position.
_IS_BEGUN = f"""
SELECT EXISTS (SELECT FROM epochs WHERE epoch = $1) AND NOT EXISTS (SELECT FROM epochs
  WHERE from_xid IS NULL AND epoch <= pg_sequence_last_value('almoner_stepped'::regclass)),
  (SELECT max(to_key) FROM retention_removals WHERE environment_id = $2 AND log = 'changes'),
  {MARKED.format(epoch="$3", xid="$4")}
"""
# An epoch is news to who was told of an earlier one, or whose environment has changes of an earlier
# one.
_EPOCHS = """
SELECT e.epoch, e.began_at, before.epoch AS before, before.xid, before.seq
FROM epochs e LEFT JOIN LATERAL (
  SELECT epoch, xid, seq FROM changes WHERE environment_id = $1 AND epoch < e.epoch
      ORDER BY epoch DESC, xid DESC, seq DESC LIMIT 1
) AS before ON true
WHERE e.epoch > $2 AND e.epoch <= $3 AND ($2 > 0 OR before.epoch IS NOT NULL)
ORDER BY e.epoch LIMIT $4
"""


async def horizon(connection: Connection) -> Position:
    """The position below which all is settled.

    Read it in a statement before the one that reads the changes: what is settled at the horizon is
    visible to every later snapshot."""
    epoch, xid = await connection.fetchrow(_HORIZON)
    return Position(epoch, xid)


async def end(connection: Connection) -> Position:
    """The horizon, in an epoch that has begun: a reader is told of a new one although nobody has
    written in it yet.
    """
    return (await _span(connection, 0, BEGINNING)).end


async def last_mark(connection: Connection, after: Position) -> ChangeMark:
    """The last mark at a position or before it; one that tells nothing where there is none. It
    stays true.
    """
    return ChangeMark(*await connection.fetchval(_MARKED, after.epoch, after.xid) or ())


@dataclass(frozen=True, slots=True)
class _Span:
    """What there is behind a position, up to ``end``. ``gone``: the last change that went because
    it was old, ``BEGINNING`` where none has. Nothing there was written at ``since`` or before.
    """

    end: Position
    gone: Position
    since: datetime


async def _span(connection: Connection, environment_id: int, after: Position) -> _Span:
    settled = await horizon(connection)
    is_begun, gone, marked = await connection.fetchrow(
        _IS_BEGUN, settled.epoch, environment_id, after.epoch, after.xid
    )
    if not is_begun:
        await epochs.begin(connection)
        settled = await horizon(connection)
    since = ChangeMark(*marked or ()).since(after, settled)
    return _Span(settled, Position(*gone or ()), since)


async def read(
    connection: Connection,
    environment_id: int,
    after: Position,
    limit: int,
    resources: Collection[str] | None = None,
) -> FeedPage:
    """The settled entries behind ``after``, in order. ``resources`` narrows to changes of these
    collections; None means all. Raises ApiError (410) where changes behind ``after`` are gone.
    """
    span = await _span(connection, environment_id, after)
    settled = span.end
    if BEGINNING < after < span.gone:
        raise problem("gone", _GONE)
    place = (environment_id, *_numbers(after))
    names = None if resources is None else list(resources)
    # Without a look ahead, a collection that hardly changes would have the whole log read for each
    # page.
    far = (
        None
        if names is None
        else await connection.fetchrow(
            _FAR, *place, *_numbers(settled), span.since, LOOKED_THROUGH - 1
        )
    )
    until = settled if far is None else Position(*far)
    records = await connection.fetch(
        _SETTLED, *place, *_numbers(until), span.since, limit + 1, names
    )
    begun: list[Any] = []
    if until.epoch > after.epoch:
        begun = await connection.fetch(_EPOCHS, environment_id, after.epoch, until.epoch, limit + 1)
    entries: list[FeedChange | Epoch] = sorted(
        [*map(_change, records), *map(_epoch, begun)], key=lambda entry: entry.position
    )
    if len(entries) > limit:
        return FeedPage(entries[:limit], entries[limit - 1].position, True)
    if names is not None:
        return FeedPage(entries, max(until, after), far is not None)
    return FeedPage(entries, entries[-1].position if entries else after, False)


def _numbers(place: Position) -> tuple[int, int, int]:
    return place.epoch, place.xid, place.seq


def _change(record: Any) -> FeedChange:
    values = dict(record)
    place = Position(values.pop("epoch"), values.pop("xid"), values.pop("seq"))
    return FeedChange(position=place, **values)


def _epoch(record: Any) -> Epoch:
    survived = (
        BEGINNING
        if record["before"] is None
        else Position(record["before"], record["xid"], record["seq"])
    )
    return Epoch(Position(record["epoch"]), record["began_at"], survived)
