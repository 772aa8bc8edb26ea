"""What a process does for a patient: each action writes through the store, in the transaction of
its firing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from almoner.data_api.declare import Row
from almoner.pages.message_words import message_words
from almoner.processes import webhooks
from almoner.processes.acting import Acting, ActionError
from almoner.processes.consents import CONSENTS
from almoner.vocabulary import clocks
from almoner.workshop import goal_target
from almoner.workshop.design import CareFlowTemplate, MessageTemplate
from almoner.workshop.placeholders import filled
from almoner.workshop.process_design import ProcessAction

_OF_ROLE: Final = """
SELECT a.worker_id::text, (SELECT count(*) FROM patients p WHERE p.environment_id = $1
  AND p.coach_id = a.worker_id) AS patients
FROM worker_accounts a WHERE a.environment_id = $1 AND a.disabled_at IS NULL AND $2 = ANY (a.roles)
ORDER BY patients, a.worker_id
"""
# How many a process has assigned by this of its actions. One assigns at a time, so that each comes
# in turn.
_ASSIGNED: Final = """
SELECT count(*) FROM process_firings f JOIN process_effects e ON e.environment_id = $1
  AND e.firing_id = f.id AND e.resource = 'patients' AND e.place = $3
WHERE f.environment_id = $1 AND f.process = $2
"""
_IN_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('assign ' || $2, $1::int))"
_WHOSE: Final = """
SELECT c.worker_id::text FROM calendar_events e
JOIN calendars c ON c.environment_id = $1 AND c.id = e.calendar_id
WHERE e.environment_id = $1 AND e.id = $2
"""
_CONVERSATION: Final = """
SELECT id::text FROM conversations WHERE environment_id = $1 AND user_id = $2
  AND conversation_type = $3 ORDER BY created_at DESC, id DESC LIMIT 1
"""
# Consent to what nobody writes by hand; a number or an address that is there twice is refused where
# either is. It stays as it is until the message is written.
_AUTOMATIC: Final = {
    "phone": f"""
SELECT phone_number AS address, {CONSENTS["sms"]} AS consented
FROM phone_numbers WHERE environment_id = $1 AND user_id = $2 FOR SHARE
""",
    "email": f"""
SELECT lower(email) AS address, {CONSENTS["email"]} AS consented
FROM email_addresses WHERE environment_id = $1 AND user_id = $2 FOR SHARE
""",
}
_KNOWN: Final = """
SELECT w.first_name AS coach_first_name, w.last_name AS coach_last_name,
  w.phone_number AS coach_phone_number, e.appointment_type, e.start_time, e.day
FROM (SELECT) AS nothing
LEFT JOIN workers w ON w.environment_id = $1 AND w.id = $2::uuid
LEFT JOIN calendar_events e ON e.environment_id = $1 AND e.id = $3::uuid
"""
# In which a message goes that is for any type of conversation, the first that may be used.
_CHANNELS: Final = ("phone", "email", "app", "third_party_app")


async def perform(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    """Does an action; the answer is the collection and id of what it wrote, None where nothing was
    left to do. Raises ActionError, and ApiError as the API does.
    """
    return await _DO[action.do](acting, action)


async def _start_care_flow(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    template = _named(acting.program.care_flows, action.care_flow, "care flow")
    patient = await acting.patient()
    workers: dict[str, str | None] = {}
    for step in (step for goal in template.goals for step in goal.interventions):
        if step.assignee not in workers:
            workers[step.assignee] = (
                await _worker_of(acting, step.assignee, patient["coach_id"])
                if step.assignee
                else None
            )
    flow = new_care_flow(template, patient["timezone"], acting.at, workers)
    return await acting.create("care_flows", {"user_id": patient["id"], "care_flow": flow})


def new_care_flow(
    template: CareFlowTemplate, timezone: str, at: datetime, workers: Mapping[str, str | None]
) -> Row:
    """A flow out of a template as it begins at a moment (UTC), with the days where the patient
    lives. ``workers`` has who is meant by each role, None where that is nobody.
    """
    today = clocks.day_of(at, timezone)
    goals = []
    for goal in template.goals:
        steps = []
        for step in goal.interventions:
            due = None if step.due_in_days is None else today + timedelta(days=step.due_in_days)
            steps.append(
                {
                    "title": step.title,
                    "reminder_date": (
                        None if due is None else clocks.iso(clocks.start_of(due, timezone))
                    ),
                    "completed_at": None,
                    "completed_by_worker_id": None,
                    "worker_id": workers[step.assignee],
                    "instructions": step.instructions.strip() or None,
                }
            )
        goals.append(
            {"title": goal.title, "interventions": steps, **goal_target.begun(goal.target, today)}
        )
    return {
        "description": template.description or template.name,
        "diagnosis": template.diagnosis or None,
        "goals": goals,
    }


async def _worker_of(acting: Acting, role: str, coach_id: str | None) -> str | None:
    """Who is meant by a role: the patient's coach where they have it, else who alone has it."""
    rows = await acting.connection.fetch(_OF_ROLE, acting.by.environment_id, role)
    holders = [row["worker_id"] for row in rows]
    if coach_id in holders:
        return coach_id
    return holders[0] if len(holders) == 1 else None


