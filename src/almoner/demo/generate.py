"""The rows of the demo: the workers of Kiwi Health, and one patient at a time with everything that
is about them.

Pure and deterministic. A patient's ids, names and numbers come from the seed and the patient's
number alone; ``today`` only moves the times along, so that one who was half written yesterday is
finished today under the same ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from almoner.data_api.declare import Row
from almoner.demo import people, places, records, texts
from almoner.demo.chart import DemoPatient, DemoWorker, PatientRows, guid, moment
from almoner.demo.contacts import add_contacts
from almoner.demo.encounters import add_conversations, add_events
from almoner.demo.integration import add_jobs
from almoner.demo.team_tasks import add_snoozes, add_team_tasks
from almoner.vocabulary.times import iso

WORKERS: Final = 40
# In the order in which they can be written: what refers to a row comes behind it.
COLLECTIONS: Final = (
    "patients",
    "phone_numbers",
    "email_addresses",
    "conversations",
    "messages",
    "calendar_events",
    "assessment_responses",
    "custom_data_type_records",
    "care_flows",
    "patient_tasks",
    "calls",
    "visits",
    "alerts",
    "worker_tasks",
    "snoozes",
    "notes",
    "integration_tasks",
    "external_ids",
)
# Two years: nobody has been in the program for longer.
_LONGEST: Final = 730
_GENDERS: Final = (
    "Female",
    "Female",
    "Female",
    "Male",
    "Male",
    "Transgender",
    "Other",
    "Unknown",
    "Decline",
    None,
)
_PHASES: Final = {
    10: {"referred": 5, "intake": 4, "onboarding": 1},
    60: {"referred": 1, "intake": 3, "onboarding": 4, "active_coaching": 3, "withdrawn": 1},
    200: {"onboarding": 1, "active_coaching": 8, "paused": 1, "maintenance": 2, "withdrawn": 1},
    _LONGEST: {"active_coaching": 5, "maintenance": 4, "paused": 1, "graduated": 3, "withdrawn": 1},
}
_TASK_TYPES: Final = (
    *(
        "survey",
        "survey",
        "survey",
        "blood_pressure_reading",
        "glucose_log",
        "weigh_in",
        "medication_refill",
        "reading",
    ),
    "document_upload",
)


def workers(seed: int, today: date) -> list[Row]:
    """The people of Kiwi Health, each with an e-mail address of their own."""
    rng = _random(f"{seed}:workers")
    rows = []
    for someone in people.distinct(rng, WORKERS):
        place = rng.choice(places.PLACES)
        rows.append(
            {
                "id": guid(rng),
                "email": f"{someone.handle}@kiwihealth.example.org",
                "first_name": someone.first_name,
                "last_name": someone.last_name,
                "phone_number": places.phone_number(rng, place) if rng.random() < 0.85 else None,
                "timezone": place.timezone,
                "gender": rng.choice(_GENDERS),
                "created_at": moment(
                    today,
                    _LONGEST + rng.randrange(5, 60),
                    9 * 60 + rng.randrange(400),
                    place.timezone,
                ),
            }
        )
    return rows


def marks(seed: int, index: int) -> tuple[str, str]:
    """The ids of a patient's first row (the patient) and last row (the mapping that the patient's
    file ends with).
    """
    rng = _random(f"{seed}:{index}")
    return guid(rng), guid(rng)


def patient(
    seed: int, index: int, today: date, workers: Sequence[Row], calendars: Mapping[str, str]
) -> dict[str, list[Row]]:
    """Everything of the patient with this number, by collection, in the order of ``COLLECTIONS``.

    ``workers`` need ``id``, ``first_name`` and ``timezone``; ``calendars`` has the id of each
    worker's calendar. The last of the ``external_ids`` is the one that ``marks`` names."""
    rng = _random(f"{seed}:{index}")
    patient_id, last_id = guid(rng), guid(rng)
    team = [_worker(w, calendars) for w in rng.sample(workers, 3)]
    days = rng.choice(
        (
            rng.randrange(6, 10),
            rng.randrange(6, 60),
            rng.randrange(6, 200),
            *[rng.randrange(20, _LONGEST)] * 4,
        )
    )
    conditions = rng.sample(
        ("diabetes", "hypertension", "heart_failure"), rng.choice((1, 1, 1, 2, 3))
    )
    someone, place = people.person(rng), rng.choice(places.PLACES)
    client = DemoPatient(
        seed=seed,
        index=index,
        id=patient_id,
        person=someone,
        place=place,
        conditions=tuple(conditions),
        days=days,
        phase=_phase(rng, days),
        team=tuple(team),
    )
    chart = PatientRows(rng, today, client, {name: [] for name in COLLECTIONS})
    _add_patient(chart)
    _add_contacts(chart)
    if client.phase != "referred":
        add_conversations(chart)
        add_events(chart)
        _add_assessments(chart)
        _add_records(chart)
        _add_care_flows(chart)
        _add_tasks(chart)
        add_contacts(chart)
    add_jobs(chart)
    _add_external_ids(chart, last_id)
    if client.phase != "referred":
        add_team_tasks(chart)
        add_snoozes(chart)
    return chart.rows


