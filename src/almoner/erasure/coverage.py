"""What of the tables that belong to no collection tells of a patient, and what becomes of it.

The collections' own tables follow from their declarations (``collections``). A test holds that
there is no column that could hold something of a patient and that nothing here speaks of."""

from __future__ import annotations

from typing import Final

from almoner.data_api.declare import Resource
from almoner.resources import RESOURCES

# Tables whose rows are of a patient each, and the column that says of whom: the rows go. Effects go
# with their firings, and consents by almoner_forget.
ROWS: Final = {
    "timeline_stars": "patient_id",
    "consent_records": "patient_id",
    "assessment_drafts": "patient_id",
    "process_calls": "patient_id",
    "process_firings": "patient_id",
    "patient_merges": "patient_id",
    "patient_figures": "patient_id",
    "bulk_recipients": "patient_id",
}
# What rows hold besides, which is blanked, or goes with the row, where it tells of the patient.
BLANKED: Final = {
    ("changes", "differences"),
    ("work_steps", "args"),
    ("work_steps", "result"),
    ("work_dismissals", "reason"),
    ("integration_calls", "content"),
    ("integration_calls", "answer"),
    ("idempotency_keys", "key"),
    ("idempotency_keys", "request"),
    ("idempotency_keys", "body"),
    ("idempotency_keys", "patient"),
    ("import_parts", "sealed"),
    ("import_parts", "problems_sealed"),
    ("import_results", "note"),
    ("panel_views", "view"),
    ("bulk_messages", "contents"),
}
# What stays although it names the record: ids, which say that there was somebody and not who.
IDS: Final = {
    ("changes", "patient_id"): "that a row of a patient was written, by whom and when",
    ("audit_reads", "patients"): "that a patient was read of, by whom and when",
    ("process_clocks", "patient_id"): "behind whom a look goes on",
    ("erasures", "patient_id"): "that there was a record, which is gone",
    ("erasures", "record_ids"): "that there was a record, which is gone",
    ("erasure_holds", "patient_id"): "that a record may not be erased",
}
# What a person is not given, since there is nothing in it to read, or nothing else than elsewhere.
NOT_EXPORTED: Final = {
    **dict.fromkeys(
        (("idempotency_keys", name) for name in ("key", "request", "body", "patient")),
        "the answer to a call, kept for its repeat: a row as the log of changes has it",
    ),
    ("integration_calls", "content"): "a digest",
    ("process_clocks", "patient_id"): "how far a look has come",
    ("patients", "plain_name"): "the names once more, as they are searched",
}
_DIGEST: Final = "a digest"
_SEALED: Final = "what nobody reads without the key"
_PROGRAM: Final = "what is designed for everybody"
# Documents, bytes and lists that tell of no patient, and what they hold.
OF_NOBODY: Final = {
    **dict.fromkeys(
        (
            ("access_tokens", "digest"),
            *(("chain_batches", name) for name in ("hashes", "digest", "previous", "hash")),
            *(("chain_amendments", name) for name in ("hashes", "digest_before", "digest")),
            ("chain_heads", "hash"),
            ("calendar_feeds", "digest"),
            ("integration_calls", "digest"),
            ("recovery_codes", "digest"),
            ("reset_links", "digest"),
            ("sandbox_requests", "header"),
            ("sent_forms", "digest"),
            ("sign_in_failures", "account"),
            ("sign_in_failures", "source"),
            ("worker_sessions", "digest"),
        ),
        _DIGEST,
    ),
    **dict.fromkeys(
        (
            ("client_secrets", "sealed"),
            ("integrations", "sealed"),
            ("integrations", "hook_sealed"),
            ("process_hooks", "sealed"),
            ("process_webhooks", "sealed"),
            ("subscriptions", "sealed"),
            ("worker_accounts", "totp_sealed"),
        ),
        _SEALED,
    ),
    **dict.fromkeys(
        (
            ("program_drafts", "definition"),
            ("program_elements", "definition"),
            ("publish_requests", "definition"),
            ("publish_requests", "accepted"),
            ("publish_requests", "widens"),
        ),
        _PROGRAM,
    ),
    ("changes", "fields"): "the names of fields",
    ("chain_batches", "columns"): "the names of columns",
    ("chain_batches", "to_key"): "the place in a log",
    ("retention_removals", "to_key"): "the place in a log",
    ("deliveries", "resources"): "the names of collections",
    ("subscriptions", "resources"): "the names of collections",
    ("erasures", "counts"): "numbers by the names of tables",
    ("imports", "columns"): "which column is which field",
    ("imports", "choices"): "what is done with likely duplicates, by the numbers of lines",
    ("imports", "counts"): "numbers by outcome",
    ("integrations", "settings"): "how an integration is set up",
    ("integrations", "scopes"): "what an integration may do",
    ("worker_accounts", "roles"): "the roles of a worker",
    ("worker_events", "before"): "what access was like",
    ("worker_events", "after"): "what access is like",
}


def collections() -> list[Resource]:
    """Those whose rows are about a patient."""
    return [resource for resource in RESOURCES if resource.patient is not None]


def mappings() -> list[Resource]:
    """Those whose rows refer to a row of any collection."""
    return [resource for resource in RESOURCES if resource.any_reference is not None]
