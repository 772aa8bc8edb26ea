"""Everything that can be wrong with a process, and processes that would set each other off for
ever.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date, time
from functools import partial
from typing import Any, Final

from msgspec import Struct

from almoner.resources import BY_NAME
from almoner.vocabulary import cron
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import TIMEZONES, IsoDate
from almoner.workshop import questions
from almoner.workshop.assessment_design import Assessment
from almoner.workshop.design import CustomDataType, ProgramDesign
from almoner.workshop.design_problem import DesignProblem, instead, short
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.process_design import (
    ACTIONS,
    CHOSEN,
    CONDITIONS,
    CONSENTS,
    GROUPS,
    RULES,
    Process,
    ProcessAction,
    ProcessCondition,
    Wait,
    WorkingHours,
)
from almoner.workshop.question_checks import NO_TEST, TESTS, tests_of
from almoner.workshop.shape import walk
from almoner.workshop.trigger_design import BY_CLOCK, Trigger

Known = Mapping[str, Mapping[str, Any]]
# Fields of a patient that a condition may look at, by their names in the API.
PATIENT_FIELDS: Final = tuple(
    field.name
    for field in BY_NAME["patients"].stored
    if field.name not in ("id", "created_at", "updated_at")
)
_NOT_ACTIVE: Final = (
    "this acts on its own effects: {chain}. Take one of them out, or narrow a trigger to what the"
    " others do not cause"
)


PATIENT_DATES: Final = tuple(
    field.name for field in BY_NAME["patients"].stored if isinstance(field.kind, IsoDate)
)
# Nobody understands a condition that is nested deeper.
DEEPEST_GROUPS: Final = 6
_LONGEST_SILENCE: Final = 365
HOOK_NAME: Final = re.compile(r"[a-z0-9_]{1,64}")


def of_trigger(trigger: Trigger, path: str, known: Known) -> Iterator[DesignProblem]:
    """What is wrong with a trigger by itself, and with what it names."""
    needed = {"hours", "field", "at", "cron", "zone", "hook", "activity"}
    is_silence = trigger.event == "no_activity"
    yield from _members(trigger, path, needed | ({"days"} if is_silence else set()))
    if is_silence and trigger.days and not 0 < trigger.days <= _LONGEST_SILENCE:
        text = f"a number from 1 to {_LONGEST_SILENCE} is expected"
        yield DesignProblem(f"{path}.days", text)
    if trigger.consent:
        yield from _listed(trigger.consent, CONSENTS, f"{path}.consent", "there is no consent")
    if trigger.at and moment_of(trigger.at) is None:
        yield DesignProblem(f"{path}.at", "a time of day is expected, such as 09:00")
    if trigger.zone:
        yield from _listed(trigger.zone, TIMEZONES, f"{path}.zone", "there is no time zone")
    if trigger.cron:
        yield from _of_cron(trigger.cron, f"{path}.cron")
    if trigger.hook and not HOOK_NAME.fullmatch(trigger.hook):
        text = "a hook is named by small letters, digits and underscores"
        yield DesignProblem(f"{path}.hook", text)
    if trigger.event == "date_reached" and trigger.field:
        yield from _of_date(trigger, f"{path}.field", known)


def _of_cron(text: str, path: str) -> Iterator[DesignProblem]:
    refusal = cron.refusal(text)
    if refusal:
        yield DesignProblem(path, refusal)
    elif not text.split()[0].isdigit():
        what = "a schedule comes once an hour at most; begin it with one minute, such as 0"
        yield DesignProblem(path, what)


def _of_date(trigger: Trigger, path: str, known: Known) -> Iterator[DesignProblem]:
    if not trigger.record:
        yield from _listed(trigger.field, PATIENT_DATES, path, "patients have no date")
    elif trigger.record in known["custom_data_types"]:
        record: CustomDataType = known["custom_data_types"][trigger.record]
        dates = [field.name for field in record.fields if field.kind == "date"]
        text = f"{short(trigger.record)} has no date"
        yield from _listed(trigger.field, dates, path, text, "custom_data_types")


def of_condition(condition: ProcessCondition, path: str, known: Known) -> Iterator[DesignProblem]:
    """What is wrong with one condition by itself, and with what it names."""
    of = condition.of
    needed = ("field", "record", "conditions")
    yield from _members(condition, path, needed)
    tests = tests_of(condition)
    if of in GROUPS:
        if tests:
            text = f"a group has no test of its own; give {tests[0]} to a condition in it"
            yield DesignProblem(path, text)
        return
    if not tests:
        yield DesignProblem(path, NO_TEST, rests_on=(path,))
    elif len(tests) > 1:
        yield DesignProblem(path, f"exactly one test is expected, not {' and '.join(tests)}")
    field = condition.field
    if of == "patient" and field:
        yield from _listed(field, PATIENT_FIELDS, f"{path}.field", "patients have no field")
    elif of == "consent" and field:
        yield from _listed(field, CONSENTS, f"{path}.field", "there is no consent")
    elif of == "record" and condition.record in known["custom_data_types"]:
        record: CustomDataType = known["custom_data_types"][condition.record]
        yield from _of_fields(condition, record.fields, tests, path, "custom_data_types")
    elif condition.assessment in known["assessments"]:
        yield from _of_answers(condition, known["assessments"][condition.assessment], tests, path)


def _of_answers(
    condition: ProcessCondition, assessment: Assessment, tests: list[str], path: str
) -> Iterator[DesignProblem]:
    """What a condition asks about the answers to an assessment that is known."""
    at = f"{path}.of"
    if condition.of == "answer":
        yield from _of_fields(condition, assessment.questions, tests, path, "assessments")
    elif condition.of in ("score", "band") and assessment.scoring is None:
        text = f"{short(assessment.id)} has no {condition.of}, since it is not scored"
        yield DesignProblem(at, text, rests_on=("assessments",))
    elif condition.of == "score" and any("number" not in TESTS[test][1] for test in tests):
        yield DesignProblem(path, "a score is a number; compare it with one")
    elif condition.of == "band" and assessment.scoring is not None:
        bands = [band.name for band in assessment.scoring.bands]
        if any("choice" not in TESTS[test][1] for test in tests):
            yield DesignProblem(path, "a band is a name; use is, one_of or answered")
        for name in (condition.equals, *condition.one_of):
            if name is not None and name not in bands:
                text = f"{short(assessment.id)} has no band {short(name)}"
                hint = partial(instead, str(name), bands)
                yield DesignProblem(path, text, rests_on=("assessments",), hint=hint)


def _of_fields(
    condition: ProcessCondition, fields: Any, tests: list[str], path: str, group: str
) -> Iterator[DesignProblem]:
    named = {field.name: field for field in fields}
    if condition.field and condition.field not in named:
        yield from _listed(condition.field, named, f"{path}.field", "there is no field", group)
        return
    kind = FIELD_KINDS.get(named[condition.field].kind) if condition.field else None
    for test in tests if kind else ():
        assert kind is not None
        if kind.answer not in TESTS[test][1]:
            usable = ", ".join(name for name, (_, fit) in TESTS.items() if kind.answer in fit)
            text = f"{test} does not go with {short(condition.field)}; these do: {usable}"
            yield DesignProblem(f"{path}.{test}", text, rests_on=(group,))


def of_wait(wait: Wait, path: str, known: Known) -> Iterator[DesignProblem]:
    if wait.until and moment_of(wait.until) is None:
        yield DesignProblem(f"{path}.until", "a time of day is expected, such as 09:00")
    is_timed = wait.days or wait.hours or wait.minutes or wait.until
    if not (is_timed or wait.working_hours or wait.awaited):
        yield DesignProblem(path, "it waits for nothing; say how long, or leave the wait out")
    if wait.awaited is None:
        for name, usual in (("happened", "act"), ("otherwise", "end")):
            if getattr(wait, name) != usual:
                yield DesignProblem(f"{path}.{name}", f"{name} goes with for alone")
        return
    if not is_timed:
        text = "say how long it waits at most: days, hours, minutes or until"
        yield DesignProblem(path, text, rests_on=(f"{path}.days",))
    if wait.happened == wait.otherwise == "end":
        yield DesignProblem(f"{path}.otherwise", "it would never act; let one of both be act")
    if wait.awaited.event in BY_CLOCK:
        text = f"{wait.awaited.event} comes with the time; wait for days, hours or until instead"
        yield DesignProblem(f"{path}.for.event", text)


def of_working_hours(hours: WorkingHours, path: str, known: Known) -> Iterator[DesignProblem]:
    start, end = moment_of(hours.start), moment_of(hours.end)
    for name, moment in (("start", start), ("end", end)):
        if moment is None:
            yield DesignProblem(f"{path}.{name}", "a time of day is expected, such as 09:00")
    if start and end and start >= end:
        yield DesignProblem(f"{path}.end", "this must be later than start")
    if not hours.days:
        yield DesignProblem(f"{path}.days", "name at least one day")
    for number, day in enumerate(hours.closed):
        if day_of(day) is None:
            yield DesignProblem(f"{path}.closed[{number}]", "a day is expected, such as 2026-12-25")


def day_of(text: str) -> date | None:
    """The day that this text says; None where it says none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def moment_of(text: str) -> time | None:
    """The time of day that this text says; None where it says none."""
    hours, colon, minutes = text.partition(":")
    is_written = colon and len(hours) in (1, 2) and len(minutes) == 2
    if not (is_written and text.isascii() and hours.isdigit() and minutes.isdigit()):
        return None
    return time(int(hours), int(minutes)) if int(hours) < 24 and int(minutes) < 60 else None


