"""What stands for the placeholders of a message is written for the patient who reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from almoner.pages import notation
from almoner.pages.message_words import message_words
from almoner.pages.notation import Notation

ROW = {
    "first_name": "花子",
    "last_name": "山田",
    "timezone": "America/New_York",
    "coach_first_name": "美咲",
    "coach_last_name": "鈴木",
    "coach_phone_number": None,
    "appointment_type": "intake_call",
    "start_time": datetime(2026, 12, 1, 2, 30, tzinfo=UTC),
    "day": None,
}


def test_names_and_times_are_as_the_patient_writes_them_whoever_sends_the_message() -> None:
    with notation.reading(Notation(clock_hours=24)):
        words = message_words(ROW, "Kiwi Health", {"intake_call": "Intake call"}.__getitem__)
        assert notation.current().clock_hours == 24
    assert words == {
        "patient.first_name": "花子",
        "patient.last_name": "山田",
        "patient.full_name": "山田花子",
        "coach.first_name": "美咲",
        "coach.last_name": "鈴木",
        "coach.full_name": "鈴木美咲",
        "program.name": "Kiwi Health",
        "appointment.type": "Intake call",
        "appointment.day": "Monday, 30 November",
        "appointment.time": "9:30 pm",
    }


def test_what_is_not_known_is_left_out() -> None:
    nobody = dict.fromkeys(("coach_first_name", "coach_last_name", "appointment_type"))
    words = message_words(ROW | nobody, "Kiwi Health", str)
    assert not [name for name in words if name.startswith(("coach.", "appointment."))]
    on_a_day = ROW | {"start_time": None, "day": date(2026, 12, 1)}
    words = message_words(on_a_day, "Kiwi Health", str)
    assert words["appointment.day"] == "Tuesday, 1 December"
    assert "appointment.time" not in words
