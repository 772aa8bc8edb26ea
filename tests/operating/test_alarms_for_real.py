"""The alarms, by a real Prometheus that looks at real processes: what is broken on purpose sets off its alarm, and nothing
does before. Only times and numbers are smaller than in the rules as they are."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest

from almoner.access import clients, environments, keys
from almoner.access.key_file import KeySource
from almoner.notifications import subscriptions
from almoner.notifications.subscription_terms import Rules
from almoner.resources import BY_NAME
from almoner.settings import Settings
from almoner.workshop import kiwi_health
from tests import debian
from tests.conftest import METRICS_TOKEN, free_port
from tests.operating.test_watching import RULES
from tests.operations.conftest import PATIENT, Process, until_true
from tests.plain_http import PlainHttp
from tests.programs import published

pytestmark = pytest.mark.slow

SECONDS: Final = 120.0
_ALARMS: Final = {"AlmonerDown", "AlmonerSubscriberBehind", "AlmonerSignInsRefused"}
_CONFIGURATION: Final = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: almoner
    authorization: {{credentials: {token}}}
    scrape_interval: 5s
    scrape_timeout: 5s
    static_configs: [{{targets: ["127.0.0.1:{server}"]}}]
  - job_name: almoner-worker
    static_configs: [{{targets: ["127.0.0.1:{worker}"]}}]
"""


def hurried(rules: str) -> str:
    """The rules, with less patience."""
    for before, limit, lower in (
        ("almoner_subscription_lag_seconds) > 300", "300", "2"),
        ('is refused"}[10m])) > 100', "100", "3"),
    ):
        assert before in rules, before
        rules = rules.replace(before, before.replace(limit, lower))
    return re.sub(r"for: \w+", "for: 1s", rules)


@contextmanager
def started(words: list[str], folder: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program beside the test, until the block ends."""
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(words, env=os.environ | environ, stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


async def test_what_is_broken_sets_off_its_alarm_and_nothing_before(
    own_dsn: str, tmp_path: Path
) -> None:
    program, promtool = debian.program("prometheus", "prometheus"), free_port()
    settings = Settings(home=tmp_path / "home", database_url=own_dsn, second_factor_for="none")
    settings.home.mkdir()
    token = await _clinic(own_dsn, settings)
    worker_port = free_port()
    place = {
        "ALMONER_DATABASE_URL": own_dsn,
        "ALMONER_HOME": str(settings.home),
        "ALMONER_ALLOW_PRIVATE_TARGETS": "1",
    }
    worker = [sys.executable, "-c", "from almoner.cli import main; main()", "worker"]
    with (
        Process(tmp_path, settings, ALMONER_ALLOW_PRIVATE_TARGETS="1") as server,
        started([*worker, "--metrics-port", str(worker_port)], tmp_path, **place) as working,
    ):
        (tmp_path / "rules.yml").write_text(hurried(RULES.read_text(encoding="utf-8")))
        (tmp_path / "prometheus.yml").write_text(
            _CONFIGURATION.format(token=METRICS_TOKEN, server=server.port, worker=worker_port)
        )
        words = [
            program,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'series'}",
            f"--web.listen-address=127.0.0.1:{promtool}",
        ]
        with started(words, tmp_path):
            async with (
                PlainHttp(base_url=f"http://127.0.0.1:{promtool}", timeout=30) as asked,
                PlainHttp(base_url=server.url, timeout=30) as caller,
            ):

                async def all_are_up() -> bool:
                    return await _ups(asked) == ["1", "1"]

                async def fires(name: str) -> bool:
                    return name in await _firing(asked)

                await until_true(all_are_up, "both processes are looked at", SECONDS)
                await _evaluated(asked)
                assert await _firing(asked) & _ALARMS == set()
                # A receiver that is away, somebody who guesses, and a worker that ends.
                headers = {"Authorization": f"Bearer {token}"}
                created = await caller.post("/v1/patients", json=PATIENT, headers=headers)
                assert created.status_code == 200, created.text
                await until_true(
                    lambda: fires("AlmonerSubscriberBehind"), "a subscriber is behind", SECONDS
                )
                assert "AlmonerDown" not in await _firing(asked)
                form = {
                    "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                    "assertion": "e30.e30.e30",
                }

                async def guesses() -> bool:
                    # The log tells of one a second.
                    await caller.post("/v1/token", data=form)
                    return await fires("AlmonerSignInsRefused")

                await until_true(guesses, "guesses are told of", SECONDS)
                working.kill()
                await until_true(lambda: fires("AlmonerDown"), "a worker has ended", SECONDS)


async def _clinic(dsn: str, settings: Settings) -> str:
    """An environment whose subscriber answers nobody; a token of its API."""
    connection = await asyncpg.connect(dsn)
    box = await keys.box(connection, KeySource("", settings.home))
    environment = await environments.create(connection, "clinic")
    await published(connection, environment, kiwi_health.source())
    client = await clients.create(
        connection, box, environment_id=environment, name="x", scope="all", shape="documented"
    )
    terms = {
        "name": "away",
        "notify_url": f"http://127.0.0.1:{free_port()}/told",
        "resources": ["patients"],
        "authentication": "bearer_jwt",
        "client_id": "almoner",
        "client_secret": "a secret of theirs",
    }
    await subscriptions.create(connection, box, environment, terms, Rules(BY_NAME, True))
    token = await clients.long_lived_token(connection, client.client_id)
    await connection.close()
    return token


async def _ups(asked: PlainHttp) -> list[str]:
    try:
        answer = await asked.get("/api/v1/query", params={"query": "up"})
    except httpx.TransportError:
        return []
    if answer.status_code != 200:
        return []
    return [series["value"][1] for series in answer.json()["data"]["result"]]


async def _evaluated(asked: PlainHttp) -> None:
    """Until every rule was looked at once more than now."""

    async def looked() -> set[str]:
        groups = (await asked.get("/api/v1/rules")).json()["data"]["groups"]
        return {group["lastEvaluation"] for group in groups}

    before = await looked()

    async def is_later() -> bool:
        return not before & await looked()

    for _ in range(2):
        await until_true(is_later, "the rules are looked at", SECONDS)
        await asyncio.sleep(0)


async def _firing(asked: PlainHttp) -> set[str]:
    alerts = (await asked.get("/api/v1/alerts")).json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
