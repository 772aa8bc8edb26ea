"""What is wrong with processes, in words that say what to do."""

from __future__ import annotations

import pytest

from almoner.workshop import process_words
from almoner.workshop.program_file import ProgramFileError, parse
from almoner.workshop.titles import titles_in

PROGRAM = """
program: P
phases: [{name: intake}, {name: active}, {name: ended}]
assessments:
  - id: mood
    name: Mood
    sections: [{questions: [{name: low, kind: scale, low: 0, high: 6, weight: 1}]}]
    scoring: {bands: [{name: low, low: 5, high: 6}]}
  - {id: plain, name: Plain, sections: [{questions: [{name: why, kind: text}]}]}
custom_data_types:
  - {name: note, fields: [{name: text, kind: text, required: true}]}
task_types: [{name: survey}]
processes:
"""
THEN = "then: [{do: give_task, task: survey}]"
CASES = [
    (
        "when: {event: patient_created}\n    then: [{do: make_alert, role: coach}]",
        "text is missing; make_alert needs it",
    ),
    (
        "when: {event: patient_created}\n    then: [{do: call_webhook, webhook: A b}]",
        "a webhook is named by small letters",
    ),
    (
        "when: {event: patient_created}\n    then: [{do: assign_coach, role: coach, rule: by_age}]",
        "there is no rule by_age",
    ),
    (
        "when: {event: patient_created}\n"
        "    then: [{do: assign_coach, role: coach, rule: same_as_appointment}]",
        "patient_created is about no appointment",
    ),
    (
        f"when: {{event: patient_created}}\n    if: {{all: [{{of: any}}]}}\n    {THEN}",
        "conditions is missing; any needs it",
    ),
    (
        f"when: {{event: patient_created}}\n    if: {{all: [{{of: any, answered: true, conditions:"
        f" [{{of: patient, field: phase, is: intake}}]}}]}}\n    {THEN}",
        "a group has no test of its own",
    ),
    (
        f"when: {{event: patient_created}}\n    if: {{all: [{{of: any, conditions: [{{of: band, is:"
        f" low}}]}}]}}\n    {THEN}",
        "assessment is missing; name the one",
    ),
    (
        "when: {event: patient_created}\n    if: {all: ["
        + "{of: any, conditions: [" * 7
        + "{of: patient, field: phase, is: intake}"
        + "]}" * 7
        + f"]}}\n    {THEN}",
        "groups stand 6 deep at most",
    ),
    ("when: {event: patient_created}", "then is missing; say what is done"),
    (THEN, "when is missing"),
    (f"when: {{event: phase_entered, phase: gone}}\n    {THEN}", "there is no phase gone"),
    (
        f"when: {{event: patient_created, phase: intake}}\n    {THEN}",
        "phase does not go with patient_created",
    ),
    (f"when: {{event: appointment_ahead}}\n    {THEN}", "hours is missing"),
    (
        f"when: {{event: message_received}}\n    if: {{all: [{{of: band, is: low}}]}}\n    {THEN}",
        "assessment is missing; name the one",
    ),
    (
        f"when: {{event: assessment_finished, assessment: mood}}\n"
        f"    if: {{all: [{{of: band, is: lwo}}]}}\n    {THEN}",
        "mood has no band lwo; did you mean low?",
    ),
    (
        f"when: {{event: assessment_finished, assessment: plain}}\n"
        f"    if: {{any: [{{of: score, above: 1}}]}}\n    {THEN}",
        "plain has no score",
    ),
    (
        f"when: {{event: assessment_finished, assessment: plain}}\n"
        f"    if: {{any: [{{of: answer, field: why, above: 1}}]}}\n    {THEN}",
        "above does not go with why; these do: is, answered",
    ),
    (
        f"when: {{event: patient_created}}\n"
        f"    if: {{all: [{{of: patient, field: phse, is: intake}}]}}\n    {THEN}",
        "patients have no field phse; did you mean phase?",
    ),
    (
        f"when: {{event: patient_created}}\n"
        f"    if: {{all: [{{of: consent, field: sms, is: true, answered: true}}]}}\n    {THEN}",
        "exactly one test is expected",
    ),
    (
        f"when: {{event: patient_created}}\n    wait: {{until: 25h}}\n    {THEN}",
        "a time of day is expected, such as 09:00",
    ),
    (f"when: {{event: patient_created}}\n    wait: {{}}\n    {THEN}", "it waits for nothing"),
    (
        f"when: {{event: patient_created}}\n    wait: {{days: 1, otherwise: act}}\n    {THEN}",
        "otherwise goes with for alone",
    ),
    (
        f"when: {{event: patient_created}}\n    wait: {{for: {{event: message_received}}}}\n    {THEN}",
        "say how long it waits at most",
    ),
    (
        f"when: {{event: patient_created}}\n"
        f"    wait: {{for: {{event: message_received}}, days: 1, happened: end}}\n    {THEN}",
        "it would never act",
    ),
    (
        f"when: {{event: patient_created}}\n"
        f"    wait: {{for: {{event: schedule, cron: 0 8 * * 1, zone: UTC}}, days: 1}}\n    {THEN}",
        "schedule comes with the time",
    ),
    (f"when: {{event: no_activity, days: 3}}\n    {THEN}", "activity is missing"),
    (f"when: {{event: no_activity, activity: [messages]}}\n    {THEN}", "days is missing"),
    (
        f"when: {{event: no_activity, activity: [messages], days: -3}}\n    {THEN}",
        "a number from 1 to 365 is expected",
    ),
    (
        f"when: {{event: date_reached, field: birthdy, at: '09:00'}}\n    {THEN}",
        "patients have no date birthdy; did you mean birthday?",
    ),
    (
        f"when: {{event: date_reached, record: note, field: text, at: '09:00'}}\n    {THEN}",
        "note has no date text",
    ),
    (
        f"when: {{event: date_reached, field: birthday, at: soon}}\n    {THEN}",
        "a time of day is expected",
    ),
    (
        f"when: {{event: schedule, cron: '* * * * *', zone: UTC}}\n    {THEN}",
        "a schedule comes once an hour at most",
    ),
    (f"when: {{event: schedule, cron: '0 8', zone: UTC}}\n    {THEN}", "five parts"),
    (
        f"when: {{event: schedule, cron: '0 8 * * 1', zone: Europe/Brelin}}\n    {THEN}",
        "there is no time zone Europe/Brelin",
    ),
    (f"when: {{event: hook_called, hook: A b}}\n    {THEN}", "a hook is named by small letters"),
    (f"when: {{event: consent_given, consent: fax}}\n    {THEN}", "there is no consent fax"),
    (
        "when: {event: patient_created}\n    then: [{do: change_phase, task: survey}]",
        "phase is missing; change_phase needs it",
    ),
    (
        "when: {event: patient_created}\n    then: [{do: write_record, record: note}]",
        "text does not fit note",
    ),
]