def of_action(action: ProcessAction, path: str, known: Known) -> Iterator[DesignProblem]:
    """What is wrong with one action; the fields of a record are checked as the API would."""
    needed = {name for names in ACTIONS.values() for name in names} - {"values", "rule"}
    yield from _members(action, path, needed)
    if action.rule:
        yield from _listed(action.rule, RULES[1:], f"{path}.rule", "there is no rule")
    if action.webhook and not HOOK_NAME.fullmatch(action.webhook):
        text = "a webhook is named by small letters, digits and underscores"
        yield DesignProblem(f"{path}.webhook", text)
    record = known["custom_data_types"].get(action.record)
    if action.do == "write_record" and record is not None:
        unfit: Problems = []
        body = {value.field: value.equals for value in action.values}
        questions.of_custom_data_type(record, 0).keep(body, "", unfit)
        for problem in unfit:
            where = problem.extra["path"].removeprefix(".")
            text = f"{where or 'it'} does not fit {short(action.record)}: {problem.detail}"
            yield DesignProblem(path, text, rests_on=("custom_data_types", f"{path}.values"))


def of_process(process: Process, path: str, known: Known) -> Iterator[DesignProblem]:
    if not process.actions:
        yield DesignProblem(path, "then is missing; say what is done", rests_on=(f"{path}.then",))
    if not process.when.event.startswith("appointment"):
        for number, action in enumerate(process.actions):
            if action.rule == "same_as_appointment":
                text = f"{process.when.event} is about no appointment"
                yield DesignProblem(f"{path}.then[{number}].rule", text)
    if process.when.event == "assessment_finished":
        assessment = known["assessments"].get(process.when.assessment)
    else:
        assessment = None
    for at, condition in walk(process.conditions, f"{path}.if"):
        if not isinstance(condition, ProcessCondition):
            continue
        if at.count("[") - path.count("[") > DEEPEST_GROUPS:
            yield DesignProblem(at, f"groups stand {DEEPEST_GROUPS} deep at most")
            return
        if "assessment" not in CONDITIONS.get(condition.of, ()) or condition.assessment:
            continue
        if assessment is not None:
            yield from _of_answers(condition, assessment, tests_of(condition), at)
        elif process.when.event != "assessment_finished" or condition.of == "answer":
            text = "assessment is missing; name the one whose answers are looked at"
            yield DesignProblem(at, text, rests_on=(f"{at}.assessment",))


