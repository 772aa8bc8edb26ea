"""``almoner worker`` and ``almoner serve --with-worker`` as a deployment runs them, at their usual
pace.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from almoner.access.key_file import KeySource
from almoner.access.secrets import SecretBox
from almoner.database import Database
from almoner.notifications.notifier import Pace
from tests.changes.writing import insert, until_true
from tests.conftest import METRICS_TOKEN, free_port
from tests.notifications.receiving import Receiver, new_subscription, subscribe
from tests.plain_http import PlainHttp


class Processes:
    """Starts commands on the database of the test, and ends them with it."""

    def __init__(self, dsn: str, home: Path) -> None:
        self.port = free_port()
        unset = ("ALMONER_", "OTEL_", "PG", "PROMETHEUS_")
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith(unset)} | {
            "ALMONER_DATABASE_URL": dsn,
            "ALMONER_HOME": str(home),
            "ALMONER_PORT": str(self.port),
            "ALMONER_ALLOW_PRIVATE_TARGETS": "1",
            "ALMONER_COALESCE_SECONDS": "0.1",
            "ALMONER_METRICS_TOKEN": METRICS_TOKEN,
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        almoner = str(Path(sys.executable).with_name("almoner"))
        process = subprocess.Popen(
            [almoner, *arguments], env=self._environ, stdin=subprocess.DEVNULL
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait(60)


@pytest.fixture
async def processes(own_dsn: str, tmp_path: Path) -> AsyncIterator[Processes]:
    started = Processes(own_dsn, tmp_path)
    yield started
    started.end()


@pytest.fixture
def key(tmp_path: Path) -> SecretBox:
    """Seals with the key of the processes."""
    return SecretBox(*KeySource("", tmp_path).first())


async def served_by_another_than(
    database: Database, subscription: Any, notifier_id: str | None
) -> str:
    """The id of the notifier that serves a subscription, once that is another one."""
    addresses: list[str] = []

    async def served() -> bool:
        serving = (await new_subscription(database, subscription)).notifier_id
        addresses[:] = [serving] if serving is not None else []
        return serving not in (None, notifier_id)

    await until_true(served, "a notifier serves the subscription")
    return addresses[0]


async def write(database: Database, environment: int) -> None:
    async with database.connection() as connection:
        await insert(connection, environment)


# It waits for as long as a notifier may be silent; test_notifier.py shows the same with notifiers in
# a hurry.
@pytest.mark.slow
async def test_a_worker_that_is_killed_is_replaced_by_another_within_ten_seconds(
    own: Database, tenant: int, key: SecretBox, receiver: Receiver, processes: Processes
) -> None:
    subscription = await subscribe(own, key, tenant, receiver.url())
    first = processes.start("worker")
    serving = await served_by_another_than(own, subscription, None)
    second = processes.start("worker")

    async def two() -> bool:
        async with own.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) = 2 FROM notifiers"))

    await until_true(two, "the second worker is there")
    first.send_signal(signal.SIGKILL)
    await write(own, tenant)
    await receiver.got(1)
    # When a notifier counts as gone, and how often the others look.
    assert Pace().lost + Pace().touch + Pace().look < 10
    assert (await new_subscription(own, subscription)).notifier_id != serving
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert (await new_subscription(own, subscription)).notifier_id is None


@pytest.mark.slow
async def test_a_server_with_a_worker_notifies_and_tells_of_it_in_its_metrics(
    own: Database, tenant: int, key: SecretBox, receiver: Receiver, processes: Processes
) -> None:
    subscription = await subscribe(own, key, tenant, receiver.url(), name="the bridge")
    resting = await subscribe(own, key, tenant, receiver.url("paused"), name="at rest", paused=True)
    await write(own, tenant)
    processes.start("serve", "--with-worker")
    await receiver.got(1)

    async def noted() -> bool:
        return (await new_subscription(own, subscription)).position > subscription.position

    await until_true(noted, "the position moves")
    async with PlainHttp() as http:
        collector = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        at, answers = f"http://127.0.0.1:{processes.port}/metrics", []

        async def answered() -> bool:
            with contextlib.suppress(httpx.ConnectError):
                answers.append(await http.get(at, headers=collector))
            return bool(answers)

        # It notifies before it listens.
        await until_true(answered, "the server listens")
        lines = answers[0].text.splitlines()
    metrics = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }
    assert metrics['almoner_notifications_total{outcome="delivered"}'] == 1
    lags = {
        name: value
        for name, value in metrics.items()
        if name.startswith("almoner_subscription_lag_seconds")
    }
    assert [value for name, value in lags.items() if f'"{subscription.id}"' in name] == [0]
    assert all(value > 0 for name, value in lags.items() if f'"{resting.id}"' in name)
    assert len(lags) == 2
    assert not [line for line in lines if "the bridge" in line or "at rest" in line], (
        "names are told to nobody"
    )
