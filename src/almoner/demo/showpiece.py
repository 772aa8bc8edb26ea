"""The patient whom a first visitor meets: three months of care, one of everything, told around the
moment at which the demo starts.

Pure: the rows of ``Story.rows``, by collection, come from the coach, the patient and the moment
alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from almoner.data_api.declare import Row
from almoner.demo.chart import guid
from almoner.vocabulary.times import iso

ZONE: Final = "America/Los_Angeles"
# What the number was before another system corrected it, and what it is now.
NUMBERS: Final = ("415-555-0130", "415-555-0134")
_MOODS: Final = ("never", "some days", "most days", "nearly every day")
# Low mood and lost interest, days before today.
_MOOD: Final = ((86, 3, 3), (72, 3, 2), (58, 2, 2), (44, 2, 2), (30, 2, 1), (16, 1, 1), (3, 1, 0))
_ENERGY: Final = (3, 3, 4, 3, 5, 4, 5, 6, 5, 6, 7, 7)
_HBA1C: Final = ((88, 8.9), (66, 8.4), (45, 8.1), (24, 7.6), (5, 7.2))
_WORDS: Final = {
    3: "The stairs are easier than in June. I still skip the evening walk when it rains.",
    31: "Slept badly, the knee. But I cooked twice this week instead of ordering.",
    80: "Everything at once. I do not know where to begin.",
}
# Days and minutes before now, whether it is from the patient, and what was said.
_MESSAGES: Final = (
    (12, 300, False, "Hello Grace, how did the first week with the new shoes go?"),
    (
        12,
        210,
        True,
        "Better than I thought. Twenty minutes on four days. My neighbor came along twice.",
    ),
    (12, 200, False, "Four days is a good week. What would make the fifth easy?"),
    (5, 400, True, "The lab says 7.2. Is that good?"),
    (5, 380, False, "It is: 8.9 in summer, 7.2 now. You did that."),
    (1, 420, True, "I walked 20 minutes after lunch, but my knee hurts on the stairs."),
    (1, 405, False, "Well done! Let’s talk about the knee tomorrow. Would that suit you?"),
    (0, 95, True, "Yes, that is good. I will have the exercise sheet in front of me. Thank you!"),
)
_GOALS: Final = (
    (
        "Make a plan",
        (
            ("Decide on a kind of exercise", 30),
            ("Write the plan down together", 26),
            ("Find somebody to walk with", 18),
        ),
        None,
    ),
    (
        "Keep at it",
        (("Ask the doctor about the knee", -3), ("Look at the plan after six weeks", -9)),
        ("weekly_check_in", "minutes_of_movement", None, 150, "up", 40),
    ),
    (
        "Blood sugar where it does no harm",
        (("Order the next hba1c", -55),),
        ("lab_result", "value", "hba1c", 7, "down", 60),
    ),
)


@dataclass
class Story:
    """Grace in the care of this coach. ``now`` has an offset; ``rows`` are by collection, in the
    order of writing.
    """

    patient_id: str
    coach_id: str
    calendar_id: str
    now: datetime
    rng: Random
    rows: dict[str, list[Row]] = field(default_factory=dict)
    starred: list[tuple[str, str]] = field(default_factory=list)
    phone_id: str = ""

    def tell(self) -> Story:
        """Fills ``rows`` and the others in, and returns itself."""
        self._person()
        self._conversation()
        self._numbers()
        self._appointments()
        self._care()
        return self

    def ago(self, days: float, minutes: float = 0) -> datetime:
        return self.now - timedelta(days=days, minutes=minutes)

    def add(self, collection: str, created_at: datetime, **values: Any) -> str:
        """Adds a row about her; returns its id."""
        row_id = guid(self.rng)
        self.rows.setdefault(collection, []).append(
            {"id": row_id, "user_id": self.patient_id, **values, "created_at": created_at}
        )
        return row_id

    def _person(self) -> None:
        joined = self.ago(96, 30)
        person = {
            "first_name": "Grace",
            "last_name": "Hollister",
            "birthday": "1957-12-09",
            "timezone": ZONE,
        }
        home = {
            "street": "3265 17th St",
            "street_line_two": "#304",
            "city": "San Francisco",
            "state": "CA",
            "zip_code": "94110",
        }
        self.rows["patients"] = [
            {
                "id": self.patient_id,
                "phase": "active_coaching",
                "coach_id": self.coach_id,
                **person,
                **home,
                "country": "USA",
            }
            | {"county": "San Francisco County", "created_at": joined}
        ]
        consents = {
            "opted_in_to_sms": True,
            "opted_in_to_phone": True,
            "opted_in_to_voicemail": False,
            "verified": True,
        }
        number = {
            "phone_number": NUMBERS[0],
            "phone_number_type": "cell",
            "friendly_name": "mobile",
            "automatic_recipient": True,
        }
        self.phone_id = self.add(
            "phone_numbers", joined, **number, **consents, opted_in_to_call_recording=False
        )
        self.add(
            "email_addresses",
            joined,
            email="grace.hollister@example.org",
            opted_in_to_email=True,
            verified=True,
        )

    def _conversation(self) -> None:
        conversation = self.add("conversations", self.ago(12, 301), conversation_type="phone")
        for days, minutes, inbound, text in _MESSAGES:
            at = self.ago(days, minutes)
            about = {
                "direction": "inbound" if inbound else "outbound",
                "worker_id": None if inbound else self.coach_id,
            }
            message = self.add(
                "messages",
                at,
                conversation_id=conversation,
                **about,
                contents=text,
                send_time=iso(at),
            )
            if text.startswith("The lab"):
                self.starred.append(("messages", message))

    def _numbers(self) -> None:
        """What the charts are of."""
        intake = {
            "insurance_provider": "Acme Insurance",
            "plan_type": "SILVER",
            "pain_scale": 0.6,
            "pain_place": "left knee",
        }
        first = self.add(
            "assessment_responses",
            self.ago(94),
            spec_id="intake_assessment",
            model=intake | {"active": False},
        )
        self.starred.append(("assessment_responses", first))
        for days, low, lost in _MOOD:
            answers: Row = {
                "low_mood": _MOODS[low],
                "lost_interest": _MOODS[lost],
                "wants_to_talk": days == _MOOD[0][0],
            }
            self.add(
                "assessment_responses", self.ago(days, 40), spec_id="mood_check", model=answers
            )
        self._check_ins()
        self._records()

    def _check_ins(self) -> None:
        for week, energy in enumerate(_ENERGY):
            days = 80 - 7 * week
            at = self.ago(days, 25)
            model: Row = {
                "week_of": (at - timedelta(days=at.weekday())).date().isoformat(),
                "energy": energy,
            }
            model |= {
                "hours_of_sleep": 5.5 + energy / 4,
                "minutes_of_movement": 15 * energy,
                "doses_missed": int(energy < 4),
            }
            words = {"in_your_words": _WORDS[days]} if days in _WORDS else {}
            self.add("assessment_responses", at, spec_id="weekly_check_in", model=model | words)

    def _records(self) -> None:
        for days, value in _HBA1C:
            sample = {
                "test": "hba1c",
                "value": value,
                "unit": "%",
                "collected_at": iso(self.ago(days, 2000)),
            }
            body = sample | {"out_of_range": value >= 7, "laboratory": "Harbor Labs"}
            self.add("custom_data_type_records", self.ago(days), type_name="lab_result", body=body)
        medicine = {
            "name": "metformin",
            "dose": "500 mg",
            "how_often": "twice a day",
            "prescribed_by": "Dr. Ngũgĩ",
        }
        started = {"started_on": self.ago(90).date().isoformat()}
        self.add(
            "custom_data_type_records",
            self.ago(90),
            type_name="medication",
            body=medicine | started,
        )
        doctor = {
            "name": "Wanjirũ Ngũgĩ",
            "suffix": "MD",
            "practice_name": "Two Oaks Health",
            "specialty": "internal medicine",
        }
        self.add(
            "custom_data_type_records", self.ago(93), type_name="hcp", body=doctor | {"state": "CA"}
        )

    def _appointments(self) -> None:
        appointments = [
            (92, "intake_call", 30, "completed"),
            (64, "coaching_call", 20, "completed"),
            (50, "coaching_call", 20, "no-show"),
        ]
        appointments += [
            (36, "nutrition_consult", 45, "completed"),
            (8, "coaching_call", 20, "completed"),
        ]
        for days, kind, length, outcome in appointments:
            start = self.ago(days).replace(minute=0, second=0, microsecond=0)
            self._appointment(start, kind, length, self.ago(days + 6), outcome)
        ahead = (self.now + timedelta(days=9)).replace(minute=30, second=0, microsecond=0)
        self._appointment(ahead, "medication_review", 30, self.ago(2), None)

    def _appointment(
        self, start: datetime, kind: str, length: int, created_at: datetime, outcome: str | None
    ) -> None:
        when = {
            "start_time": iso(start),
            "end_time": iso(start + timedelta(minutes=length)),
            "outcome": outcome,
        }
        self.add(
            "calendar_events",
            created_at,
            calendar_id=self.calendar_id,
            **when,
            modality="phone",
            appointment_type=kind,
        )

    def _care(self) -> None:
        goals = []
        for title, steps, number in _GOALS:
            goal: Row = {
                "title": title,
                "interventions": [self._step(step, done) for step, done in steps],
            }
            goals.append(goal | ({"target": self._target(*number)} if number else {}))
        body = {
            "description": "Increase daily exercise",
            "diagnosis": "Type 2 diabetes, osteoarthritis of the knee",
            "goals": goals,
        }
        self.add("care_flows", self.ago(33), care_flow=body)
        self.add("patient_tasks", self.ago(4), task_type="weigh_in", dismissed=None)
        self.add("patient_tasks", self.ago(20), task_type="survey", dismissed=True)
        for namespace, external_id in (
            ("kiwihealth_ehr", "MRN-1957-1209"),
            ("kiwihealth_claims", "CL-00419375"),
        ):
            row = {
                "id": guid(self.rng),
                "resource": "patients",
                "namespace": namespace,
                "external_id": external_id,
            }
            self.rows.setdefault("external_ids", []).append(row | {"welkin_id": self.patient_id})

    def _target(
        self, of: str, field: str, choice: str | None, value: int, direction: str, days: int
    ) -> Row:
        """What a goal is measured by, from where it is as the flow begins, in so many days."""
        by = (self.now + timedelta(days=days)).date().isoformat()
        target: Row = {"of": of, "field": field, "choice": choice, "from": None}
        return target | {"value": value, "direction": direction, "by": by}

    def _step(self, title: str, days: int) -> Row:
        """A step that was done so many days ago, or, where negative, is due: three days late, or
        still to come.
        """
        due = self.ago(days + 1 if days > 0 else 3 if days == -3 else days)
        step: Row = {"title": title, "worker_id": self.coach_id, "instructions": None}
        step |= {"reminder_date": iso(due), "completed_at": None, "completed_by_worker_id": None}
        return (
            step | {"completed_at": iso(self.ago(days)), "completed_by_worker_id": self.coach_id}
            if days > 0
            else step
        )