def of_program(design: ProgramDesign, path: str, known: Known) -> Iterator[DesignProblem]:
    """Processes whose effects start themselves again, by themselves or by way of others."""
    for number, process in enumerate(design.processes):
        chain = _circle(process, design)
        if chain:
            text = _NOT_ACTIVE.format(chain=" starts ".join(short(name) for name in chain))
            yield DesignProblem(f"processes[{number}].then", text, rests_on=("processes",))


def _circle(first: Process, design: ProgramDesign) -> list[str]:
    """The shortest way from a process back to itself; empty where there is none."""
    ways = [[first]]
    visited: set[str] = set()
    while ways:
        way = ways.pop(0)
        for other in design.processes:
            if not starts(way[-1], other):
                continue
            if other.name == first.name:
                return [*(each.name for each in way), first.name]
            if other.name not in visited:
                visited.add(other.name)
                ways.append([*way, other])
    return []


def starts(process: Process, other: Process) -> bool:
    """Whether what one process does may start another, whatever their conditions say."""
    return any(_starts(process, action, other.when) for action in process.actions)


def _starts(process: Process, action: ProcessAction, when: Trigger) -> bool:
    if action.do == "write_record":
        writes_date = any(value.field == when.field for value in action.values)
        return (
            # A silence that ends with a record begins anew.
            (when.event == "no_activity" and "records" in when.activity)
            or (when.event == "record_written" and when.record in ("", action.record))
            or (when.event == "date_reached" and when.record == action.record and writes_date)
        )
    if action.do != "change_phase":
        return False
    if when.event == "phase_entered":
        return when.phase in ("", action.phase)
    return when.event == "phase_left" and when.phase != action.phase and not _is_left(process, when)


def _is_left(process: Process, when: Trigger) -> bool:
    """Whether the patient cannot be in the phase any more that a trigger waits to see left."""
    own = process.when
    return (
        bool(when.phase)
        and not process.wait
        and (
            (own.event == "phase_left" and own.phase == when.phase)
            or (own.event == "phase_entered" and bool(own.phase) and own.phase != when.phase)
        )
    )


def _members(part: Struct, path: str, needed: Collection[str]) -> Iterator[DesignProblem]:
    """Members that do not go with what was chosen, and those that it needs."""
    decides, takes = CHOSEN[type(part)]
    chosen = getattr(part, decides)
    known = dict.fromkeys(name for names in takes.values() for name in names)
    for name in known:
        is_present = bool(getattr(part, name))
        if is_present and name not in takes.get(chosen, ()):
            text = f"{name} does not go with {short(chosen)}"
            yield DesignProblem(f"{path}.{name}", text, rests_on=(f"{path}.{decides}",))
        elif not is_present and name in takes.get(chosen, ()) and name in needed:
            text = f"{name} is missing; {short(chosen)} needs it"
            yield DesignProblem(path, text, rests_on=(f"{path}.{name}",))


def _listed(
    name: str, among: Any, path: str, text: str, group: str = ""
) -> Iterator[DesignProblem]:
    if name not in among:
        hint = partial(instead, name, list(among))
        rests_on = (group,) if group else ()
        yield DesignProblem(path, f"{text} {short(name)}", rests_on=rests_on, hint=hint)