async def _give_task(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    patient = await acting.patient()
    return await acting.create(
        "patient_tasks", {"user_id": patient["id"], "task_type": action.task}
    )


async def _change_phase(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    patient = await acting.patient()
    if patient["phase"] == action.phase:
        return None
    here = next((phase for phase in acting.program.phases if phase.name == patient["phase"]), None)
    if here is not None and here.next is not None and action.phase not in here.next:
        raise ActionError(
            "phase_not_allowed",
            f"The phase {action.phase} does not follow {patient['phase']} in the program. Move the"
            " patient by hand, let it follow in the program, or ask for the phase in the process.",
        )
    return await acting.update_patient(patient["id"], {"phase": action.phase})


async def _assign_coach(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    patient = await acting.patient()
    if patient["coach_id"] is not None:
        return None
    rows = await acting.connection.fetch(_OF_ROLE, acting.by.environment_id, action.role)
    if not rows:
        raise ActionError(
            "nobody_of_role",
            f"Nobody who may sign in has the role {action.role}. Give it to somebody, then try"
            " again.",
        )
    holders = [row["worker_id"] for row in rows]
    coach_id = await _by_rule(acting, action.rule, holders)
    return await acting.update_patient(patient["id"], {"coach_id": coach_id})


async def _by_rule(acting: Acting, rule: str, holders: list[str]) -> str:
    """Who of the holders of a role becomes the coach; they come with the fewest patients first."""
    if rule == "round_robin":
        turn = (acting.by.environment_id, acting.firing.process)
        await acting.connection.execute(_IN_TURN, *turn)
        await acting.effects.write()
        count = await acting.connection.fetchval(_ASSIGNED, *turn, acting.place)
        in_order: str = sorted(holders)[count % len(holders)]
        return in_order
    if rule != "same_as_appointment":
        return holders[0]
    worker: str | None = await acting.connection.fetchval(
        _WHOSE, acting.by.environment_id, acting.firing.event["row_id"]
    )
    if worker not in holders:
        raise ActionError(
            "not_of_role",
            "Whose appointment it is has not the role that the process asks for. Give it to them,"
            " or assign a coach by hand.",
        )
    return worker


async def _make_alert(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    patient = await acting.patient()
    row = {"patient_id": patient["id"], "alert_type": "process"}
    return await acting.create("alerts", row | {"role": action.role, "text": action.text})


async def _call_webhook(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    connection, environment_id = acting.connection, acting.by.environment_id
    if not await webhooks.is_declared(connection, environment_id, action.webhook):
        raise ActionError("webhook_unknown", webhooks.unknown(action.webhook))
    acting.effects.writes += 1
    await webhooks.schedule(
        connection, environment_id, acting.firing.id, name=action.webhook, place=acting.place
    )
    return None


async def _write_record(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    patient = await acting.patient()
    row = {
        "user_id": patient["id"],
        "type_name": action.record,
        "body": {value.field: value.equals for value in action.values},
    }
    return await acting.create("custom_data_type_records", row)


async def _send_message(acting: Acting, action: ProcessAction) -> tuple[str, str] | None:
    template = _named(acting.program.message_templates, action.message, "message template")
    patient = await acting.patient()
    if patient["coach_id"] is None:
        raise ActionError(
            "no_coach",
            "The patient has no coach in whose name the message could be sent. Assign one, then"
            " try again.",
        )
    text, unknown = filled(template.body, await _words(acting, patient))
    if unknown:
        names = ", ".join(f"{{{{{name}}}}}" for name in unknown)
        raise ActionError(
            "unknown_words",
            f"Nothing is known for {names}, which the message needs. Add it, or take it out of the"
            " template.",
        )
    channel = await _channel(acting, template, patient["id"])
    conversation = await acting.connection.fetchval(
        _CONVERSATION, acting.by.environment_id, patient["id"], channel
    )
    if conversation is None:
        row = {"user_id": patient["id"], "conversation_type": channel}
        _, conversation = await acting.create("conversations", row)
    message = {
        "user_id": patient["id"],
        "worker_id": patient["coach_id"],
        "conversation_id": conversation,
        "direction": "outbound",
        "contents": text.strip("\n"),
        "automatically_sent": True,
    }
    return await acting.create("messages", message)


async def _channel(acting: Acting, template: MessageTemplate, patient_id: str) -> str:
    """The type of conversation that the message may go in. Raises ActionError."""
    channels = _CHANNELS if template.channel == "any" else (template.channel,)
    for channel in channels:
        statement = _AUTOMATIC.get(channel)
        if statement is None:
            if template.channel != "any" or await acting.connection.fetchval(
                _CONVERSATION, acting.by.environment_id, patient_id, channel
            ):
                return channel
            continue
        rows = await acting.connection.fetch(statement, acting.by.environment_id, patient_id)
        refused = {row["address"] for row in rows if not row["consented"]}
        if {row["address"] for row in rows} - refused:
            return channel
    words = {"phone": "automated SMS", "email": "automated e-mail"}
    asked = " or ".join(words[channel] for channel in channels if channel in words)
    raise ActionError(
        "no_consent",
        f"The patient has not consented to {asked}. Record the consent, then try again.",
    )


async def _words(acting: Acting, patient: Mapping[str, Any]) -> dict[str, str]:
    """What stands for the placeholders of a message, as far as it is known. The appointment is the
    one that set the process off.
    """
    event = acting.firing.event
    appointment = event["row_id"] if event["resource"] == "calendar_events" else None
    known = await acting.connection.fetchrow(
        _KNOWN, acting.by.environment_id, patient["coach_id"], appointment
    )
    titles = {kind.name: kind.title or kind.name for kind in acting.program.appointment_types}
    return message_words(
        {**patient, **known}, acting.program.name, lambda name: titles.get(name, name)
    )


def _named(group: Any, name: str, what: str) -> Any:
    item = next((each for each in group if each.name == name), None)
    if item is None:
        _gone(name, what)
    return item


def _gone(name: str, what: str) -> NoReturn:
    raise ActionError("not_in_program", f"The program has no {what} {name} any more.")


_DO: Final[Mapping[str, Callable[[Acting, ProcessAction], Awaitable[tuple[str, str] | None]]]] = {
    "start_care_flow": _start_care_flow,
    "give_task": _give_task,
    "change_phase": _change_phase,
    "send_message": _send_message,
    "assign_coach": _assign_coach,
    "write_record": _write_record,
    "make_alert": _make_alert,
    "call_webhook": _call_webhook,
}
