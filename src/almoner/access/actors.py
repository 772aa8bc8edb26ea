"""Who did something, as people know them: the change log and the audit trail keep ids, since names
change.
"""

from __future__ import annotations

from typing import Final

from almoner.vocabulary.names import full_name_sql

# What a writer came through, as a sentence ends; the change log keeps the bare word.
THROUGH: Final = {
    "api": "through the API",
    "portal": "in the portal",
    "feed": "through a calendar feed",
    "cli": "on the command line",
    "demo": "by the demo",
    "import": "by an import",
    "integration": "by an integration",
    "process": "by a process",
    "undo": "in the portal, taking back what a process did",
}


def name_sql(actor: str) -> str:
    """The SQL expression for the name behind an ``actor``: of the worker or the client, else the
    actor itself.

    The environment is ``$1`` of the statement.
    """
    # The aliases are none that a statement uses itself: within, they would hide the table that
    # ``actor`` is of.
    return (
        f"coalesce(CASE WHEN {actor} LIKE 'worker:%' THEN (SELECT {full_name_sql('a_w')} FROM"
        f" workers a_w WHERE a_w.environment_id = $1 AND a_w.id = substr({actor}, 8)::uuid) WHEN"
        f" {actor} LIKE 'client:%' THEN (SELECT a_c.name FROM clients a_c WHERE a_c.environment_id"
        f" = $1 AND a_c.id = substr({actor}, 8)::uuid) WHEN {actor} LIKE 'process:%' THEN"
        f" substr({actor}, 9) WHEN {actor} LIKE 'integration:%' THEN substr({actor}, 13) END,"
        f" {actor})"
    )


def through(word: str) -> str:
    """Through what, as a sentence says it."""
    return THROUGH.get(word, f"through {word}")
