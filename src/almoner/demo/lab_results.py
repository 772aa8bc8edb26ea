"""The lab results that the demo's made-up partner sends: most of them good, a few wrong in the ways
of partners.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from almoner.database import Connection
from almoner.vocabulary.times import iso

_PATIENTS: Final = """
SELECT external_id FROM external_ids
WHERE environment_id = $1 AND namespace = 'kiwihealth_ehr' AND resource = 'patients' ORDER BY id
    LIMIT 30
"""
_TESTS: Final = (
    ("hba1c", "%", 5.6, 11.2),
    ("ldl", "mg/dL", 60.0, 210.0),
    ("bnp", "pg/mL", 20.0, 1400.0),
)


async def partner_results(connection: Connection, environment_id: int, seed: int) -> list[Any]:
    """A result for each of some patients whom the partner knows, and bad ones between them."""
    rng = Random(seed)  # noqa: S311  # made up, and the same each time
    known = [row["external_id"] for row in await connection.fetch(_PATIENTS, environment_id)]
    results: list[Any] = [_result(rng, number, patient) for number, patient in enumerate(known)]
    if not results:
        return []
    good = dict(results[0])
    bad: tuple[Any, ...] = (
        good | {"id": "OBX-900001", "patient": "MRN-unknown"},
        good | {"id": "OBX-900002", "value": -4.0},
        good | {"id": "OBX-900003", "test": "phrenology"},
        good | {"id": "OBX-900004", "value": "high"},
    )
    for item in bad:
        results.insert(rng.randrange(len(results)), item)
    return results


def _result(rng: Random, number: int, patient: str) -> dict[str, Any]:
    test, unit, low, high = rng.choice(_TESTS)
    collected = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(
        days=rng.randint(1, 9)
    )
    return {
        "id": f"OBX-{number:06d}",
        "patient": patient,
        "test": test,
        "value": round(rng.uniform(low, high), 1),
        "unit": unit,
        "collected_at": iso(collected),
        "laboratory": "Kiwi Central Laboratory",
    }
