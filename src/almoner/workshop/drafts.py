"""Drafts: the program that designers work on, every save of it a revision that stays."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.merging.three_way import same
from almoner.vocabulary.names import full_name_sql
from almoner.workshop.compare import compare, summary
from almoner.workshop.design import ProgramDesign
from almoner.workshop.merge import MergeConflict, Merged, merge
from almoner.workshop.published_programs import design_of, encoded, newest_version

# The first half of the advisory lock of an environment's draft; its second half is the
# environment's id.
_LOCK: Final = 470265032
_EDITING_SECONDS: Final = 60
# Revisions and versions are 32-bit numbers to the database.
_HIGHEST: Final = 2**31 - 1


@dataclass(frozen=True)
class Revision:
    """One save of a draft, as it is listed. ``saved_at`` is in UTC."""

    revision: int
    saved_by: str
    saved_at: datetime
    summary: str


@dataclass(frozen=True)
class Draft:
    """A revision with what it holds.

    As long as nobody has saved a draft, ``revision`` is minus the number of the published version
    that work begins from, 0 where nothing is published; ``saved_at`` is None then. A design may
    have problems: it is a draft."""

    revision: int
    design: ProgramDesign
    saved_by: str = ""
    saved_at: datetime | None = None
    summary: str = ""


@dataclass(frozen=True)
class Saved:
    """What a save led to. ``merged_with`` are the saves of others that came between, the oldest
    first.

    ``is_new`` is false where the save changed nothing; no revision is made then.
    """

    draft: Draft
    merged_with: tuple[Revision, ...]
    is_new: bool

    @property
    def revision(self) -> int:
        return self.draft.revision


class Conflicted(Exception):  # noqa: N818  # it tells what happened
    """A save that changes what somebody else has changed meanwhile. Nothing was saved.

    ``current`` is the draft as it is; ``merge.resolve(merged, choices)`` gives what to save on top
    of it."""

    def __init__(self, merged: Merged, current: Draft) -> None:
        super().__init__(f"{len(merged.conflicts)} parts were changed by somebody else meanwhile")
        self.merged = merged
        self.current = current

    @property
    def conflicts(self) -> tuple[MergeConflict, ...]:
        return self.merged.conflicts


async def current(connection: Connection, environment_id: int) -> Draft:
    """The newest revision; the published program where nobody has saved a draft, an empty one where
    nothing is published.
    """
    row = await connection.fetchrow(
        "SELECT revision, definition, saved_by, saved_at, summary FROM program_drafts WHERE"
        " environment_id = $1 ORDER BY revision DESC LIMIT 1",
        environment_id,
    )
    if row is not None:
        return _draft(row)
    return await _published(
        connection, environment_id, await newest_version(connection, environment_id)
    )


async def at(connection: Connection, environment_id: int, revision: int) -> Draft:
    """A revision, or with a minus the published version of that number. Raises LookupError where
    there is none such.
    """
    if abs(revision) > _HIGHEST:
        raise LookupError(f"there is no revision {revision} of the draft")
    if revision <= 0:
        return await _published(connection, environment_id, -revision)
    row = await connection.fetchrow(
        "SELECT revision, definition, saved_by, saved_at, summary FROM program_drafts WHERE"
        " environment_id = $1 AND revision = $2",
        *(environment_id, revision),
    )
    if row is None:
        raise LookupError(f"there is no revision {revision} of the draft")
    return _draft(row)


async def history(
    connection: Connection, environment_id: int, limit: int = 100
) -> tuple[Revision, ...]:
    """The newest revisions, at most ``limit``, the newest first."""
    rows = await connection.fetch(
        "SELECT revision, saved_by, saved_at, summary FROM program_drafts WHERE environment_id = $1"
        " ORDER BY revision DESC LIMIT $2",
        *(environment_id, limit),
    )
    return tuple(Revision(*row) for row in rows)


async def save(
    connection: Connection, environment_id: int, base_revision: int, design: ProgramDesign, by: str
) -> Saved:
    """Saves a design that was made from the revision ``base_revision``, merged with what others
    have saved since.

    Raises Conflicted where they changed the same part; LookupError where there is no such revision.
    """
    async with connection.transaction():
        await hold(connection, environment_id)
        now = await current(connection, environment_id)
        base = (
            now
            if base_revision == now.revision
            else await at(connection, environment_id, base_revision)
        )
        # Out of the way of everybody else's pages: for large programs these take a while.
        merged = await asyncio.to_thread(merge, base.design, now.design, design)
        if merged.conflicts:
            raise Conflicted(merged, now)
        between = await _between(connection, environment_id, base_revision)
        if same(merged.design, now.design):
            return Saved(now, between, False)
        text = summary(await asyncio.to_thread(compare, now.design, merged.design))
        return Saved(
            await _insert(connection, environment_id, merged.design, by, text), between, True
        )


async def restore(connection: Connection, environment_id: int, version: int, by: str) -> Saved:
    """Makes a published version the draft, as a new revision. Raises LookupError where there is no
    such version.
    """
    design = await design_of(connection, environment_id, version)
    return await _replace(connection, environment_id, design, by, f"version {version} restored")


async def restore_save(
    connection: Connection, environment_id: int, revision: int, by: str
) -> Saved:
    """Makes an earlier save the draft again, as a new revision. Raises LookupError where there is
    no such revision.
    """
    earlier = await at(connection, environment_id, revision)
    return await _replace(
        connection, environment_id, earlier.design, by, f"revision {revision} restored"
    )


async def discard(connection: Connection, environment_id: int, by: str) -> Saved:
    """Makes the published program the draft again, as a new revision: what was saved stays in the
    history.
    """
    async with connection.transaction():
        # What is live is read behind the others who save, not before the wait for them.
        await hold(connection, environment_id)
        published = await _published(
            connection, environment_id, await newest_version(connection, environment_id)
        )
        return await _replace(connection, environment_id, published.design, by, "changes discarded")


async def differs(connection: Connection, environment_id: int, draft: Draft) -> bool:
    """Whether a draft holds something else than what is published."""
    if draft.revision <= 0:
        return False
    published = await _published(
        connection, environment_id, await newest_version(connection, environment_id)
    )
    return not same(published.design, draft.design)


async def editing(connection: Connection, environment_id: int, worker_id: str, part: str) -> None:
    """Notes that a worker has a part of the draft open; to be said again while that is so."""
    await connection.execute(
        "INSERT INTO draft_editors (environment_id, worker_id, part) VALUES ($1, $2, $3) ON"
        " CONFLICT (environment_id, worker_id) DO UPDATE SET part = excluded.part, seen_at ="
        " clock_timestamp()",
        *(environment_id, worker_id, part),
    )


async def others_editing(
    connection: Connection, environment_id: int, worker_id: str
) -> tuple[tuple[str, str], ...]:
    """Who else has which part of the draft open: their names and parts, of those of whom that was
    said within a minute.

    The latest comes first.
    """
    rows = await connection.fetch(
        f"SELECT {full_name_sql('w')}, e.part FROM draft_editors e JOIN"
        " workers w ON w.environment_id = e.environment_id AND w.id = e.worker_id WHERE"
        " e.environment_id = $1 AND e.worker_id <> $2 AND e.seen_at > clock_timestamp() - interval"
        f" '{_EDITING_SECONDS} seconds' ORDER BY e.seen_at DESC",
        *(environment_id, worker_id),
    )
    return tuple((name, part) for name, part in rows)


async def _replace(
    connection: Connection, environment_id: int, design: ProgramDesign, by: str, text: str
) -> Saved:
    async with connection.transaction():
        await hold(connection, environment_id)
        now = await current(connection, environment_id)
        if same(design, now.design):
            return Saved(now, (), False)
        return Saved(await _insert(connection, environment_id, design, by, text), (), True)


async def hold(connection: Connection, environment_id: int) -> None:
    """Keeps everybody else from saving or locking until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _LOCK, environment_id)


