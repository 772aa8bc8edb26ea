"""What a merge of records means for a query: which are current, which one goes on for another,
which ones a record is made of.

In each statement ``$1`` is the environment.
"""

from __future__ import annotations


def is_current(patient_id: str) -> str:
    """The condition that this record was merged into no other."""
    return (
        "NOT EXISTS (SELECT FROM patient_merges pm WHERE pm.environment_id = $1 AND pm.patient_id"
        f" = {patient_id})"
    )


def kept_id(patient_id: str) -> str:
    """The id of the record that this one was merged into; null where it is current."""
    return (
        "(SELECT pm.kept_id FROM patient_merges pm WHERE pm.environment_id = $1 AND pm.patient_id"
        f" = {patient_id})"
    )


def with_merged(patient_id: str) -> str:
    """The ids of a current record and of those that were merged into it, for an ``IN``."""
    return (
        f"SELECT {patient_id}::uuid UNION ALL SELECT pm.patient_id FROM patient_merges pm WHERE"
        f" pm.environment_id = $1 AND pm.kept_id = {patient_id}"
    )
