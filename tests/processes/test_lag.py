"""How far reading the log for processes is behind is told of each environment."""

from __future__ import annotations

from almoner.operations.standing import exposition
from almoner.processes import lag
from tests.conftest import new_environment
from tests.processes.conftest import Place
from tests.processes.test_acting import LOW, PROGRAM


async def test_the_lag_grows_while_nobody_reads_and_is_gone_once_somebody_did(
    place: Place,
) -> None:
    quiet = Place(place.database, place.store, await new_environment(place.database))
    for each in (place, quiet):
        await each.publish(PROGRAM + LOW)
        await each.patient()
    await place.read()
    assert await seconds(place) == await seconds(quiet) == 0
    patient = await place.patient()
    first = await seconds(place)
    assert 0 < first < await seconds(place)
    assert await seconds(quiet) == 0
    # What is read of it moves the position, since it sets something off.
    await place.create(
        "assessment_responses", {"user_id": patient, "spec_id": "mood", "model": {"low": 6}}
    )
    await place.read()
    assert await seconds(place) == 0


async def seconds(place: Place) -> float:
    lines = (await exposition(place.database, lag.gauges)).decode().splitlines()
    start = f'almoner_process_lag_seconds{{environment="{place.environment}"}} '
    (line,) = (line for line in lines if line.startswith(start))
    return float(line.removeprefix(start))
