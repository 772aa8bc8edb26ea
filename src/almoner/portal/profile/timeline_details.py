"""What an entry of the timeline is put in words with, as SQL: looked up for the entries of a page
alone.
"""

from __future__ import annotations

from typing import Final

from almoner.access.actors import name_sql
from almoner.portal.calendar.ahead import starts
from almoner.portal.values import value_fields
from almoner.resources import RESOURCES
from almoner.resources.messages import UNREAD
from almoner.vocabulary.fields import MORE
from almoner.vocabulary.names import full_name_sql

# An entry of the change log has no id of its own: it is known by its number in the log, written as
# an id that comes first.
CHANGE_ID: Final = "('00000000-0000-0000-0000-' || lpad(to_hex(c.seq), 12, '0'))::uuid"
STEP_ID: Final = (
    "md5(f.id::text || (g.value ->> 'title') || (i.value ->> 'title') || (i.value ->>"
    " 'completed_at'))::uuid"
)

# What a change is of, by the names of its collection: the row as it is now, null where it is gone.
_OF: Final = {
    resource.name: ", ".join((f"{resource.named} AS name", *resource.presented.versions))
    for resource in RESOURCES
    if resource.tells_of_patients and resource.named
}
_OF_ROW: Final = " ".join(
    f"WHEN '{name}' THEN (SELECT to_json(row) FROM (SELECT {columns} FROM {name}"
    " WHERE environment_id = $1 AND id = c.row_id) row)"
    for name, columns in _OF.items()
)
# A consent is recorded in the transaction of its change.
_RECEIVED: Final = (
    "(SELECT to_json(row) FROM (SELECT k.how, k.received_on, k.note FROM consent_records k WHERE"
    " k.environment_id = $1 AND k.row_id = c.row_id AND k.consent = ANY (c.fields) AND"
    " k.given::text = c.differences -> k.consent ->> 1 AND k.recorded_at BETWEEN c.changed_at -"
    " interval '1 second' AND c.changed_at + interval '10 seconds' ORDER BY k.id LIMIT 1) row)"
)
# The columns of a change ``c`` as it is put in words. The environment is ``$1``.
CHANGE: Final = (
    "c.resource, c.kind, c.row_id, c.fields, c.differences, c.actor, c.through,"
    f" {name_sql('c.actor')} AS name, CASE c.resource {_OF_ROW} END AS of, {_RECEIVED} AS received"
)


# What a site has added to collections whose lines are worded by hand, which a line of one says
# behind the rest.
OWN_FIELDS: Final = {
    resource.name: value_fields(resource, MORE.name)
    for resource in RESOURCES
    if resource.sections[-1] == MORE
}


def _own(name: str, alias: str) -> str:
    return "".join(f"{alias}.{field.name}, " for field in OWN_FIELDS[name])


# What an entry is put in words with, where that is not its whole row.
DETAILS: Final = {
    "messages": (
        f"SELECT {_own('messages', 'm')}m.direction, left(m.contents, 240) AS contents,"
        f" m.automatically_sent, m.worker_id, m.entered_in_error_at,"
        " m.entered_in_error_reason, (SELECT c.actor FROM changes c WHERE c.environment_id = $1"
        " AND c.patient_id = $2 AND c.row_id = m.id AND c.kind = 'create' LIMIT 1) AS recorded_by,"
        f" v.conversation_type, {full_name_sql('w')} AS worker,"
        f" {UNREAD} AS unread FROM messages m"
        " LEFT JOIN conversations v ON v.environment_id = $1 AND v.id = m.conversation_id LEFT"
        " JOIN workers w ON w.environment_id = $1 AND w.id = m.worker_id WHERE m.environment_id ="
        " $1 AND m.id = page.id"
    ),
    "calendar_events": (
        f"SELECT {_own('calendar_events', 'e')}e.appointment_type, e.modality, e.outcome,"
        " e.start_time, e.end_time, e.day,"
        f" {starts('$9::text')} > now() AS ahead, {full_name_sql('w')} AS worker FROM"
        " calendar_events e JOIN calendars k ON k.environment_id = $1 AND k.id = e.calendar_id"
        " JOIN workers w ON w.environment_id = $1 AND w.id = k.worker_id WHERE e.environment_id ="
        " $1 AND e.id = page.id"
    ),
    # With the answers before, which a score is compared with.
    "assessment_responses": (
        "SELECT t.*, (SELECT to_json(before) FROM (SELECT b.model, b.version, b.created_at"
        " FROM assessment_responses b WHERE b.environment_id = $1 AND b.user_id = $2"
        " AND b.spec_id = t.spec_id AND b.entered_in_error_at IS NULL"
        " AND (b.created_at, b.id) < (t.created_at, t.id)"
        " ORDER BY b.created_at DESC, b.id DESC LIMIT 1) AS before) AS before"
        " FROM assessment_responses t WHERE t.environment_id = $1 AND t.id = page.id"
    ),
    "care_flows": (
        f"SELECT {_own('care_flows', 'f')}f.care_flow ->> 'description' AS description"
        " FROM care_flows f WHERE f.environment_id = $1 AND f.id = page.id"
    ),
    "interventions": (
        "SELECT f.id, f.care_flow ->> 'description' AS description, g.value ->> 'title' AS goal,"
        f" i.value ->> 'title' AS title, (SELECT {full_name_sql('w')} FROM workers w WHERE"
        " w.environment_id = $1 AND w.id = (i.value ->> 'completed_by_worker_id')::uuid) AS worker"
        " FROM care_flows f CROSS JOIN LATERAL json_array_elements(f.care_flow -> 'goals') AS g"
        " CROSS JOIN LATERAL json_array_elements(g.value -> 'interventions') AS i WHERE"
        " f.environment_id = $1 AND f.user_id = $2 AND i.value ->> 'completed_at' IS NOT NULL AND"
        f" {STEP_ID} = page.id LIMIT 1"
    ),
    "patient_merges": (
        f"SELECT g.moved, {name_sql('g.merged_by')} AS name, (SELECT {full_name_sql('o')} "
        "FROM patients o WHERE o.environment_id = $1 AND o.id = g.patient_id) AS other "
        "FROM patient_merges g WHERE g.environment_id = $1 AND g.patient_id = page.id"
    ),
    "changes": (
        f"SELECT {CHANGE}, CASE WHEN c.through IN ('process', 'undo') THEN c.request_id"
        " END AS firing_id"
        " FROM changes c WHERE c.environment_id = $1 AND c.patient_id = $2 AND"
        f" c.changed_at = page.at AND c.kind <> 'create' AND {CHANGE_ID} = page.id"
    ),
}
