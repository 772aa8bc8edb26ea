"""Whom a worker may see: every query of the portal that tells of patients goes through here.

A record that is read by its id is noted as read here, and makes the page one about this patient
(``patient_bar.py``); everybody else whom a page shows is found in the page as it is sent
(``pages/answer_audit.py``)."""

from __future__ import annotations

from typing import Final

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.visit import Visit
from almoner.patient_merges.current_sql import kept_id
from almoner.portal import patient_bar
from almoner.portal.patient import Patient
from almoner.portal.patient_bar import PatientBar
from almoner.resources._consent_answers import answer_sql
from almoner.vocabulary.kinds import Guid
from almoner.vocabulary.names import full_name_sql

# The condition on a patient ``p`` that keeps a role to its own patients; ``$2`` is what ``only_of``
# returns.
OF_WORKER: Final = "($2::uuid IS NULL OR p.coach_id = $2)"

# The numbers of a patient, those first that they agreed to be called at; ``$1`` is the environment.
NUMBERS: Final = f"""
SELECT n.phone_number, coalesce(nullif(n.friendly_name, ''), n.phone_number_type) AS called,
  {answer_sql("n", "n.user_id", "opted_in_to_phone")} AS calls FROM phone_numbers n
WHERE n.environment_id = $1 AND n.user_id = {{id}}
ORDER BY n.opted_in_to_phone DESC, n.updated_at, n.id
"""
_PATIENT = f"""
SELECT p.id::text, p.first_name, p.last_name, p.birthday, p.timezone, p.phase, p.coach_id::text,
  {full_name_sql("w")} AS coach, p.created_at, p.updated_at, m.kept_id::text AS merged_into,
  n.phone_number AS phone, n.calls
FROM patients p
LEFT JOIN workers w ON w.environment_id = p.environment_id AND w.id = p.coach_id
LEFT JOIN patient_merges m ON m.environment_id = p.environment_id AND m.patient_id = p.id
LEFT JOIN LATERAL ({NUMBERS.format(id="p.id")} LIMIT 1) n ON true
WHERE p.environment_id = $1 AND {OF_WORKER} AND p.id = {{id}}
"""
_ITSELF = _PATIENT.format(id="$3")
# A record that was merged leads to the kept one, so that a page that was open meanwhile goes on
# writing to the right one.
_FOLLOWED = _PATIENT.format(id=f"coalesce({kept_id('$3')}, $3)")
_CURRENT = f"SELECT coalesce({kept_id('$2')}, $2)::text"


def only_of(visit: Visit) -> str | None:
    """The worker to whose patients the visitor is kept; None where they may see all."""
    return None if visit.rights.all_patients else visit.worker.worker_id


async def patient(
    visit: Visit, connection: Connection, patient_id: str, itself: bool = False
) -> Patient:
    """The patient of this id, whose reading is noted; the kept one where this record was merged
    into another.

    ``itself``: the record of this id, also where it was merged. Raises a 404 ApiError where there
    is none whom the visitor may see.
    """
    parsed = Guid().decode(patient_id, "", [])
    statement = _ITSELF if itself else _FOLLOWED
    row = parsed and await connection.fetchrow(
        statement, visit.environment_id, only_of(visit), parsed
    )
    if not row:
        raise problem("not_found", "There is no such patient, or your role does not show them.")
    visit.reads.subject(row["id"])
    patient = Patient(**row)
    # A whole page has the bar; one about another patient already stays so.
    about = visit.about
    if not visit.is_fragment and (
        not isinstance(about, PatientBar) or about.patient.id == row["id"]
    ):
        visit.about = patient_bar.of(visit, patient)
    return patient


async def current_id(visit: Visit, connection: Connection, patient_id: str) -> str:
    """The id that this record goes by now: the kept one's, where it was merged into another.

    It tells nothing of the patient, so nothing is noted and nobody's right is looked at; that is
    for whoever goes on with it. Raises a 404 ApiError where the text is no id."""
    parsed = Guid().decode(patient_id, "", [])
    if not parsed:
        raise problem("not_found", "There is no such patient, or your role does not show them.")
    current: str = await connection.fetchval(_CURRENT, visit.environment_id, parsed)
    return current


async def merged_patient(
    visit: Visit, connection: Connection, old_id: str, survivor: Patient
) -> Patient:
    """The record that was merged into ``kept``, whom the visitor may see: it is a part of that one,
    whose ever patient it was.

    Raises a 404 ApiError where it was not.
    """
    row = await connection.fetchrow(_ITSELF, visit.environment_id, None, old_id)
    if not row or row["merged_into"] != survivor.id:
        raise problem("not_found", "No such record was merged into this one.")
    visit.reads.subject(row["id"])
    return Patient(**row)