def _random(of: str) -> Random:
    return Random(of)  # noqa: S311 -- made-up data, which must come out the same each time


def _worker(row: Row, calendars: Mapping[str, str]) -> DemoWorker:
    return DemoWorker(row["id"], row["first_name"], row["timezone"], calendars[row["id"]])


def _phase(rng: Random, days: int) -> str:
    shares = next(shares for limit, shares in _PHASES.items() if days <= limit)
    return rng.choices(list(shares), list(shares.values()))[0]


def _add_patient(chart: PatientRows) -> None:
    rng, client = chart.rng, chart.client
    birthday = date(rng.randint(1931, 2005), 1, 1) + timedelta(rng.randrange(365))
    without_coach = client.phase == "referred" or rng.random() < 0.03
    row = {
        "id": client.id,
        "phase": client.phase,
        "coach_id": None if without_coach else client.coach.id,
        "timezone": client.place.timezone,
        "first_name": client.person.first_name,
        "last_name": client.person.last_name,
        "birthday": birthday.isoformat(),
        "created_at": chart.joined,
        **places.address(rng, client.place),
    }
    chart.rows["patients"].append(row)


def _add_contacts(chart: PatientRows) -> None:
    """Telephone numbers and e-mail addresses: none to three each, with the consents that people
    give.
    """
    rng, client = chart.rng, chart.client
    for number in range(rng.choices(range(4), (4, 62, 26, 8))[0]):
        kind = (
            rng.choice(("cell", "cell", "landline", "other"))
            if number
            else rng.choice(("cell", "cell", "cell", "landline"))
        )
        sms = kind == "cell" and rng.random() < 0.8
        chart.add(
            "phone_numbers",
            _after(chart, number),
            phone_number=places.phone_number(rng, client.place),
            phone_number_type=kind,
            friendly_name=rng.choice(
                ("main number", "home", "daughter", "work, until 5", "Büro", None, None)
            ),
            verified=rng.random() < 0.6,
            opted_in_to_sms=sms,
            opted_in_to_call_recording=rng.random() < 0.3,
            opted_in_to_voicemail=rng.random() < 0.7,
            opted_in_to_phone=rng.random() < 0.9,
            automatic_recipient=sms and number == 0,
        )
    for number in range(rng.choices(range(4), (16, 64, 16, 4))[0]):
        consents = rng.random() < 0.75
        chart.add(
            "email_addresses",
            _after(chart, number),
            email=people.email_address(rng, client.person if number < 2 else people.person(rng)),
            friendly_name=rng.choice(("work", "private", "her son's", None, None, None)),
            verified=rng.random() < 0.5,
            opted_in_to_email=consents,
            automatic_recipient=consents and number == 0,
        )


def _after(chart: PatientRows, number: int) -> datetime:
    return chart.joined + timedelta(seconds=40 + 3 * number)


def _add_assessments(chart: PatientRows) -> None:
    rng, client = chart.rng, chart.client
    if rng.random() < 0.9:
        at = chart.joined + timedelta(days=2, minutes=rng.randrange(600))
        # Either names the spec; some callers also say which version they mean.
        named: Row = rng.choice(
            ({"spec_id": "intake_assessment"}, {"spec_name": "Intake assessment"})
        )
        version = {"spec_version": "1"} if rng.random() < 0.2 else {}
        title = rng.choice(("Intake", None))
        chart.add(
            "assessment_responses",
            at,
            **named,
            **version,
            title=title,
            model=records.intake(rng, at),
        )
    if client.phase == "intake":
        return
    others = [
        ("mood_check", records.mood),
        ("home_and_support", records.home),
        ("program_feedback", records.feedback),
    ]
    if "diabetes" in client.conditions:
        others.append(("living_with_diabetes", records.burden))
    for spec_id, answers in others:
        if rng.random() < 0.4:
            at = chart.sometime()
            chart.add("assessment_responses", at, spec_id=spec_id, model=answers(rng, at))
    for at in chart.times(rng.randrange(5)):
        chart.add(
            "assessment_responses", at, spec_id="weekly_check_in", model=records.week(rng, at)
        )


