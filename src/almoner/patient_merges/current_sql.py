"""What a merge of records means for a query: which are current, which one goes on for another,
which ones a record is made of, how many there are.

In each statement ``$1`` is the environment.
"""

from __future__ import annotations


def is_current(patient_id: str, at: str = "") -> str:
    """The condition that this record was merged into no other; before the moment ``at``, where that
    is not blank.
    """
    before = f" AND pm.merged_at < {at}" if at else ""
    return (
        "NOT EXISTS (SELECT FROM patient_merges pm WHERE pm.environment_id = $1 AND pm.patient_id"
        f" = {patient_id}{before})"
    )


def kept_id(patient_id: str) -> str:
    """The id of the record that this one was merged into; null where it is current."""
    return (
        "(SELECT pm.kept_id FROM patient_merges pm WHERE pm.environment_id = $1 AND pm.patient_id"
        f" = {patient_id})"
    )


def current_id(patient_id: str) -> str:
    """The id of the record that this one goes on as: its own where it was merged into none."""
    return f"coalesce({kept_id(patient_id)}, {patient_id})"


def with_merged(patient_id: str) -> str:
    """The ids of a current record and of those that were merged into it, for an ``IN``."""
    return (
        f"SELECT {patient_id}::uuid UNION ALL SELECT pm.patient_id FROM patient_merges pm WHERE"
        f" pm.environment_id = $1 AND pm.kept_id = {patient_id}"
    )


def counts_by_phase(conditions: str = "") -> str:
    """``phase`` and ``number`` of current records: of all, less those that were merged, which are
    few. ``conditions`` on columns of patients begin with ``AND``.
    """
    return f"""
SELECT phase, sum(number)::bigint AS number FROM (
  SELECT phase, count(*) AS number FROM patients WHERE environment_id = $1{conditions}
      GROUP BY phase
  UNION ALL
  SELECT phase, -count(*) FROM patient_merges m JOIN patients USING (environment_id)
  WHERE environment_id = $1 AND patients.id = m.patient_id{conditions} GROUP BY phase
) AS parts GROUP BY phase
"""
