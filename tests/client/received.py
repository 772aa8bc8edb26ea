"""A receiver of notifications and the worker that sends them, as processes that are killed, and what was handed
over.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn

from almoner.access import keys
from almoner.access.key_file import KeySource
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.notifications.notifier import Pace
from almoner.settings import Settings
from almoner.worker import work
from almoner_client import Client
from almoner_client.options import Options
from almoner_client.receiver import Handed, IssuedCredentials, Receiver
from tests.changes.writing import until_true
from tests.conftest import Api
from tests.killing import ENDED_SECONDS, KillablePlace
from tests.notifications.receiving import subscribe

ISSUED = IssuedCredentials("5d9e3f0a-6c9b-4f55-8f0a-0d1a6f6f1c11", "issued-to-the-server-alone")
COLLECTIONS = ("patients", "patient_tasks")
SETTINGS = "receiver.json"
# Others take over from a notifier that is killed within some seconds.
_PACE = Pace(look=0.05, touch=0.2, halt=2.0, lost=3.0, advance=1.0)
_PATIENCE = 5.0


def send(database_url: str, home: str) -> None:
    """What a worker's process does: it sends notifications, and more."""
    sys.stderr = sys.stdout = (Path(home) / "worker.log").open("a", buffering=1)
    settings = Settings(
        home=Path(home), database_url=database_url, coalesce_seconds=0.05, private_targets=True
    )
    asyncio.run(work(settings, pace=_PACE, patience=_PATIENCE))


def receive(_database_url: str, home: str) -> None:
    """What a receiver's process does: it notes each state that it is handed, once more where it is handed it
    again.
    """
    settings = json.loads((Path(home) / SETTINGS).read_text())
    notes = sqlite3.connect(settings["notes"], check_same_thread=False, isolation_level=None)

    def note(handed: Handed) -> None:
        notes.execute(
            "INSERT INTO states VALUES (?, ?, ?, ?)",
            (handed.resource, handed.id, handed.state, json.dumps(handed.row)),
        )

    # Longer than a server takes to start anew.
    options = Options(retries=100, longest_wait=0.2)
    with (
        Client(settings["api"], settings["client_id"], settings["secret"], options) as client,
        Receiver(client, settings["url"], ISSUED, note, Path(settings["file"])) as receiver,
    ):
        uvicorn.run(
            receiver.app,
            host="127.0.0.1",
            port=settings["port"],
            log_config=None,
            lifespan="off",
        )


class ReceivedStates:
    """What the receiver was handed; ``folder`` is its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self._notes = folder / "notes.db"
        self._file = folder / "receiver.db"
        self._port = port
        self._url = f"http://127.0.0.1:{port}"

    async def begin(self, place: KillablePlace, api: Api) -> None:
        """Subscribes, and says to the receiver's process who it is."""
        with sqlite3.connect(self._notes) as notes:
            notes.execute("PRAGMA journal_mode = WAL")
            notes.execute("CREATE TABLE states (resource, id, state, row)")
        notes.close()
        settings = {
            "api": str(api.base_url),
            "client_id": api.client_id,
            "secret": api.client_secret,
            "url": self._url,
            "port": self._port,
            "notes": str(self._notes),
            "file": str(self._file),
        }
        (place.home / SETTINGS).write_text(json.dumps(settings))

        async def begin(database: Database, _: Store) -> None:
            async with database.connection() as connection:
                box = await keys.box(connection, KeySource("", place.home))
            await subscribe(
                database,
                box,
                place.environment,
                f"{self._url}/notifications",
                resources=list(COLLECTIONS),
                client_id=ISSUED.client_id,
                client_secret=ISSUED.client_secret,
                audience=f"{self._url}/token",
            )

        await place.with_database(begin)

    async def has_all(self, api: Api, since: str) -> None:
        """Waits until each row that was changed since then was handed over as it is now, and where nothing is
        left out, none that is gone without that being said.
        """
        rows = [
            (name, row)
            for name in COLLECTIONS
            for row in await _rows(api, name)
            if row["updated_at"] > since
        ]

        async def is_there() -> bool:
            latest = self.latest()
            return all(latest.get((name, row["id"])) == row for name, row in rows)

        await until_true(is_there, "every row is handed over as it is", patience=ENDED_SECONDS)
        if not since:
            there = {(name, row["id"]) for name, row in rows}

            async def is_gone() -> bool:
                return there >= {key for key, row in self.latest().items() if row is not None}

            await until_true(is_gone, "what is gone is said to be", patience=ENDED_SECONDS)

    def latest(self) -> Mapping[tuple[str, str], Any]:
        """The last state of each row, None of one that is gone."""
        states = self._read("SELECT resource, id, row FROM states ORDER BY rowid")
        return {(resource, row_id): json.loads(row) for resource, row_id, row in states}

    def repeated(self) -> int:
        """How many states were handed over right after themselves. An earlier one may come again where a restored
        backup has lost what came behind it.
        """
        ((count,),) = self._read(
            "SELECT count(*) FROM (SELECT state, lag(state) OVER (PARTITION BY resource, id ORDER BY rowid) AS"
            " before FROM states) WHERE state = before"
        )
        return int(count)

    def disordered(self) -> int:
        """How many states came again behind others of their rows."""
        ((count,),) = self._read(
            "SELECT count(*) - count(DISTINCT resource || id || state) FROM states"
        )
        return int(count) - self.repeated()

    def _read(self, query: str) -> list[Any]:
        notes = sqlite3.connect(self._notes, timeout=30)
        try:
            return notes.execute(query).fetchall()
        finally:
            notes.close()


async def _rows(api: Api, name: str) -> list[Any]:
    rows: list[Any] = []
    asked: Any = {"page[size]": 1000}
    while asked:
        page = (await api.get(f"/v1/{name}", params=asked)).json()[0]
        rows += page["data"]
        asked = page["meta"].get("next")
    return rows