@pytest.mark.parametrize(("lines", "text"), CASES, ids=[text for _, text in CASES])
def test_what_does_not_go_together_is_said(lines: str, text: str) -> None:
    with pytest.raises(ProgramFileError) as caught:
        parse(f"{PROGRAM}  - name: p\n    {lines}\n")
    assert any(text in problem.text for problem in caught.value.problems), [
        problem.text for problem in caught.value.problems
    ]


def test_working_hours_are_times_and_days() -> None:
    with pytest.raises(ProgramFileError) as caught:
        parse("program: P\nworking_hours: {days: [], start: '9', end: '08:00', closed: [soon]}\n")
    assert {(problem.path, problem.text) for problem in caught.value.problems} == {
        ("working_hours.start", "a time of day is expected, such as 09:00"),
        ("working_hours.days", "name at least one day"),
        ("working_hours.closed[0]", "a day is expected, such as 2026-12-25"),
    }
    with pytest.raises(ProgramFileError):
        parse("program: P\nworking_hours: {start: '09:00', end: '08:00'}\n")


CIRCLE = """
  - name: one
    when: {event: phase_entered, phase: intake}
    then: [{do: write_record, record: note, values: [{field: text, is: x}]}]
  - name: two
    when: {event: record_written}
    then: [{do: change_phase, phase: intake}]
"""


def test_processes_that_start_each_other_are_refused_and_those_that_cannot_are_not() -> None:
    with pytest.raises(ProgramFileError) as caught:
        parse(PROGRAM + CIRCLE)
    assert [problem.text for problem in caught.value.problems] == [
        "this acts on its own effects: one starts two starts one. Take one of them out, or narrow a"
        " trigger to what the others do not cause",
        "this acts on its own effects: two starts one starts two. Take one of them out, or narrow a"
        " trigger to what the others do not cause",
    ]
    parse(PROGRAM + CIRCLE.replace("phase: intake}]", "phase: active}]"))
    silent = """
  - name: silent
    when: {event: no_activity, activity: [%s], days: 9}
    then: [{do: write_record, record: note, values: [{field: text, is: x}]}]
"""
    parse(PROGRAM + silent % "messages")
    with pytest.raises(ProgramFileError):
        parse(PROGRAM + silent % "messages, records")
    own = "  - name: own\n    when: {event: phase_left, phase: intake}\n    then: [{do: change_phase, phase: %s}]\n"
    parse(PROGRAM + own % "ended")
    with pytest.raises(ProgramFileError):
        parse(PROGRAM + (own % "ended").replace(", phase: intake", ""))


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        ("{days: 2, until: '09:00'}", "2 days, then until 09:00 where the patient lives"),
        ("{hours: 1, working_hours: true}", "1 hour, then in working hours"),
        (
            "{for: {event: consent_given, consent: sms}, days: 30, working_hours: true}",
            "until the patient consents to SMS, at most 30 days; it acts when that happens, and"
            " ends when it does not, in working hours",
        ),
    ],
)
def test_a_wait_is_told_in_the_order_in_which_it_goes(wait: str, words: str) -> None:
    source = f"  - name: p\n    when: {{event: patient_created}}\n    wait: {wait}\n    {THEN}\n"
    design = parse(PROGRAM + source)
    (process,) = design.processes
    assert process_words.wait(process.wait, titles_in(design)) == words
