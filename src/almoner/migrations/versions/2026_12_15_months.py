"""The reads and the attempts to deliver are in parts by month. The table that is there becomes the first part as it is.

Indexes are made beside those who write. The tables stand still for a moment at the end, as the parts take their place."""

from pathlib import Path

from alembic import op

from almoner.migrations import monthly

revision = "2026_12_15_months"
down_revision = "2026_12_14_task_news"

_PATIENTS = {
    "audit_reads_patient_part": "(environment_id, patients) WHERE length(patients) = 16",
    "audit_reads_patients_part": (
        "USING gin (environment_id, almoner_ids(patients)) WHERE length(patients) > 16"
    ),
}


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS almoner_months")
    monthly.part(
        "audit_reads",
        "read_at",
        "environment_id, id, read_at",
        indexes=_PATIENTS,
    )
    monthly.part(
        "deliveries",
        "attempted_at",
        "environment_id, subscription_id, id, attempted_at",
        referred=("subscriptions",),
    )
    for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("--#\n"):
        op.get_bind().exec_driver_sql(statement)
