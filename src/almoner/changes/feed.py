"""The change feed: every change of an environment, once, in an order that never grows behind a reader (design, idea 2)."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from typing import Any

from almoner.database import Connection
from almoner.errors import parse_problem
from almoner.kinds import Problems
from almoner.times import iso

_CURSOR = struct.Struct(">BIQQ")
_VERSION = 1
LARGEST = 1000
DEFAULT = 100


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the change log. Transaction ids compare within an epoch only, so the epoch comes first."""

    epoch: int = 0
    xid: int = 0
    seq: int = 0

    def cursor(self) -> str:
        """The position as callers keep it: opaque, fit for a URL."""
        packed = _CURSOR.pack(_VERSION, self.epoch, self.xid, self.seq)
        return base64.urlsafe_b64encode(packed + _check(packed)).decode().rstrip("=")


BEGINNING = Position()


def _check(packed: bytes) -> bytes:
    return binascii.crc32(packed).to_bytes(4)[1:]


def position(cursor: str, path: str, problems: Problems) -> Position:
    """The position that a cursor stands for; a problem is added where it is none."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, epoch, xid, seq = _CURSOR.unpack(packed[:-3])
        if version != _VERSION:
            raise ValueError
        read = Position(epoch, xid, seq)
        # There is one spelling of a position; what else decodes to it, such as needless padding, was never given out.
        if epoch >= 2**31 or max(xid, seq) >= 2**63 or read.cursor() != cursor:
            raise ValueError
        return read
    except (ValueError, struct.error, binascii.Error):
        problems.append(parse_problem("cursor", path, "use the cursor of an earlier answer as it stands, or leave it out"))
        return BEGINNING


@dataclass(frozen=True, slots=True)
class Change:
    """One settled change of one row."""

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

    def shown(self) -> dict[str, Any]:
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


_HORIZON = "SELECT epoch, xid FROM almoner_horizon()"
_SETTLED = """
SELECT epoch, xid, seq, kind, resource, row_id::text AS row_id, patient_id::text AS patient_id,
  changed_at, actor, through, request_id, fields
FROM changes
WHERE environment_id = $1 AND (epoch, xid, seq) > ($2, $3, $4) AND (epoch, xid) < ($5, $6)
ORDER BY epoch, xid, seq
LIMIT $7
"""


async def horizon(connection: Connection) -> Position:
    """The position below which all is settled.

    Read it in a statement before the one that reads the changes: what is settled at the horizon is visible to every later
    snapshot.
    """
    epoch, xid = await connection.fetchrow(_HORIZON)
    return Position(epoch, xid)


async def read(connection: Connection, environment_id: int, after: Position, limit: int) -> tuple[list[Change], bool]:
    """The settled changes behind ``after``, in order, and whether more follow."""
    settled = await horizon(connection)
    records = await connection.fetch(
        _SETTLED,
        environment_id,
        after.epoch,
        after.xid,
        after.seq,
        settled.epoch,
        settled.xid,
        limit + 1,
    )
    changes = [_change(record) for record in records[:limit]]
    return changes, len(records) > limit


def _change(record: Any) -> Change:
    told = dict(record)
    position = Position(told.pop("epoch"), told.pop("xid"), told.pop("seq"))
    return Change(position=position, **told)
