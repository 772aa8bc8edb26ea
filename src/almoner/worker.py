"""The composition root of what works by itself: builds notifier and runner from settings, alone or
beside a server.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from almoner.access import keys
from almoner.access.audit import ReadAudit
from almoner.chains import seal
from almoner.data_api.store import Store
from almoner.database import Database
from almoner.erasure import clear
from almoner.figures.follower import FigureFollower
from almoner.imports.handler import ImportHandler
from almoner.integrations import Integration, jobs, schedules
from almoner.integrations.handler import IntegrationHandler, IntegrationParts
from almoner.integrations.installed import installed
from almoner.notifications.authentication import Authenticator
from almoner.notifications.delivery import Courier
from almoner.notifications.notifier import Notifier, NotifierTerms, Pace
from almoner.operations import logs
from almoner.operations.metrics import Metrics
from almoner.operations.systemd import Systemd
from almoner.outbound.http import PATIENCE, HttpClient, trusting
from almoner.portal.bulk_messages.handler import BulkMessageHandler
from almoner.processes.handler import ProcessHandler
from almoner.processes.reader import EventReader
from almoner.processes.webhooks import WebhookCaller
from almoner.resources import BY_NAME, RESOURCES
from almoner.retention import months
from almoner.settings import Settings
from almoner.work.pace import RunnerPace
from almoner.work.step import Handler
from almoner.workshop.programs import PublishedPrograms

# Connections of a notifier: its sign of life and its look at the log each find one, whatever the
# deliveries use.
_CONNECTIONS = 6
# Those of a runner: as many tasks write at once, and a few look around.
_WORK_CONNECTIONS = 12


@asynccontextmanager
async def notifying(
    settings: Settings,
    metrics: Metrics | None = None,
    pace: Pace | None = None,
    patience: float = PATIENCE,
) -> AsyncIterator[Notifier]:
    """A notifier that runs until the block ends, with database connections of its own, so that
    requests never hold it up.

    ``metrics`` counts every attempt, and knows receivers' certificates; a receiver has ``patience``
    seconds to answer. Raises OSError or asyncpg.PostgresError where the database cannot be reached,
    SettingError where the key or the certificates cannot be read."""
    trusted = trusting(settings.ca_file)
    database = await Database.connect(settings.database_url, _CONNECTIONS)
    try:
        async with database.connection() as connection:
            box = await keys.box(connection, settings.key_source)
    except BaseException:
        await database.close()
        raise
    metrics = metrics or Metrics()
    client = HttpClient(settings.private_targets, patience, trusted, metrics.certified)
    terms = NotifierTerms(settings.url, settings.coalesce_seconds, settings.delivery_days)
    notifier = Notifier(
        database, Courier(client, Authenticator(box, client)), terms, metrics.notified, pace
    )
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


@asynccontextmanager
async def working(
    settings: Settings,
    metrics: Metrics | None = None,
    pace: RunnerPace | None = None,
    integrations: Mapping[str, Integration] | None = None,
) -> AsyncIterator[None]:
    """A runner that does the tasks of the installed integrations, and acts on what sets processes
    off, until the block ends, with connections of its own.

    ``metrics`` counts every try. Raises what ``notifying`` does.
    """
    # The library that wakes it takes 20 MiB, which a process that does no work need not have.
    from almoner.integrations import hl7_listener
    from almoner.work.runner import Runner

    trusted = trusting(settings.ca_file)
    database = await Database.connect(settings.database_url, _WORK_CONNECTIONS)
    audit = ReadAudit(database)
    metrics = metrics or Metrics()
    client = HttpClient(settings.private_targets, trusted=trusted, certified=metrics.certified)
    try:
        await database.agree_on_zones()
        async with database.connection() as connection:
            await connection.execute("SELECT almoner_epoch()")
            box = await keys.box(connection, settings.key_source)
        store = Store(database, programs := PublishedPrograms(database), RESOURCES)
        parts = IntegrationParts(
            database=database, store=store, resources=BY_NAME, audit=audit, box=box, client=client
        )
        known = installed() if integrations is None else integrations
        handlers: dict[str, Handler] = {
            name: IntegrationHandler(integration, parts) for name, integration in known.items()
        } | _own_handlers(parts, programs)
        stop = asyncio.Event()
        tasks = jobs.tasks_of(BY_NAME)
        running = (
            Runner(database, handlers, pace, metrics.tried, settings.task_days).run(stop),
            schedules.keep_beginning(database, store, tasks, known, stop=stop),
            hl7_listener.keep_listening(database, store, tasks, box, known=known, stop=stop),
            EventReader(database).run(stop),
            FigureFollower(database).run(stop),
            clear.keep_clearing(database, stop),
            seal.keep_sealing(database, stop),
            months.keep_adding(database, stop),
        )
        loops = [asyncio.create_task(each) for each in running]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*loops)
    finally:
        await client.close()
        await audit.aclose()
        await database.close()


def _own_handlers(parts: IntegrationParts, programs: PublishedPrograms) -> dict[str, Handler]:
    """Those of the house, by their queues: of processes, imports and messages to many."""
    database, store, box = parts.database, parts.store, parts.box
    handlers: tuple[Handler, ...] = (
        ProcessHandler(database, store, caller=WebhookCaller(database, box, parts.client)),
        ImportHandler(database, store, box),
        BulkMessageHandler(database, store, programs),
    )
    return {handler.queue: handler for handler in handlers}


async def work(
    settings: Settings,
    metrics: Metrics | None = None,
    begun: Callable[[], None] = lambda: None,
    pace: Pace | None = None,
    patience: float = PATIENCE,
) -> None:
    """Notifies and works until the process is asked to stop (SIGTERM, SIGINT). ``begun`` is called
    once it can be.
    """
    metrics = metrics or Metrics()
    logs.configure(settings.log_format, counted=metrics.logged)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    systemd = Systemd()
    async with notifying(settings, metrics, pace, patience), working(settings, metrics):
        systemd.ready()
        begun()
        while not asked.is_set():
            systemd.alive()
            with suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), systemd.seconds or None)
        systemd.stopping()
