"""The key of a database: which one its secrets are sealed with, and how another one takes its
place.

The id of the key is written down in the database, so that a process with another key is refused
before it seals or opens anything. Every box of a running system comes from here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from almoner.access.key_file import KeySource
from almoner.access.secrets import KEY_BYTES, SealError, SecretBox, key_id, sealed_with
from almoner.database import Connection
from almoner.errors import SettingError

_LOCK: Final = 4702650319
# Old secrets that are tried when a database has no key written down yet: some may have been sealed
# with a key that is lost.
_TRIED: Final = 20
_ID: Final = "SELECT id FROM secret_keys"
# Of processes that start at once, one writes it down.
_WRITE_DOWN: Final = "INSERT INTO secret_keys (id) VALUES ($1) ON CONFLICT (slot) DO NOTHING"
_REPLACE: Final = """
INSERT INTO secret_keys (id) VALUES ($1) ON CONFLICT (slot) DO UPDATE
    SET id = excluded.id, since = excluded.since
"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed secrets. ``owner`` is what each is sealed for, as an expression."""

    table: str
    column: str
    key: tuple[str, ...]
    owner: str

    def rows(self, limit: str = "") -> str:
        """The statement that reads what is sealed, for whom, and the key of its row; ``limit`` ends
        it.
        """
        key = ", ".join(self.key)
        return (
            f"SELECT {self.column}, {self.owner}, {key} FROM {self.table} WHERE {self.column} IS"
            f" NOT NULL {limit}"
        )

    @property
    def written(self) -> str:
        """The statement that writes $1 into the row whose key follows."""
        where = " AND ".join(f"{column} = ${number}" for number, column in enumerate(self.key, 2))
        return f"UPDATE {self.table} SET {self.column} = $1 WHERE {where}"


COLUMNS: Final = (
    Sealed("client_secrets", "sealed", ("environment_id", "client_id", "id"), "client_id::text"),
    Sealed("subscriptions", "sealed", ("environment_id", "id"), "id::text"),
    Sealed(
        "worker_accounts",
        "totp_sealed",
        ("environment_id", "worker_id"),
        "'second factor of ' || environment_id || '/' || worker_id",
    ),
    Sealed(
        "integrations",
        "hook_sealed",
        ("environment_id", "name"),
        "'integration ' || environment_id || '/' || name",
    ),
    Sealed(
        "integrations",
        "sealed",
        ("environment_id", "name"),
        "'integration ' || environment_id || '/' || name",
    ),
    Sealed(
        "process_hooks",
        "sealed",
        ("environment_id", "name"),
        "'process hook ' || environment_id || '/' || name",
    ),
    Sealed(
        "process_webhooks",
        "sealed",
        ("environment_id", "name"),
        "'process webhook ' || environment_id || '/' || name",
    ),
    *(
        Sealed("import_parts", column, ("environment_id", "import_id", "place"), "import_id::text")
        for column in ("sealed", "problems_sealed")
    ),
)


# What is done about secrets that no key opens any more, by table.
MENDS: Final = {
    "client_secrets": "Give those clients new secrets: almoner client rotate ID --revoke",
    "subscriptions": (
        "Give those subscriptions their client secret again, in the Workshop or by PUT"
        " /v1/subscriptions."
    ),
    "integrations": (
        "Give those integrations their secrets again: almoner integration set NAME SETTING=..."
    ),
    "process_webhooks": (
        "Give those webhooks new secrets, and whom they call: almoner process webhook NAME URL"
    ),
    "process_hooks": (
        "Give those hooks new secrets, and whoever calls them: almoner process hook NAME --way hmac"
    ),
    "import_parts": "Upload those files again, in Admin, Import",
    "worker_accounts": (
        "Take the second factor off those accounts: almoner worker reset EMAIL --second-factor"
    ),
}


@dataclass(frozen=True, slots=True)
class Resealed:
    """What came of sealing everything with one key: how many secrets it sealed now, and how many,
    by table, no key here opens.
    """

    key_id: str
    sealed: int
    lost: dict[str, int]


async def current_id(connection: Connection) -> str | None:
    """The id of the key of this database; None where none is written down yet."""
    current: str | None = await connection.fetchval(_ID)
    return current


async def box(connection: Connection, source: KeySource) -> SecretBox:
    """A box that seals with the key of this database, and opens with every key of the source.

    A database that has none yet takes the first of the source, which makes a key file where there
    is none, unless secrets are stored that it does not open. Raises SettingError where the keys of
    the source are others, saying what to do."""
    if await current_id(connection) is None:
        if not await _any(connection):
            source.first()
        await connection.execute(_WRITE_DOWN, (await look(connection, source)).key_id)
    return await look(connection, source)


async def look(connection: Connection, source: KeySource) -> SecretBox:
    """The same, and nothing is made or written down. Raises SettingError also where there is no key
    yet.
    """
    there, keys = await current_id(connection), source.read()
    if there is None:
        current = await _fitting(connection, keys)
    else:
        current = next((key for key in keys if key_id(key) == there), None)
    if current is None:
        raise _another(source, keys, there)
    return SecretBox(current, *keys, look_again=source.read)


