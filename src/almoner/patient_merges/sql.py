"""The SQL of a merge: what both records have, and what of the house's own tables moves along. First
parameter: the environment.
"""

from __future__ import annotations

from typing import Final

from almoner.resources import RESOURCES
from almoner.resources.patients import NAME
from almoner.vocabulary.names import full_name_sql

# Parameters: a patient.
ROW: Final = "SELECT row_to_json(p)::text FROM patients p WHERE environment_id = $1 AND id = $2"
_COUNTED = " UNION ALL ".join(
    f"SELECT '{resource.name}' AS name, count(*) AS number FROM {resource.name} "
    f"WHERE environment_id = $1 AND {resource.patient} = $2"
    for resource in RESOURCES
    if resource.patient not in (None, "id")
)
COUNTS: Final = (
    f"{_COUNTED} UNION ALL SELECT 'external_ids', count(*) FROM external_ids "
    "WHERE environment_id = $1 AND welkin_id = $2 AND resource = 'patients'"
)
# Parameters: the kept record, the other one. How much alike their names are, from 0 to 1, in
# whatever order they are written.
LIKENESS: Final = f"""
SELECT similarity(k.{NAME.plain}, o.{NAME.plain})
FROM patients k JOIN patients o ON o.environment_id = $1 AND o.id = $3 WHERE k.environment_id = $1
    AND k.id = $2
"""
# Parameters: a patient. What a duplicate of theirs may have too.
CONTACTS: Final = """
SELECT first_name, last_name, birthday,
  (SELECT min(phone_number) FROM phone_numbers n WHERE n.environment_id = $1
      AND n.user_id = $2) AS phone,
  (SELECT min(email) FROM email_addresses e WHERE e.environment_id = $1 AND e.user_id = $2) AS email
FROM patients WHERE environment_id = $1 AND id = $2
"""
# Parameters: the kept record, the other one.
SAME_NAMESPACE: Final = """
SELECT k.namespace, k.external_id AS survivor, o.external_id AS other, k.id::text AS survivor_row,
    o.id::text AS other_row
FROM external_ids o JOIN external_ids k ON k.environment_id = $1 AND k.welkin_id = $2
    AND k.resource = 'patients'
  AND k.namespace = o.namespace
WHERE o.environment_id = $1 AND o.welkin_id = $3 AND o.resource = 'patients' ORDER BY k.namespace
"""
SAME_TYPE: Final = """
SELECT k.type_name, k.body::text AS survivor, o.body::text AS other, k.id::text AS survivor_row,
    o.id::text AS other_row,
  k.updated_at AS survivor_at, o.updated_at AS other_at
FROM custom_data_type_records o JOIN custom_data_type_records k ON k.environment_id = $1
    AND k.user_id = $2 AND k.single
  AND k.type_name = o.type_name
WHERE o.environment_id = $1 AND o.user_id = $3 AND o.single ORDER BY k.type_name
"""
# Parameters: both records.
LOCK: Final = (
    "SELECT id FROM patients WHERE environment_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR"
    " UPDATE"
)
# A consent that is taken back meanwhile waits, and is refused where its number has become the other
# record's.
LOCK_CONTACTS: Final = tuple(
    f"SELECT id FROM {table} WHERE environment_id = $1 AND user_id = ANY ($2::uuid[]) ORDER BY id"
    " FOR UPDATE"
    for table in ("phone_numbers", "email_addresses")
)
MERGED: Final = (
    "SELECT count(*) FROM patient_merges WHERE environment_id = $1"
    " AND patient_id = ANY ($2::uuid[])"
)
# Parameters: the other record, the mappings that stay with it.
POINTING: Final = """
SELECT id::text, namespace FROM external_ids
WHERE environment_id = $1 AND welkin_id = $2 AND resource = 'patients' AND NOT id = ANY ($3::uuid[])
    ORDER BY id
"""
_SAME_DRAFT = """
SELECT 1 FROM assessment_drafts k
WHERE k.environment_id = $1 AND k.patient_id = {kept} AND k.spec_id = o.spec_id
    AND k.worker_id = o.worker_id
"""
# Parameters: the kept record, the other one. ``both``: whether the same worker has begun the same
# assessment on both.
DRAFTS: Final = f"""
SELECT o.spec_id, {full_name_sql("w")} AS worker, o.saved_at,
    EXISTS ({_SAME_DRAFT.format(kept="$2")}) AS both
FROM assessment_drafts o JOIN workers w ON w.environment_id = $1 AND w.id = o.worker_id
WHERE o.environment_id = $1 AND o.patient_id = $3 ORDER BY o.saved_at
"""
# Parameters of each: the other record, the kept one.
HOUSE_ROWS: Final = (
    """
WITH theirs AS (DELETE FROM timeline_stars WHERE environment_id = $1 AND patient_id = $2
    RETURNING *)
INSERT INTO timeline_stars (environment_id, patient_id, resource, row_id, starred_by, starred_at)
SELECT $1, $3, resource, CASE row_id WHEN $2 THEN $3 ELSE row_id END, starred_by, starred_at
    FROM theirs ON CONFLICT DO NOTHING
""",
    f"""
UPDATE assessment_drafts o SET patient_id = $3
WHERE environment_id = $1 AND patient_id = $2 AND NOT EXISTS ({_SAME_DRAFT.format(kept="$3")})
""",
    "UPDATE patient_merges SET kept_id = $3 WHERE environment_id = $1 AND kept_id = $2",
    """
UPDATE bulk_recipients o SET patient_id = $3 WHERE environment_id = $1 AND patient_id = $2
  AND NOT EXISTS (SELECT FROM bulk_recipients k WHERE k.environment_id = $1 AND k.patient_id = $3
    AND k.bulk_message_id = o.bulk_message_id)
""",
)
# What stays with the other record, by table and column, and how it is reached from the kept one.
STAYING: Final = {
    (
        "assessment_drafts",
        "patient_id",
    ): "one worker began one assessment on both; the page of the merged record has it",
    (
        "audit_reads",
        "patients",
    ): "who read what is never rewritten; the audit trail has it under the id that it was read by",
    (
        "bulk_recipients",
        "patient_id",
    ): "both were chosen for one message to many; its page has them both",
    (
        "changes",
        "differences",
    ): "the log is never rewritten; what a field held before is told of the rows that moved",
    ("changes", "patient_id"): "the log is never rewritten; the page of the merged record shows it",
    ("changes", "row_id"): "the log is never rewritten; the page of the merged record shows it",
    (
        "consent_records",
        "patient_id",
    ): (
        "a consent is never rewritten; it is shown with its number or address, which moves, and"
        " copied where two become one"
    ),
    (
        "external_ids",
        "external_id",
    ): "the mapping by which other systems find the kept record under the old id",
    ("external_ids", "namespace"): "the namespace of that mapping",
    (
        "external_ids",
        "welkin_id",
    ): (
        "both have an id in one system, or another system gave one to the old id; the page of the"
        " merged record shows it"
    ),
    ("patient_merges", "patient_id"): "the note of the merge",
    ("patients", "id"): "the record itself stays, so that its id never means somebody else",
}
# Parameters: the other record, the kept one, how many rows moved as JSON, who did it.
NOTE: Final = """
INSERT INTO patient_merges (environment_id, patient_id, kept_id, moved, merged_by)
    VALUES ($1, $2, $3, $4::json, $5)
"""