async def _between(
    connection: Connection, environment_id: int, base_revision: int
) -> tuple[Revision, ...]:
    rows = await connection.fetch(
        "SELECT revision, saved_by, saved_at, summary FROM program_drafts WHERE environment_id = $1"
        " AND revision > $2 ORDER BY revision",
        *(environment_id, base_revision),
    )
    return tuple(Revision(*row) for row in rows)


async def _insert(
    connection: Connection, environment_id: int, design: ProgramDesign, by: str, text: str
) -> Draft:
    row = await connection.fetchrow(
        "INSERT INTO program_drafts (environment_id, revision, definition, summary, saved_by)"
        " SELECT $1, 1 + coalesce(max(revision), 0), $2, $3, $4 FROM program_drafts WHERE"
        " environment_id = $1 RETURNING revision, saved_at",
        *(environment_id, encoded(design), text, by),
    )
    return Draft(row["revision"], design, by, row["saved_at"], text)


async def _published(connection: Connection, environment_id: int, version: int) -> Draft:
    if version:
        return Draft(-version, await design_of(connection, environment_id, version))
    name: str = await connection.fetchval(
        "SELECT name FROM environments WHERE id = $1", environment_id
    )
    return Draft(0, ProgramDesign(name=name))


def _draft(row: Mapping[str, Any]) -> Draft:
    return Draft(
        row["revision"],
        decoded_design(row["definition"]),
        row["saved_by"],
        row["saved_at"],
        row["summary"],
    )


# One request looks at a revision several times, and the next one at the same again.
@lru_cache(maxsize=8)
def decoded_design(definition: str) -> ProgramDesign:
    """The design that a revision holds as JSON."""
    return msgspec.json.decode(definition, type=ProgramDesign)
