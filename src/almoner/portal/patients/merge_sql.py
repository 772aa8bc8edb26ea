"""The SQL of a merge: what both records have, and what of the house's own tables moves along. First parameter: the environment."""

from __future__ import annotations

from typing import Final

from almoner.resources import RESOURCES

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
# Parameters: a patient. What a duplicate of theirs may have too.
CONTACTS: Final = """
SELECT first_name, last_name, birthday,
  (SELECT min(phone_number) FROM phone_numbers n WHERE n.environment_id = $1 AND n.user_id = $2) AS phone,
  (SELECT min(email) FROM email_addresses e WHERE e.environment_id = $1 AND e.user_id = $2) AS email
FROM patients WHERE environment_id = $1 AND id = $2
"""
# Parameters: the kept record, the other one.
SAME_NAMESPACE: Final = """
SELECT k.namespace, k.external_id AS kept, o.external_id AS other, k.id::text AS kept_row, o.id::text AS other_row
FROM external_ids o JOIN external_ids k ON k.environment_id = $1 AND k.welkin_id = $2 AND k.resource = 'patients'
  AND k.namespace = o.namespace
WHERE o.environment_id = $1 AND o.welkin_id = $3 AND o.resource = 'patients' ORDER BY k.namespace
"""
SAME_TYPE: Final = """
SELECT k.type_name, k.body::text AS kept, o.body::text AS other, k.id::text AS kept_row, o.id::text AS other_row
FROM custom_data_type_records o JOIN custom_data_type_records k ON k.environment_id = $1 AND k.user_id = $2 AND k.single
  AND k.type_name = o.type_name
WHERE o.environment_id = $1 AND o.user_id = $3 AND o.single ORDER BY k.type_name
"""
# Parameters: both records.
LOCK: Final = "SELECT id FROM patients WHERE environment_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE"
MERGED: Final = "SELECT count(*) FROM patient_merges WHERE environment_id = $1 AND patient_id = ANY ($2::uuid[])"
# Parameters: the other record, the mappings that stay with it.
POINTING: Final = """
SELECT id::text FROM external_ids
WHERE environment_id = $1 AND welkin_id = $2 AND resource = 'patients' AND NOT id = ANY ($3::uuid[]) ORDER BY id
"""
# Parameters of each: the other record, the kept one. Records of consent are never changed, and are found by their contact method.
HOUSE_ROWS: Final = (
    "UPDATE timeline_stars SET patient_id = $3 WHERE environment_id = $1 AND patient_id = $2",
    # A draft that the same worker has of the same assessment on both stays with the other record: one of them goes on.
    """
UPDATE assessment_drafts o SET patient_id = $3 WHERE environment_id = $1 AND patient_id = $2 AND NOT EXISTS (
  SELECT 1 FROM assessment_drafts k WHERE k.environment_id = $1 AND k.patient_id = $3 AND k.spec_id = o.spec_id
    AND k.worker_id = o.worker_id)
""",
    "UPDATE patient_merges SET kept_id = $3 WHERE environment_id = $1 AND kept_id = $2",
)
# Parameters: the other record, the kept one, how many rows moved as JSON, who did it.
NOTE: Final = """
INSERT INTO patient_merges (environment_id, patient_id, kept_id, moved, merged_by) VALUES ($1, $2, $3, $4::json, $5)
"""
