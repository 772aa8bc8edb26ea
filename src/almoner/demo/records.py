"""Answers to assessments and records of the program's own data types, as the program of the demo
defines them.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final

from almoner.demo import people, places, texts
from almoner.demo.people import DemoPerson
from almoner.demo.places import City
from almoner.vocabulary.times import iso

Body = dict[str, Any]

INSURERS: Final = (
    *(
        "Acme Insurance",
        "Bluebird Health Plan",
        "Great Plains Mutual",
        "Northern Lights Care",
        "Río Grande Salud",
    ),
    *(
        "Pacific Union Trust",
        "St. Brigid's Health Fund",
        "Keystone & Sons Employee Benefits Cooperative of Pennsylvania",
    ),
)
PLANS: Final = ("BRONZE", "SILVER", "GOLD", "PLATINUM")
_PRACTICES: Final = (
    "Boston Medical Group",
    "Clínica del Valle",
    "Riverside Family Practice",
    "St. Anne's",
    "Two Oaks Health",
    None,
)
_SPECIALTIES: Final = (
    "internal medicine",
    "family medicine",
    "cardiology",
    "endocrinology",
    "nephrology",
    "podiatry",
)
_HOW_OFTEN: Final = ("once a day", "twice a day", "three times a day", "weekly", "as needed")
_MOODS: Final = ("never", "some days", "most days", "nearly every day")
_SYMPTOMS: Final = (
    "headache",
    "dizziness",
    "shortness of breath",
    "swollen legs",
    "numb feet",
    "blurred vision",
    "chest tightness",
)
_ALARMING: Final = {"shortness of breath", "chest tightness"}
_WHY_MISSED: Final = (
    "forgot",
    "felt fine without",
    "side effects",
    "ran out",
    "cost",
    "something else",
)
_MEDICINES: Final = {
    "diabetes": (
        ("metformin", "500 mg"),
        ("metformin", "1000 mg"),
        ("insulin glargine", "18 units"),
        ("empagliflozin", "10 mg"),
    ),
    "hypertension": (
        ("lisinopril", "20 mg"),
        ("amlodipine", "5 mg"),
        ("hydrochlorothiazide", "12.5 mg"),
        ("losartan", "50 mg"),
    ),
    "heart_failure": (
        ("carvedilol", "6.25 mg"),
        ("furosemide", "40 mg"),
        ("spironolactone", "25 mg"),
        ("sacubitril/valsartan", "49/51 mg"),
    ),
}
# Per condition: the test, its unit, the range of what turns up, and the value from which on it is
# out of range.
_TESTS: Final = {
    "diabetes": (("hba1c", "%", 5.6, 11.2, 7.0), ("fasting_glucose", "mg/dL", 78, 260, 130)),
    "hypertension": (("creatinine", "mg/dL", 0.6, 2.1, 1.3), ("ldl", "mg/dL", 60, 210, 130)),
    "heart_failure": (("bnp", "pg/mL", 20, 1400, 100), ("triglycerides", "mg/dL", 60, 380, 150)),
}
_DEVICES: Final = {
    "diabetes": ("glucose meter", "continuous glucose monitor"),
    "hypertension": ("blood pressure cuff",),
    "heart_failure": ("scale",),
}
_RELATIONS: Final = ("partner", "child", "parent", "sibling", "friend", "neighbor", "other")


def intake(rng: Random, at: datetime) -> Body:
    """Answers to the intake assessment, given at this moment; the first is always there, others may
    be missing.
    """
    answers: Body = {
        "insurance_provider": rng.choice(INSURERS),
        "plan_type": rng.choice(PLANS),
        "active": rng.random() < 0.9,
        "years_active": rng.choice((0, 0, 1, 1, 2, 3, 5, 8, 14, 31)),
        "last_hcp_visit": _day(at, rng.randrange(1, 900)),
        "pain_scale": round(rng.choice((0.0, 1.0, rng.random(), rng.random(), rng.random())), 2),
        "completed_at": iso(at),
    }
    body = _thinned(rng, answers, "insurance_provider", "completed_at")
    return _followed(
        rng, body, "pain_place", texts.PLACES_OF_PAIN, (body.get("pain_scale") or 0) > 0.3
    )


def mood(rng: Random, at: datetime) -> Body:
    weights = (4, 4, 2, 1)
    answers = {
        "low_mood": rng.choices(_MOODS, weights)[0],
        "lost_interest": rng.choices(_MOODS, weights)[0],
    }
    body = _thinned(
        rng, answers | {"wants_to_talk": rng.random() < 0.3}, "low_mood", "lost_interest"
    )
    body = _followed(
        rng,
        body,
        "in_the_way",
        ("not at all", "somewhat", "very much"),
        body["low_mood"] in _MOODS[2:],
    )
    return _followed(
        rng,
        body,
        "good_time",
        ("morning", "noon", "afternoon", "evening"),
        bool(body.get("wants_to_talk")),
    )


def week(rng: Random, at: datetime) -> Body:
    """Answers to the weekly check-in about the week before this moment."""
    answers = {
        "week_of": _day(at, at.weekday()),
        "energy": rng.randint(1, 10),
        "hours_of_sleep": rng.choice((4.5, 5, 6, 6.5, 7, 7.5, 8, 9)),
        "minutes_of_movement": rng.choice((0, 20, 45, 60, 90, 150, 240, 600)),
        "doses_missed": rng.choice((0, 0, 0, 1, 2, 5)),
        "symptoms": [s for s in _SYMPTOMS if rng.random() < 0.12],
        "in_your_words": rng.choice(texts.IN_YOUR_WORDS),
    }
    body = _thinned(rng, answers, "week_of", "energy")
    body = _followed(rng, body, "why_missed", _WHY_MISSED, (body.get("doses_missed") or 0) > 0)
    return _followed(
        rng,
        body,
        "told_a_doctor",
        (True, False),
        not _ALARMING.isdisjoint(body.get("symptoms") or ()),
    )


def burden(rng: Random, at: datetime) -> Body:
    """How diabetes weighs, from 1 (not at all) to 6, and what weighs most."""
    answers: Body = {
        name: rng.randint(1, 6)
        for name in ("worn_out", "falling_short", "alone_with_it", "worry_ahead")
    }
    answers["biggest_burden"] = rng.choice(
        ("food", "medicine", "measuring", "cost", "other people", "worry")
    )
    body = _thinned(rng, answers, "worn_out", "falling_short")
    return _followed(
        rng,
        body,
        "cost_of_what",
        ("test strips", "insulin", "the food"),
        body.get("biggest_burden") == "cost",
    )


def home(rng: Random, at: datetime) -> Body:
    helper, place = people.person(rng), rng.choice(places.PLACES)
    answers = {
        "lives_alone": rng.random() < 0.35,
        "food_ran_out": rng.random() < 0.2,
        "way_to_appointments": rng.choice(
            ("own car", "family or friends", "public transport", "no reliable way")
        ),
        "helper_name": f"{helper.first_name} {helper.last_name}",
    }
    body, phone, email = (
        _thinned(rng, answers, "lives_alone"),
        places.phone_number(rng, place),
        people.email_address(rng, helper),
    )
    body = _followed(rng, body, "helper_phone", (phone,), bool(body.get("helper_name")))
    return _followed(rng, body, "helper_email", (email,), bool(body.get("helper_name")))


def feedback(rng: Random, at: datetime) -> Body:
    answers = {
        "would_recommend": rng.choice((2, 6, 7, 8, 8, 9, 9, 10, 10)),
        "best_part": rng.choice(texts.BEST_PARTS),
        "change_one_thing": rng.choice(texts.TO_CHANGE),
    }
    body = _thinned(rng, answers, "would_recommend")
    return _followed(rng, body, "what_went_wrong", texts.TO_CHANGE, body["would_recommend"] <= 6)


def hcp(rng: Random, doctor: DemoPerson, place: City) -> Body:
    body = {
        "name": f"{doctor.first_name} {doctor.last_name}",
        "suffix": rng.choice(("MD", "NP", "DO", "PA-C")),
        "practice_name": rng.choice(_PRACTICES),
        "office_id": f"e{rng.getrandbits(24):06x}",
        "specialty": rng.choice(_SPECIALTIES),
        "phone": places.phone_number(rng, place),
        "state": place.state,
        "zip_code": rng.choice(place.zip_codes),
    }
    return _thinned(rng, body, "name")


def medication(rng: Random, condition: str, doctor: DemoPerson, at: datetime) -> Body:
    """A medicine against the condition, since some time before this moment; some have been stopped
    since.
    """
    name, dose = rng.choice(_MEDICINES[condition])
    since = rng.randrange(40, 2000)
    body = {
        "name": name,
        "dose": dose,
        "how_often": rng.choice(_HOW_OFTEN),
        "started_on": _day(at, since),
        "ended_on": _day(at, rng.randrange(since)) if rng.random() < 0.2 else None,
        "prescribed_by": f"Dr. {doctor.last_name}",
        "notes": rng.choice((*texts.NOTES, None)),
    }
    return _thinned(rng, body, "name", "dose")


def lab_result(rng: Random, condition: str, at: datetime) -> Body:
    """A result that a laboratory sent at this moment."""
    test, unit, low, high, limit = rng.choice(_TESTS[condition])
    value = rng.triangular(low, high, limit)
    value = round(value, 1) if high < 20 else round(value)
    body = {
        "test": test,
        "value": value,
        "unit": unit,
        "collected_at": iso(at - timedelta(hours=rng.randrange(8, 60))),
        "out_of_range": value >= limit,
        "laboratory": rng.choice(
            ("Harbor Labs", "County Reference Laboratory", "Quick & Clear Diagnostics")
        ),
    }
    return _thinned(rng, body, "test", "value", "unit", "collected_at")


def insurance(rng: Random, index: int, at: datetime) -> Body:
    since = rng.randrange(1, 4)
    body = {
        "payer": rng.choice(INSURERS),
        "member_id": f"W{rng.randrange(10**9):09d}-{index % 7:02d}",
        "group_number": f"{rng.randrange(10**5):05d}",
        "plan_type": rng.choice((*PLANS, "medicare", "medicaid")),
        "valid_from": date(at.year - since, 1, 1).isoformat(),
        "valid_until": date(at.year, 12, 31).isoformat(),
    }
    return _thinned(rng, body, "payer", "member_id")


def device(rng: Random, condition: str, place: City, at: datetime) -> Body:
    """What the patient measures with at home."""
    body = {
        "kind": rng.choice(_DEVICES[condition]),
        "serial_number": f"KD-{rng.getrandbits(32):08X}",
        "handed_out_on": _day(at, 0),
        "timezone": place.timezone,
    }
    return _thinned(rng, body, "kind")


def emergency_contact(rng: Random, place: City) -> Body:
    someone = people.person(rng)
    body = {
        "name": f"{someone.first_name} {someone.last_name}",
        "relation": rng.choice(_RELATIONS),
        "phone": places.phone_number(rng, place),
        "email": people.email_address(rng, someone),
    }
    return _thinned(rng, body, "name", "phone")


def _day(at: datetime, days_before: int) -> str:
    return (at.date() - timedelta(days=days_before)).isoformat()


def _thinned(rng: Random, body: Body, *always: str) -> Body:
    """The body, in which what need not be there is sometimes null and sometimes missing."""
    thinned: Body = {}
    for name, value in body.items():
        chance = rng.random()
        if name in always or chance > 0.15:
            thinned[name] = value
        elif chance > 0.08:
            thinned[name] = None
    return thinned


def _followed(rng: Random, body: Body, name: str, answers: tuple[Any, ...], asked: bool) -> Body:
    """The body, with one of these answers to a follow-up where that was asked and answered."""
    answer, is_answered = rng.choice(answers), rng.random() < 0.85
    return body | {name: answer} if asked and is_answered else body
