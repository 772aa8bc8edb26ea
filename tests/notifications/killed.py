"""Notifiers in processes of their own, which are killed (SIGKILL) and replaced again and again."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from pathlib import Path
from typing import Any

from almoner.settings import Settings
from almoner.worker import work
from tests.notifications.receiving import HURRIED

# A fork server that has imported everything starts a notifier in no time, so that there is time to
# kill many.
_PROCESSES = multiprocessing.get_context("forkserver")


def notify(database_url: str, home: str, url: str, patience: float) -> None:
    """What such a process does."""
    settings = Settings(
        home=Path(home),
        database_url=database_url,
        public_url=url,
        coalesce_seconds=0.05,
        private_targets=True,
        log_format="json",
    )
    asyncio.run(work(settings, pace=HURRIED, patience=patience))


class Killed:
    """Two notifiers; about every second one of them is killed and another one started. ``kills``
    counts.
    """

    def __init__(self, settings: Settings, patience: float) -> None:
        _PROCESSES.set_forkserver_preload([__name__])
        self.kills = 0
        self._arguments = (settings.database_url, str(settings.home), settings.url, patience)
        self._chance = random.Random(1)
        self._living = [self._start(), self._start()]
        self._killing = asyncio.create_task(self._kill())

    async def close(self) -> None:
        """Ends them."""
        self._killing.cancel()
        await asyncio.gather(self._killing, return_exceptions=True)
        for process in self._living:
            process.kill()
            process.join()

    def _start(self) -> Any:
        process = _PROCESSES.Process(target=notify, args=self._arguments, daemon=True)
        process.start()
        return process

    async def _kill(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(0.5, 1.5))
            victim = self._living.pop(self._chance.randrange(len(self._living)))
            assert victim.is_alive(), "a notifier ended by itself"
            victim.kill()
            victim.join()
            self.kills += 1
            self._living.append(self._start())
