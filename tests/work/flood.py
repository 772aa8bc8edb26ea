"""An integration with many items of which some are bad, in processes that are killed: workers that do it, and a
server by whose hook it is begun."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from almoner.integrations import Integration, IntegrationError, Task
from almoner.integrations.installed import GROUP
from tests import killing

# Of so many items one is bad.
BAD = 100


class FloodSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``mended``: no item is bad any more."""

    mended: bool = False


flood = Integration(
    name="flood",
    title="Flood",
    settings=FloodSettings,
    scopes=("patients.read", "patients.write", "external_ids.read", "external_ids.write"),
    concurrency=16,
)


@flood.task(attempts=1000)
async def run_flood(task: Task, count: int) -> None:
    numbers = await task.call(fetch, count)
    await task.call(process_response, numbers)


@flood.task(attempts=1000)
async def fetch(task: Task, count: int) -> list[int]:
    return list(range(count))


@flood.task(attempts=1000)
async def process_response(task: Task, numbers: list[int]) -> None:
    await task.each(process_item, numbers, lambda number: [f"item-{number}"])


@flood.task(attempts=1000)
async def process_item(task: Task, number: int) -> None:
    patient = {"first_name": "Grace", "birthday": "1906-12-09", "timezone": "UTC"}
    mapping: dict[str, Any] = {
        "resource": "patients",
        "namespace": "flood",
        "external_id": str(number),
    }
    there = await task.store.find("external_ids", **mapping)
    if there:
        # Each time another value, so that each time is a change.
        patient_id = there[0]["welkin_id"]
        await task.store.update("patients", patient_id, {"city": task.id})
        task.about(patient_id)
        return
    row = await task.store.create(
        "patients", patient | {"last_name": f"Number {number}", "phase": "intake"}
    )
    await task.store.create("external_ids", mapping | {"welkin_id": row["id"]})
    task.about(row["id"])
    if number % BAD == 0 and not task.settings.mended:
        raise IntegrationError("bad_item", "This item is bad.", number=number)


def work(database_url: str, home: str) -> None:
    """What a worker's process does: the flood alone."""
    killing.work(database_url, home, {flood.name: flood})


def serve(database_url: str, home: str, port: int) -> None:
    """What the server's process does; it finds the flood as it would a package that is installed."""
    package = Path(home) / "installed"
    (package / "flood-1.dist-info").mkdir(parents=True, exist_ok=True)
    (package / "flood-1.dist-info" / "METADATA").write_text("Name: flood\nVersion: 1\n")
    point = f"[{GROUP}]\nflood = {__name__}:flood\n"
    (package / "flood-1.dist-info" / "entry_points.txt").write_text(point)
    sys.path.insert(0, str(package))
    killing.serve(database_url, home, port)
