"""What a consent is: the same for a trigger, a wait, a condition and a message."""

from __future__ import annotations

import pytest

from tests.processes.conftest import Place
from tests.processes.test_acting import PROGRAM, worker
from tests.processes.test_triggers import SURVEY, tasks, would
from tests.processes.test_waiting import later

CONSENT = f"""
  - name: of_it
    when: {{event: consent_given, consent: CONSENT}}
    {SURVEY}
  - name: awaits
    when: {{event: patient_created}}
    wait: {{for: {{event: consent_given, consent: CONSENT}}, days: 14}}
    then: [{{do: change_phase, phase: active}}]
  - name: asks
    when: {{event: phase_entered, phase: active}}
    if: {{all: [{{of: consent, field: CONSENT, is: true}}]}}
    then: [{{do: assign_coach, role: coach}}]
"""
NUMBER = {"phone_number": "+15555555555", "phone_number_type": "cell", "opted_in_to_phone": False}
ADDRESS = {"email": "grace@example.org", "verified": False}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("consent", "collection", "row", "field"),
    [
        ("sms", "phone_numbers", NUMBER, "opted_in_to_sms"),
        ("email", "email_addresses", ADDRESS, "opted_in_to_email"),
    ],
)
async def test_a_consent_is_given_once_with_the_second_of_its_fields(
    place: Place, consent: str, collection: str, row: dict[str, object], field: str, first: bool
) -> None:
    await place.publish(PROGRAM + CONSENT.replace("CONSENT", consent))
    coach = await worker(place)
    patient, noise = await place.patient(), await place.patient()
    fields = {field: first, "automatic_recipient": not first}
    for of in (noise, patient):
        row_id = await place.create(collection, {"user_id": of, **row, **fields})
        await place.work()
        # One of the two alone is no consent, and uses up no wait.
        assert {tuple(each.values()) for each in await place.rows(FIRED)} == {("awaits", "open")}
        if of == patient:
            await place.update(collection, row_id, {field: True, "automatic_recipient": True})
            other = {"opted_in_to_voicemail": True} if consent == "sms" else {"verified": True}
            await place.update(collection, row_id, other)
            await place.work()
            assert await tasks(place) == [patient]
            assert [who for who, _ in await would(place, 1)] == [patient]
            await later(place, 15)
    assert await tasks(place) == [patient]
    phases = await place.rows(PATIENTS)
    assert {(each["id"], each["phase"], each["coach"]) for each in phases} == {
        (patient, "active", coach),
        (noise, "intake", None),
    }


FIRED = "SELECT process, state FROM process_firings WHERE environment_id = $1 AND state <> 'ended'"
PATIENTS = """
SELECT id::text, phase, coach_id::text AS coach FROM patients WHERE environment_id = $1
"""


async def test_fields_that_are_set_one_after_the_other_are_one_consent_however_late_it_is_read(
    place: Place,
) -> None:
    await place.publish(PROGRAM + CONSENT.replace("CONSENT", "sms"))
    patient, noise = await place.patient(), await place.patient()
    for of, last in ((patient, True), (noise, False)):
        fields = {"opted_in_to_sms": False, "automatic_recipient": False}
        row_id = await place.create("phone_numbers", {"user_id": of, **NUMBER, **fields})
        await place.update("phone_numbers", row_id, {"automatic_recipient": True})
        await place.update("phone_numbers", row_id, {"opted_in_to_sms": last})
        await place.update("phone_numbers", row_id, {"opted_in_to_phone": True})
    await place.work()
    assert await tasks(place) == [patient]
    assert [who for who, _ in await would(place, 1)] == [patient]


async def test_who_withdraws_either_while_a_process_waits_has_not_consented(place: Place) -> None:
    source = f"""
  - name: later
    when: {{event: consent_given, consent: sms}}
    wait: {{days: 1}}
    {SURVEY}
"""
    await place.publish(PROGRAM + source)
    stays, *withdraw = [await place.patient() for _ in range(3)]
    fields = {"opted_in_to_sms": True, "automatic_recipient": True}
    numbers = [
        await place.create("phone_numbers", {"user_id": of, **NUMBER, **fields})
        for of in (*withdraw, stays)
    ]
    await place.work()
    for number, field in zip(numbers, fields, strict=False):
        await place.update("phone_numbers", number, {field: False})
    await later(place, 2)
    assert await tasks(place) == [stays]
