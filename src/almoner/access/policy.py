"""Who may do what, as one table that can be read aloud (clarification 23).

A scope is ``all``, or a collection and a right: ``patients.read``, ``messages.write``. What is no
collection has scopes of the same form: ``changes.read`` for the change feed, ``subscriptions.read``
and ``subscriptions.write``, ``program.read``. ``all`` covers everything."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Protocol

from almoner.errors import problem

ALL: Final = "all"
CHANGES: Final = "changes"
SUBSCRIPTIONS: Final = "subscriptions"
PROGRAM: Final = "program"

# Each verb, and the right to the collection that covers it.
COVERED_BY: Final[Mapping[str, str]] = {
    "get": "read",
    "find": "read",
    "follow changes": "read",
    "create": "write",
    "update": "write",
    "delete": "write",
}
RIGHTS: Final = ("read", "write")
# What is no collection, and the rights there are to it.
_BESIDES: Final[Mapping[str, tuple[str, ...]]] = {
    CHANGES: ("read",),
    SUBSCRIPTIONS: RIGHTS,
    PROGRAM: ("read",),
}


class Granted(Protocol):
    """What a token or a worker may do with a collection, whatever it was granted by."""

    def can_read(self, collection: str) -> bool: ...

    def can_write(self, collection: str) -> bool: ...


def allows(access: Granted, collection: str, write: bool) -> bool:
    """Whether the collection may be read, or written to."""
    return access.can_write(collection) if write else access.can_read(collection)


def sees(access: Granted, collection: str) -> bool:
    """Whether a Create or Update returns the row: a write-only scope gets nothing but the id
    (clarification 23).
    """
    return access.can_read(collection)


def with_right(scopes: Iterable[str], right: str) -> frozenset[str]:
    """The collections that scopes name with this right; ``all`` is not among them."""
    parted = (scope.rpartition(".") for scope in scopes)
    return frozenset(collection for collection, _, granted in parted if granted == right)


def parse(text: str, collections: Collection[str] | None = None) -> tuple[str, ...]:
    """The scopes of a string, each once, in its order. With ``collections``, no others may be
    named.

    Raises a 400 ``ApiError`` that names the one that does not exist and says which there are.
    """
    scopes = tuple(dict.fromkeys(text.split()))
    unknown = next((scope for scope in scopes if not _exists(scope, collections)), None)
    if unknown is not None:
        raise problem(
            "bad_request", f"There is no scope {_shortened(unknown)}. {expected(collections)}"
        )
    if not scopes:
        raise problem("bad_request", f"No scope is named. {expected(collections)}")
    return scopes


def known(text: str, collections: Collection[str] | None = None) -> tuple[str, ...]:
    """The scopes of a string that there are, each once, in its order; words that are none are left
    out (clarification 22).

    Raises a 400 ``ApiError`` that names the first of them where there is no other.
    """
    scopes = tuple(scope for scope in dict.fromkeys(text.split()) if _exists(scope, collections))
    return scopes or parse(text, collections)


def narrower(scopes: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that both cover; ``all`` covers each of the other."""
    if ALL in scopes:
        return other
    return scopes if ALL in other else tuple(scope for scope in scopes if scope in other)


def grantable(collections: Collection[str]) -> dict[str, tuple[str, ...]]:
    """What scopes name besides ``all``, with the rights there are to each: the collections by name,
    then what is none.
    """
    return {**dict.fromkeys(sorted(collections), RIGHTS), **_BESIDES}


def expected(collections: Collection[str] | None) -> str:
    """In words, what a scope may be."""
    known = "" if collections is None else f" The collections are {', '.join(sorted(collections))}."
    return (
        "A scope is all, or any of <collection>.read and <collection>.write, separated by spaces;"
        " changes.read is the change feed; subscriptions.read and subscriptions.write are what"
        f" notifications are sent for; program.read is the published program.{known}"
    )


def beyond(asked: Iterable[str], granted: Collection[str]) -> tuple[str, ...]:
    """What is asked for and was not granted."""
    return () if ALL in granted else tuple(scope for scope in asked if scope not in granted)


def _shortened(scope: str) -> str:
    """A word that is no scope, as an answer may repeat it: in the letters that scopes have, so that
    it fits wherever it is told.
    """
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-:") else "?" for c in scope[:60])


def _exists(scope: str, collections: Collection[str] | None) -> bool:
    if scope == ALL:
        return True
    collection, _, right = scope.rpartition(".")
    if collection in _BESIDES:
        return right in _BESIDES[collection]
    if right not in RIGHTS:
        return False
    if collections is None:
        return collection.isascii() and collection.replace("_", "").isalpha()
    return collection in collections