async def rotate(connection: Connection, source: KeySource, lost: bool = False) -> Resealed:
    """Seals everything with a new key, in one transaction: the first of the setting, or one that is
    made and put into the file.

    The older ones still open. ``lost``: the key of this database is gone, and what it sealed stays
    closed for good. Raises SettingError where the key of this database is not at hand, or the
    setting holds no other one."""
    async with _alone(connection):
        return await _rotated(connection, source, lost)


async def _rotated(connection: Connection, source: KeySource, lost: bool) -> Resealed:
    if not lost:
        await box(connection, source)
    there, keys = await current_id(connection), source.read()
    if source.setting:
        if not lost and there == key_id(keys[0]):
            raise SettingError(
                "ALMONER_SECRET_KEY begins with the key that is in use. Put a new one before it,"
                ' with a blank between, for every process: export ALMONER_SECRET_KEY="$(openssl'
                ' rand -base64 32) $ALMONER_SECRET_KEY"'
            )
    elif not keys:
        source.first()
    elif there == key_id(keys[0]):
        # Written first: whatever ends this in between, no secret is sealed with a key that nobody
        # has, and the next run goes on.
        source.write((os.urandom(KEY_BYTES), *keys))
    keys = source.read()
    return await _reseal(connection, SecretBox(keys[0], *keys))


async def retire(connection: Connection, source: KeySource) -> Resealed:
    """Seals with the key of this database what was sealed with another one since, and takes the
    others out of the file.

    Of the setting, only its owner can take them out. Raises SettingError where the key of this
    database is not at hand."""
    async with _alone(connection):
        current = await box(connection, source)
        done = await _reseal(connection, current)
        if source.setting or done.lost:
            return done
        source.write([key for key in source.read() if key_id(key) == current.key_id])
        # What a process that was not started again has sealed until then: here the old keys are
        # still at hand.
        late = await _reseal(connection, current)
        return Resealed(done.key_id, done.sealed + late.sealed, late.lost)


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """One process at a time has another key take the place of one: each reads the file of keys, and
    writes what it found there.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def usage(connection: Connection) -> Counter[tuple[str, str | None]]:
    """How many secrets are stored, by table and id of the key; None where they do not say."""
    counts: Counter[tuple[str, str | None]] = Counter()
    for of in COLUMNS:
        counts.update((of.table, sealed_with(row[0])) for row in await connection.fetch(of.rows()))
    return counts


async def closed(connection: Connection, current: SecretBox) -> dict[str, int]:
    """How many stored secrets this box does not open, by table."""
    counts: Counter[str] = Counter()
    for of in COLUMNS:
        for sealed, owner, *_ in await connection.fetch(of.rows()):
            if _opened(current, sealed, owner) is None:
                counts[of.table] += 1
    return dict(counts)


async def _reseal(connection: Connection, by: SecretBox) -> Resealed:
    sealed, lost = 0, Counter[str]()
    async with connection.transaction():
        for of in COLUMNS:
            for old, owner, *key in await connection.fetch(of.rows("FOR UPDATE")):
                if sealed_with(old) == by.key_id:
                    continue
                plain = _opened(by, old, owner)
                if plain is None:
                    lost[of.table] += 1
                    continue
                await connection.execute(of.written, by.seal(plain, owner), *key)
                sealed += 1
        await connection.execute(_REPLACE, by.key_id)
    return Resealed(by.key_id, sealed, dict(lost))


async def _any(connection: Connection) -> bool:
    return any([await connection.fetchrow(of.rows("LIMIT 1")) for of in COLUMNS])


async def _fitting(connection: Connection, keys: tuple[bytes, ...]) -> bytes | None:
    """The first of these keys that opens something stored, or the first where nothing is."""
    stored = [row for of in COLUMNS for row in await connection.fetch(of.rows(f"LIMIT {_TRIED}"))]
    for key in keys:
        if not stored or any(
            _opened(SecretBox(key), sealed, owner) is not None for sealed, owner, *_ in stored
        ):
            return key
    return None


def _opened(by: SecretBox, sealed: bytes, owner: str) -> str | None:
    try:
        return by.open(sealed, owner)
    except SealError:
        return None


def _another(source: KeySource, keys: tuple[bytes, ...], there: str | None) -> SettingError:
    which = "with another key" if there is None else f"with the key {there}"
    contents = (
        f"{source.name} holds {' and '.join(map(key_id, keys))}"
        if keys
        else f"there is no key file {source.name}"
    )
    return SettingError(
        f"The secrets of this database are sealed {which}, and {contents}. Set ALMONER_HOME to the"
        " folder whose secret.key the other processes use, or ALMONER_SECRET_KEY to its key. If"
        " that key is lost: almoner key rotate --lost"
    )
