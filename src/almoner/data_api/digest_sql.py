"""The SQL that counts rows and sums up their hashes (decision 51)."""

from __future__ import annotations

from functools import cache

from almoner.data_api.declare import Filter, Resource
from almoner.data_api.statements import conditions, patient_of, rendered
from almoner.vocabulary.fields import Shape

# Those of every statement here: environment, the span of ``updated_at`` and that of the ids, each
# with both ends, then the values of the filters.
_FIRST_FILTER = 6


def _hash(resource: Resource, shape: Shape, by_json: bool) -> str:
    """The first eight bytes of a SHA-256 as a number; PostgreSQL has them with a sign, which makes
    no difference to a sum modulo 2**64.
    """
    hashed = (
        f"convert_to({rendered(resource, shape, resource.name)}::text, 'UTF8')"
        if by_json
        else "uuid_send(id) || timestamptz_send(updated_at)"
    )
    return f"('x' || encode(substr(sha256({hashed}), 1, 8), 'hex'))::bit(64)::bigint"


def _where(resource: Resource, filters: tuple[Filter, ...]) -> str:
    parts = (
        "environment_id = $1",
        "updated_at >= $2::timestamptz",
        "updated_at <= $3::timestamptz",
        "id >= $4::uuid",
        "id <= $5::uuid",
        *conditions(filters, _FIRST_FILTER),
    )
    return f"FROM {resource.name} WHERE {' AND '.join(parts)}"


@cache
def total(resource: Resource, shape: Shape, by_json: bool, filters: tuple[Filter, ...]) -> str:
    """How many rows there are, and the sum of their hashes."""
    return (
        f"SELECT count(*), coalesce(sum({_hash(resource, shape, by_json)}), 0)"
        f" {_where(resource, filters)}"
    )


@cache
def ends(resource: Resource, filters: tuple[Filter, ...]) -> str:
    """The first and the last of the ids, null where there is no row."""
    first = f"SELECT id {_where(resource, filters)} ORDER BY id"
    return f"SELECT ({first} LIMIT 1)::text, ({first} DESC LIMIT 1)::text"


@cache
def children(
    resource: Resource, shape: Shape, by_json: bool, filters: tuple[Filter, ...], octets: int
) -> str:
    """The same as ``total`` for each beginning of so many bytes that ids have, in order."""
    beginning = f"substr(uuid_send(id), 1, {octets}) AS beginning"
    return (
        f"SELECT encode(beginning, 'hex'), count, sum FROM (SELECT {beginning}, count(*),"
        f" sum({_hash(resource, shape, by_json)}) {_where(resource, filters)} GROUP BY 1) AS parts"
        " ORDER BY beginning"
    )


@cache
def rows(resource: Resource, shape: Shape, by_json: bool, filters: tuple[Filter, ...]) -> str:
    """The hash of each row, and whom it is about, in the order of the ids."""
    return (
        f"SELECT id::text, {_hash(resource, shape, by_json)}, {patient_of(resource, resource.name)}"
        f" {_where(resource, filters)} ORDER BY id"
    )
