"""The composition root of the notifier: builds its parts from settings and runs it, alone or beside a server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from almoner.access import keys
from almoner.database import Database
from almoner.notifications.authentication import Authenticator
from almoner.notifications.delivery import Courier
from almoner.notifications.http import PATIENCE, HttpClient, trusting
from almoner.notifications.notifier import Notifier, NotifierTerms, Pace
from almoner.operations import logs
from almoner.settings import Settings

# Connections of a notifier: its sign of life and its look at the log each find one, whatever the deliveries use.
_CONNECTIONS = 6


@asynccontextmanager
async def notifying(
    settings: Settings,
    counted: Callable[[bool], None] = lambda well: None,
    pace: Pace | None = None,
    patience: float = PATIENCE,
) -> AsyncIterator[Notifier]:
    """A notifier that runs until the block ends, with database connections of its own, so that requests never hold it up.

    ``counted`` is told of every attempt whether it went well; a receiver has ``patience`` seconds to answer. Raises OSError or
    asyncpg.PostgresError where the database cannot be reached, SettingError where the key or the certificates cannot be read.
    """
    trusted = trusting(settings.ca_file)
    database = await Database.connect(settings.database_url, _CONNECTIONS)
    try:
        async with database.connection() as connection:
            box = await keys.box(connection, settings.key_source)
    except BaseException:
        await database.close()
        raise
    client = HttpClient(settings.private_targets, patience, trusted)
    terms = NotifierTerms(settings.url, settings.coalesce_seconds, settings.delivery_days)
    notifier = Notifier(database, Courier(client, Authenticator(box, client)), terms, counted, pace)
    stop = asyncio.Event()
    running = asyncio.create_task(notifier.run(stop))
    try:
        yield notifier
    finally:
        stop.set()
        try:
            await running
        finally:
            await client.close()
            await database.close()


async def work(
    settings: Settings,
    counted: Callable[[bool], None] = lambda well: None,
    begun: Callable[[], None] = lambda: None,
    pace: Pace | None = None,
    patience: float = PATIENCE,
) -> None:
    """Notifies until the process is asked to stop (SIGTERM, SIGINT). ``begun`` is called once it can be."""
    logs.configure(settings.log_format)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    async with notifying(settings, counted, pace, patience):
        begun()
        await asked.wait()
