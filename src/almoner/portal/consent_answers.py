"""What a patient says of a consent of one of their rows: yes, no, or nothing yet, since nobody
asked. It is said in these three wherever it is said.
"""

from __future__ import annotations

from typing import Literal

Answer = Literal["yes", "no", "never asked"]


def answer(is_granted: bool, was_answered: bool) -> Answer:
    """What a patient says of a consent. Who was never asked has refused nothing."""
    if is_granted:
        return "yes"
    return "no" if was_answered else "never asked"


def answer_sql(row: str, patient: str, consent: str) -> str:
    """The same in SQL, of a consent of ``row``, of the patient whose id is ``patient``; ``$1``
    is the environment. One that is not given was refused where a record says so, or another system
    has changed it: what a row began with says nothing. A row that nobody changed is in no need of
    the change log.
    """
    return f"""CASE WHEN {row}.{consent} THEN 'yes'
  WHEN EXISTS (SELECT FROM consent_records k WHERE k.environment_id = $1 AND k.row_id = {row}.id
      AND k.consent = '{consent}') THEN 'no'
  WHEN {row}.updated_at > {row}.created_at AND EXISTS (SELECT FROM changes c
    WHERE c.environment_id = $1 AND c.patient_id = {patient} AND c.row_id = {row}.id
      AND c.kind = 'update' AND '{consent}' = ANY (c.fields)) THEN 'no'
  ELSE 'never asked' END"""
