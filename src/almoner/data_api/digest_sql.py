"""The SQL that counts rows and sums up their hashes (decision 51)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from almoner.data_api.declare import Filter, Resource
from almoner.data_api.statements import conditions, patient_of, rendered
from almoner.vocabulary.fields import Shape


@dataclass(frozen=True, slots=True)
class DigestOf:
    """What the statements here are about. Their parameters: environment; where it is ``spanned``,
    both ends of ``updated_at``; where it is ``prefixed``, both ends of the ids; the values of the
    filters.

    A bound that holds all is left out: a plan that is made for any bounds expects few rows between
    them, and reads them one by one, in one process.
    """

    resource: Resource
    shape: Shape
    by_json: bool
    filters: tuple[Filter, ...]
    spanned: bool
    prefixed: bool

    @property
    def hashed(self) -> str:
        """The first eight bytes of a SHA-256 as a number; PostgreSQL has them with a sign, which
        makes no difference to a sum modulo 2**64.
        """
        hashed = (
            f"convert_to({rendered(self.resource, self.shape, self.resource.name)}::text, 'UTF8')"
            if self.by_json
            else "uuid_send(id) || timestamptz_send(updated_at)"
        )
        return f"('x' || encode(substr(sha256({hashed}), 1, 8), 'hex'))::bit(64)::bigint"

    @property
    def rows(self) -> str:
        """From where, and which."""
        parts = ["environment_id = $1"]
        for column, kind, bounded in (
            ("updated_at", "timestamptz", self.spanned),
            ("id", "uuid", self.prefixed),
        ):
            if bounded:
                first = 2 * len(parts)
                parts.append(f"{column} >= ${first}::{kind} AND {column} <= ${first + 1}::{kind}")
        parts += conditions(self.filters, 2 * len(parts))
        return f"FROM {self.resource.name} WHERE {' AND '.join(parts)}"


@cache
def total(of: DigestOf) -> str:
    """How many rows there are, and the sum of their hashes."""
    return f"SELECT count(*), coalesce(sum({of.hashed}), 0) {of.rows}"


@cache
def ends(of: DigestOf) -> str:
    """The first and the last of the ids, null where there is no row."""
    first = f"SELECT id {of.rows} ORDER BY id"
    return f"SELECT ({first} LIMIT 1)::text, ({first} DESC LIMIT 1)::text"


@cache
def children(of: DigestOf, octets: int) -> str:
    """The same as ``total`` for each beginning of so many bytes that ids have, in order."""
    beginning = f"substr(uuid_send(id), 1, {octets}) AS beginning"
    return (
        f"SELECT encode(beginning, 'hex'), count, sum FROM (SELECT {beginning}, count(*),"
        f" sum({of.hashed}) {of.rows} GROUP BY 1) AS parts ORDER BY beginning"
    )


@cache
def rows(of: DigestOf) -> str:
    """The hash of each row, and whom it is about, in the order of the ids."""
    patient = patient_of(of.resource, of.resource.name)
    return f"SELECT id::text, {of.hashed}, {patient} {of.rows} ORDER BY id"
