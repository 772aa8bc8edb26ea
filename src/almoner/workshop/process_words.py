"""A process in plain sentences, as designers and coaches read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from almoner.resources._contact_channels import CONTACT_CHANNELS
from almoner.workshop.process_design import (
    GROUPS,
    Process,
    ProcessAction,
    ProcessCondition,
    ProcessConditions,
    Wait,
)
from almoner.workshop.published_programs import Outline
from almoner.workshop.questions import test_in_words
from almoner.workshop.titles import Titles
from almoner.workshop.trigger_design import Trigger

# Of a process that the program has no more.
GONE: Final = (
    "It is gone from the program. What waits still acts, as its version says, unless it is paused."
)
_RULES: Final = {
    "round_robin": ", each in turn",
    "same_as_appointment": ", whose appointment it is",
}


def titles_of(outline: Outline) -> Titles:
    """What the phases, appointments, tasks and roles of a program are called."""
    return {
        (group, item.name): item.title or item.name
        for group in ("phases", "appointment_types", "task_types", "roles")
        for item in getattr(outline, group)
    }


def _consent(name: str, otherwise: str) -> str:
    channel = CONTACT_CHANNELS.get(name)
    return channel.within if channel is not None else otherwise


def _of(titles: Titles, group: str, name: str) -> str:
    return titles.get((group, name), name)


def trigger(when: Trigger, titles: Titles) -> str:
    """What starts a process: ``Mood check is finished``."""
    phase, record = (
        _of(titles, "phases", when.phase),
        _of(titles, "custom_data_types", when.record),
    )
    appointment = _of(titles, "appointment_types", when.appointment) or "an appointment"
    assessment = _of(titles, "assessments", when.assessment) or "an assessment"
    hours = _number(when.hours or 0, "hour")
    consent = _consent(when.consent, "something")
    return {
        "patient_created": "a patient is created",
        "phase_entered": f"the phase {phase} is entered" if phase else "a phase is entered",
        "phase_left": f"the phase {phase} is left" if phase else "a phase is left",
        "assessment_finished": f"{assessment} is finished",
        "record_written": f"a record of {record} is written" if record else "a record is written",
        "message_received": "a message is received",
        "appointment_booked": f"{appointment} is booked",
        "appointment_missed": f"{appointment} is missed",
        "appointment_ahead": f"{hours} before {appointment}",
        "consent_given": f"the patient consents to {consent}",
        "no_activity": f"there are no {_or(when.activity)} for {_number(when.days or 0, 'day')}",
        "date_reached": _date(when, titles),
        "schedule": f"the schedule {when.cron} ({when.zone}) comes round",
        "hook_called": f"another system calls the hook {when.hook}",
    }.get(str(when.event), str(when.event))


def _date(when: Trigger, titles: Titles) -> str:
    """``3 days after the patient's birthday at 09:00, every year``."""
    record = _of(titles, "custom_data_types", when.record)
    whose = f"{when.field} of {record}" if record else f"the patient's {when.field}"
    days = when.days or 0
    way = f"{_number(abs(days), 'day')} {'after' if days > 0 else 'before'}" if days else "it is"
    return f"{way} {whose.replace('_', ' ')} at {when.at}{', every year' if when.yearly else ''}"


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _or(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def condition(looked_at: ProcessCondition, titles: Titles) -> str:
    """What must hold: ``the band of Mood check is moderate``."""
    if looked_at.of in GROUPS:
        inside = [condition(each, titles) for each in looked_at.conditions]
        text = f"({(' and ' if looked_at.of == 'all' else ' or ').join(inside)})"
        return f"not: {text}" if looked_at.negated else text
    assessment = _of(titles, "assessments", looked_at.assessment)
    of = f" of {assessment}" if assessment else ""
    named = {
        "patient": f"the patient's {looked_at.field.replace('_', ' ')}",
        "answer": f"{looked_at.field}{of}",
        "score": f"the score{of}",
        "band": f"the band{of}",
        "record": f"{looked_at.field} of {_of(titles, 'custom_data_types', looked_at.record)}",
        "consent": f"the consent to {_consent(looked_at.field, looked_at.field)}",
    }.get(looked_at.of, looked_at.of)
    text = test_in_words(looked_at, named)
    return f"not: {text}" if looked_at.negated else text


def conditions(of: ProcessConditions, titles: Titles) -> str:
    """All that must hold, as part of a sentence; blank where nothing must."""
    some = " or ".join(condition(each, titles) for each in of.some)
    every = [condition(each, titles) for each in of.every]
    is_mixed = len(of.some) > 1 and every
    return " and ".join([*every, *([f"({some})" if is_mixed else some] if some else [])])


def wait(of: Wait | None, titles: Titles) -> str:
    """How long is waited: ``2 days, then until 09:00``; blank where nothing is waited for."""
    if of is None:
        return ""
    parts = [
        _number(number, word)
        for number, word in ((of.days, "day"), (of.hours, "hour"), (of.minutes, "minute"))
        if number
    ]
    until = f"until {of.until} where the patient lives" if of.until else ""
    hours = "in working hours" if of.working_hours else ""
    length = ", then ".join(filter(None, (" and ".join(parts), until)))
    if of.awaited is None:
        return ", then ".join(filter(None, (length, hours)))
    ends = {"act": "acts", "end": "ends"}
    within = f", {hours}" if hours else ""
    return (
        f"until {trigger(of.awaited, titles)}, at most {length}; it {ends[of.happened]} when that"
        f" happens, and {ends[of.otherwise]} when it does not{within}"
    )


def action(step: ProcessAction, titles: Titles) -> str:
    """What is done: ``start the care flow Low mood``."""
    role = _of(titles, "roles", step.role)
    return {
        "start_care_flow": f"start the care flow {step.care_flow}",
        "give_task": f"give the task {_of(titles, 'task_types', step.task)}",
        "change_phase": f"change the phase to {_of(titles, 'phases', step.phase)}",
        "send_message": f"send the message {step.message}",
        "assign_coach": f"assign a coach of the role {role}{_RULES.get(step.rule, '')}",
        "make_alert": f"alert everybody of the role {role}: {step.text}",
        "call_webhook": f"call the webhook {step.webhook}",
        "write_record": f"write a record of {_of(titles, 'custom_data_types', step.record)}",
    }.get(str(step.do), str(step.do))


def lines(process: Process, titles: Titles) -> list[tuple[str, str]]:
    """A process line by line, each with the word that it begins with."""
    pairs = [
        ("When", trigger(process.when, titles)),
        ("If", conditions(process.conditions, titles)),
        ("Wait", wait(process.wait, titles)),
        *(
            ("Then" if number == 0 else "and", action(each, titles))
            for number, each in enumerate(process.actions)
        ),
    ]
    return [(word, text) for word, text in pairs if text]


def summary(process: Process, titles: Titles) -> str:
    """A process in a line."""
    return ", ".join(f"{word.lower()} {text}" for word, text in lines(process, titles))
