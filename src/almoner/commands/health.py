"""What the overview of the administration says of the installation: what ``almoner doctor`` looks
at of what serves, read from the database and the store of backups.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from almoner.backups.sealing import BackupError
from almoner.commands import alarms, backed_up, doctor
from almoner.commands.backup import folder_at
from almoner.commands.session import called
from almoner.database import Connection, Database
from almoner.errors import SettingError
from almoner.pages.health_looks import HealthLook
from almoner.settings import Settings

# A look is as good as new for so long, in seconds: stores of backups are listed for it.
_FRESH: Final = 20.0
# How long a store of backups is waited for, in seconds.
_PATIENCE: Final = 3.0
# A worker process shows itself every few seconds.
_SILENT: Final = timedelta(minutes=2)
_SERVER: Final = """
SELECT current_setting('server_version'), pg_postmaster_start_time(),
  current_setting('max_connections')::int - (SELECT count(*)::int FROM pg_stat_activity)
"""
_LAST_SIGN: Final = "SELECT max(seen_at) FROM notifiers"
# By what the doctor looks at.
_ALARMS: Final = {alarm.looked_at: alarm for alarm in alarms.ALARMS}


class InstallationHealth:
    """Looks at the installation, at most every twenty seconds; whoever asks meanwhile is told the
    same.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._looks: tuple[HealthLook, ...] = ()
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def __call__(self) -> Sequence[HealthLook]:
        """Raises UnavailableError where the database cannot be reached."""
        async with self._lock:
            if time.monotonic() - self._looked_at > _FRESH:
                backups = await self._backups()
                async with self._database.connection() as connection:
                    inside = await _inside(connection)
                self._looks, self._looked_at = (*inside, backups), time.monotonic()
        return self._looks

    async def _backups(self) -> HealthLook:
        title, place = "Backups", self._settings.backup_dir
        if not place:
            return HealthLook(
                title=title,
                well=False,
                words="Almoner makes none here.",
                mend="Set ALMONER_BACKUP_DIR and run almoner backup create every night, or be sure"
                " that the database is backed up in another way.",
            )
        make = f"Run: {called()} backup create"
        try:
            reading = asyncio.to_thread(lambda: folder_at(place, self._settings).backups())
            backups = await asyncio.wait_for(reading, _PATIENCE)
        except (BackupError, SettingError, OSError) as error:
            return HealthLook(title=title, well=False, words=str(error), mend=make)
        except TimeoutError:
            words = "The store of backups does not answer."
            return HealthLook(title=title, well=False, words=words, mend="Is it reachable?")
        if not backups:
            words = "There is none yet."
            return HealthLook(title=title, well=False, words=words, mend=make)
        ended = backups[-1].ended_at
        is_new = datetime.now(UTC) - ended < backed_up.BACKUP_AGE
        return HealthLook(title=title, well=is_new, words="The newest ended", mend=make, at=ended)


async def _inside(connection: Connection) -> list[HealthLook]:
    looks = [await _server(connection), await _worker(connection)]
    async for finding in alarms.findings(connection):
        alarm = _ALARMS[finding.looked_at]
        words = finding.seen[0].upper() + finding.seen[1:] + "."
        looks.append(
            HealthLook(
                title=alarm.title,
                well=finding.well,
                words=alarm.calm if finding.well else words,
                mend=finding.mend,
            )
        )
    finding = await doctor.closed(connection)
    if not finding.well:
        looks.append(
            HealthLook(title="Environments", well=False, words=finding.seen, mend=finding.mend)
        )
    return looks


async def _server(connection: Connection) -> HealthLook:
    version, started, room = await connection.fetchrow(_SERVER)
    return HealthLook(
        title="Database",
        well=room >= doctor.FEWEST_CONNECTIONS,
        words=f"PostgreSQL {version} answers, {room} connections are free; started",
        mend="Raise max_connections, or lower ALMONER_CONNECTIONS.",
        at=started,
    )


async def _worker(connection: Connection) -> HealthLook:
    title, seen_at = "Notifier and runner", await connection.fetchval(_LAST_SIGN)
    mend = f"Start one: {called()} worker. Until then nothing is sent and no task is done."
    if seen_at is None:
        return HealthLook(title=title, well=False, words="No worker process runs.", mend=mend)
    is_alive = datetime.now(UTC) - seen_at < _SILENT
    words = (
        "A worker process runs, seen" if is_alive else "No worker process runs; the last was seen"
    )
    return HealthLook(title=title, well=is_alive, words=words, mend=mend, at=seen_at)