def _add_records(chart: PatientRows) -> None:
    """What the program's own data types hold about the patient."""
    rng, client = chart.rng, chart.client
    doctor = people.person(rng)
    if rng.random() < 0.85:
        _record(chart, chart.sometime(), "hcp", records.hcp(rng, doctor, client.place))
    if rng.random() < 0.6:
        at = chart.sometime()
        _record(chart, at, "insurance", records.insurance(rng, client.index, at))
    for _ in range(rng.choice((0, 1, 1, 2))):
        _record(
            chart,
            chart.sometime(),
            "emergency_contact",
            records.emergency_contact(rng, client.place),
        )
    for condition in client.conditions:
        for _ in range(rng.randrange(3)):
            at = chart.sometime()
            _record(chart, at, "medication", records.medication(rng, condition, doctor, at))
        if rng.random() < 0.5:
            at = chart.sometime()
            _record(chart, at, "device", records.device(rng, condition, client.place, at))
        for at in chart.times(rng.randrange(3)):
            _record(chart, at, "lab_result", records.lab_result(rng, condition, at))


def _record(chart: PatientRows, at: datetime, type_name: str, body: records.Body) -> None:
    chart.add("custom_data_type_records", at, type_name=type_name, body=body)


def _add_care_flows(chart: PatientRows) -> None:
    """Flows against what the patient has, as far as they have come."""
    rng, client = chart.rng, chart.client
    if client.phase in ("intake", "onboarding") and rng.random() < 0.7:
        return
    for topic in (*client.conditions, "general"):
        if rng.random() < 0.55:
            begun = chart.sometime()
            flow = rng.choice(texts.FLOWS[topic])
            far = rng.random()
            goals = [
                {
                    "title": title,
                    "interventions": [_intervention(chart, step, begun, far) for step in steps],
                }
                for title, steps in flow.goals
            ]
            body = {"description": flow.description, "diagnosis": flow.diagnosis, "goals": goals}
            chart.add("care_flows", begun, care_flow=body)


def _intervention(chart: PatientRows, step: texts.DemoStep, begun: datetime, far: float) -> Row:
    rng = chart.rng
    done, reminded, wait = (
        rng.random() < far,
        rng.random() < 0.7,
        timedelta(days=rng.randrange(2, 45), minutes=rng.randrange(480)),
    )
    worker = rng.choice(chart.client.team)
    finished = min(begun + wait, chart.latest)
    return {
        "title": step.title,
        "reminder_date": iso((begun + wait).replace(hour=0, minute=0)) if reminded else None,
        "completed_at": iso(finished) if done else None,
        "completed_by_worker_id": worker.id if done and step.by_worker else None,
        "worker_id": worker.id if step.by_worker else None,
        "instructions": step.instructions,
    }


def _add_tasks(chart: PatientRows) -> None:
    rng = chart.rng
    for at in chart.times(rng.randrange(5)):
        chart.add(
            "patient_tasks",
            at,
            task_type=rng.choice(_TASK_TYPES),
            dismissed=rng.choice((None, None, True, False)),
        )


def _add_external_ids(chart: PatientRows, last_id: str) -> None:
    """The ids of the clinic's record system and of the claims office; the patient's own record
    number comes last.
    """
    rng, client = chart.rng, chart.client
    if rng.random() < 0.6:
        chart.map(
            "kiwihealth_claims",
            "patients",
            client.id,
            f"CL{client.seed}-{client.index * 13 + 5000017:08d}",
        )
    events = chart.rows["calendar_events"]
    if events and rng.random() < 0.4:
        chart.map(
            "kiwihealth_ehr",
            "calendar_events",
            events[0]["id"],
            f"ENC-{client.seed}-{client.index + 700001}",
        )
    chart.map("kiwihealth_ehr", "patients", client.id, client.record_number)
    chart.rows["external_ids"][-1]["id"] = last_id
