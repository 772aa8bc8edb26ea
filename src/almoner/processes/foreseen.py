"""Why an action could not be done for a patient, as far as it can be seen without doing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from almoner.processes.consents import CONSENTS
from almoner.processes.facts import FactRows
from almoner.processes.lacking import Need
from almoner.workshop.design import ProgramDesign
from almoner.workshop.process_design import Process, ProcessAction
from almoner.workshop.published_programs import Outline

# Consent to what nobody writes by hand, as the action asks for it when it sends; and whether there
# is a conversation of a type that asks for none.
_AUTOMATIC: Final = f"""
SELECT (SELECT bool_or(consented) FROM (
    SELECT bool_and({CONSENTS["sms"]}) AS consented
    FROM phone_numbers
    WHERE environment_id = $1 AND user_id = of.id GROUP BY phone_number) AS numbers) AS phone,
  (SELECT bool_or(consented) FROM (
    SELECT bool_and({CONSENTS["email"]}) AS consented
    FROM email_addresses
    WHERE environment_id = $1 AND user_id = of.id GROUP BY lower(email)) AS addresses) AS email,
  (SELECT true FROM conversations WHERE environment_id = $1 AND user_id = of.id
    AND conversation_type IN ('app', 'third_party_app') LIMIT 1) AS app
"""
# Which roles the worker has whose appointment it is.
_ROLES: Final = """
SELECT a.roles FROM calendar_events e
JOIN calendars c ON c.environment_id = $1 AND c.id = e.calendar_id
JOIN worker_accounts a ON a.environment_id = $1 AND a.worker_id = c.worker_id
  AND a.disabled_at IS NULL
WHERE e.environment_id = $1 AND e.id = of.id LIMIT 1
"""
# By the channel of a template: the consents that let it go, and what they are to.
_CONSENT_TO: Final = {
    "phone": (("phone",), "automated SMS"),
    "email": (("email",), "automated e-mail"),
    "any": (("phone", "email", "app"), "automated SMS or automated e-mail"),
}


@dataclass(frozen=True)
class Case:
    """A patient as they are now, for whom the row of an event would set a process of a program
    off.
    """

    rows: FactRows
    design: ProgramDesign | Outline
    patient: Mapping[str, Any]
    event_row: str


async def foreseen(case: Case, process: Process, missing: Sequence[Need]) -> list[str]:
    """Why actions could not be done, in their order, each after those before it: a coach that one
    assigns is there for the next. ``missing`` is what the process needs that the environment does
    not have.
    """
    lacking = {need.place: need.text for need in missing}
    problems = []
    for place, action in enumerate(process.actions):
        if action.do == "assign_coach" and case.patient["coach_id"] is not None:
            continue
        problem = lacking.get(place, "")
        if not problem and action.do in _OF:
            problem = await _OF[action.do](case, action)
        if problem:
            problems.append(problem)
        else:
            case = replace(case, patient=_after(action, case.patient))
    return problems


def _after(action: ProcessAction, patient: Mapping[str, Any]) -> Mapping[str, Any]:
    """The patient as an action leaves them, as far as later ones ask."""
    if action.do == "assign_coach":
        return {**patient, "coach_id": "assigned"}
    if action.do == "change_phase":
        return {**patient, "phase": action.phase}
    return patient


async def _of_message(case: Case, action: ProcessAction) -> str:
    templates = {each.name: each for each in case.design.message_templates}
    if action.message not in templates:
        return f"The program has no message template {action.message}."
    if case.patient["coach_id"] is None:
        return "The patient has no coach in whose name the message could be sent."
    channel = templates[action.message].channel
    if channel not in _CONSENT_TO:
        return ""
    which, to = _CONSENT_TO[channel]
    consents = await case.rows.about(case.patient["id"], _AUTOMATIC)
    if consents is not None and any(consents[name] for name in which):
        return ""
    return f"The patient has not consented to {to}."


async def _of_phase(case: Case, action: ProcessAction) -> str:
    phases = {phase.name: phase for phase in case.design.phases}
    here = phases.get(case.patient["phase"])
    if here is None or here.next is None or action.phase in (here.name, *here.next):
        return ""
    return f"The phase {action.phase} does not follow {here.name}, in which the patient is."


async def _of_coach(case: Case, action: ProcessAction) -> str:
    if action.rule != "same_as_appointment":
        return ""
    worker = await case.rows.about(case.event_row, _ROLES, of_event=True)
    if worker is not None and action.role in worker["roles"]:
        return ""
    return f"Whose appointment it is has not the role {action.role}."


async def _of_care_flow(case: Case, action: ProcessAction) -> str:
    if any(each.name == action.care_flow for each in case.design.care_flows):
        return ""
    return f"The program has no care flow {action.care_flow}."


_OF: Final[Mapping[str, Callable[[Case, ProcessAction], Awaitable[str]]]] = {
    "send_message": _of_message,
    "change_phase": _of_phase,
    "assign_coach": _of_coach,
    "start_care_flow": _of_care_flow,
}
