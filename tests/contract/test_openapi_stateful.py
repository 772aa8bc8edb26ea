"""schemathesis against the running server and the document that it serves: every operation alone,
and in sequences.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from almoner.resources import BY_NAME, RESOURCES
from tests.conftest import Api, Callers
from tests.contract.rows import CONTRACT, Place, only_row

# A condition that does not hold is a right answer to a request that is valid in itself. NUL, which
# no string may hold (clarification 21) and no schema shows, is tried in test_rules.py.
SETTINGS = """
[generation]
allow-x00 = false

[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "429"]
"""
BATCH = "/batch$"
SPAN = {
    "start_time": "2018-09-10T18:56:19.357228+00:00",
    "end_time": "2018-09-10T19:26:19.357540+00:00",
    "day": None,
}


async def known(place: Place) -> dict[str, Any]:
    """Rows of every collection, and what the program defines, for the hooks."""
    patient, worker = await place.make("patients"), await place.make("workers")
    shared = {"user_id": patient["id"], "worker_id": worker["id"]}
    rows = {}
    for resource in RESOURCES:
        values = {
            name: value
            for name, value in (shared | {"patient_id": patient["id"]}).items()
            if name in {f.name for f in resource.fields}
        }
        rows[resource.name] = (await place.make(resource.name, **values))["id"]
    aliases = {"patient_id": patient["id"], "primary_worker_id": worker["id"]}
    endpoint = f"{place.api.base_url}/v1/token"
    claim = {
        "iss": place.api.client_id,
        "aud": endpoint,
        "exp": int(time.time()) + 3600,
        "scope": "all",
    }
    changes = only_row(await place.api.get("/v1/changes", params={"limit": 1}))
    return {
        "rows": rows,
        "ids": (
            shared
            | aliases
            | {
                "coach_id": worker["id"],
                "calendar_id": rows["calendars"],
                "conversation_id": rows["conversations"],
                "calendar_event_id": rows["calendar_events"],
                "assessment_response_id": rows["assessment_responses"],
            }
        ),
        "program": {
            "phase": "intake",
            "appointment_type": "intake_call",
            "type_name": "hcp",
            "body": BY_NAME["custom_data_type_records"].field("body").example(),
            "spec_id": "intake_assessment",
            "spec_name": "Intake assessment",
            "spec_version": "1",
            "model": CONTRACT["assessment_responses"]["example"]["model"],
        },
        "span": SPAN,
        "day": {"start_time": None, "end_time": None, "day": "2018-09-10"},
        "assertion": jwt.encode(claim, place.api.client_secret, algorithm="HS256"),
        "cursor": changes["meta"]["after"],
    }


def explore(
    api: Api, folder: Path, phases: str, examples: int, batches: bool, knowledge: dict[str, Any]
) -> str:
    """Runs schemathesis with all of its checks in a process of its own, on ``batches`` or on
    everything else; returns what it printed. Fails on any finding.
    """
    settings = folder / "schemathesis.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
    command += [
        f"{api.base_url}/v1/openapi.json?shape={knowledge['shape']}",
        "--phases",
        phases,
        "--max-examples",
        str(examples),
    ]
    command += ["--include-path-regex" if batches else "--exclude-path-regex", BATCH]
    seed = os.environ.get("ALMONER_TEST_SCHEMATHESIS_SEED")
    command += ["--seed", seed] if seed else ["--generation-deterministic"]
    command += ["--continue-on-failure", "--no-color"]
    command += ["--header", f"Authorization: Bearer {api.token}"]
    surroundings = os.environ | {
        "COLUMNS": "132",
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        "PYTHONPATH": str(Path(__file__).parent),
        # Sets are walked in the same order each time, so that the same is made up.
        "PYTHONHASHSEED": "0",
        "ALMONER_TEST_KNOWN": json.dumps(knowledge),
    }
    result = subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["documented", "enveloped"])
@pytest.mark.parametrize(
    ("phases", "examples", "batches"),
    [("examples,fuzzing", 10, False), ("examples,fuzzing", 5, True), ("stateful", 30, False)],
)
async def test_schemathesis_finds_nothing(
    phases: str,
    examples: int,
    batches: bool,
    shape: str,
    here: Place,
    callers: Callers,
    tmp_path: Path,
) -> None:
    knowledge = await known(here)
    async with await callers(here.api.environment_id, shape=shape) as api:
        await asyncio.to_thread(
            explore, api, tmp_path, phases, examples, batches, knowledge | {"shape": shape}
        )
