"""The SQL by which a write stores what it answers with, under an idempotency key (decision 49)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# What is older than a day goes as others are stored, a few at a time.
_OUTDATED: Final = (
    "outdated AS (DELETE FROM idempotency_keys WHERE (environment_id, client_id, key) IN (SELECT"
    " environment_id, client_id, key FROM idempotency_keys WHERE environment_id = $1 AND stored_at"
    " < clock_timestamp() - interval '1 day' ORDER BY stored_at LIMIT 10 FOR UPDATE SKIP LOCKED))"
)
# Parameters: environment, client, key. What was answered to the request that came with the key.
ANSWERED: Final = (
    "SELECT request, row_id::text, body, patient, updated_at, before FROM idempotency_keys WHERE"
    " environment_id = $1 AND client_id = $2 AND key = $3"
)
# Parameters: environment, what was answered to a batch, the patients in it, the key's three.
STORE: Final = (
    f"WITH {_OUTDATED} INSERT INTO idempotency_keys (environment_id, client_id, key, request, body,"
    " patient) VALUES ($1, $4, $5, $6, $2, $3)"
)


def stored(ctes: Iterable[str], answer: str, first: int | None, before: str) -> str:
    """A statement of these CTEs that answers with ``answer``, a row's ``body``, ``patient`` and
    ``updated_at``; its parameters begin with the environment and the row's id.

    Where ``first`` is given, it stores that under a key, whose three parameters begin there.
    ``before``: the SQL of what the row's ``updated_at`` was."""
    if first is None:
        return f"WITH {', '.join(ctes)} {answer}"
    key = ", ".join(f"${first + n}::{kind}" for n, kind in enumerate(("uuid", "bytea", "bytea")))
    return (
        f"WITH {', '.join([*ctes, f'answer AS ({answer})', _OUTDATED])}, stored AS (INSERT INTO"
        " idempotency_keys (environment_id, client_id, key, request, row_id, body, patient,"
        f" updated_at, before) SELECT $1, {key}, $2, body, patient, updated_at, {before} FROM"
        " answer) SELECT * FROM answer"
    )
