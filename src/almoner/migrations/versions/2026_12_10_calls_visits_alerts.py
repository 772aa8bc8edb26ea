"""Calls, visits and alerts are collections; what processes told roles becomes rows of the last."""

from textwrap import dedent

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_10_calls_visits_alerts"
down_revision = "2026_12_09_sandbox_clients"

# Each is logged as written by its process, for which it can be taken back as its other effects.
_MOVE = """
WITH moved AS (
  INSERT INTO alerts (environment_id, id, patient_id, alert_type, active_time, finished_time,
    dismissed, dismissed_by_worker_id, role, text, taken_by_worker_id, created_at)
  SELECT a.environment_id, a.id, p.id, 'process', a.created_at, a.done_at, a.done_at IS NOT NULL,
    a.done_by, a.role, a.text, a.taken_by, a.created_at
  FROM process_alerts a JOIN patients p ON p.environment_id = a.environment_id
    AND p.id = almoner_current_patient(a.environment_id, a.patient_id)
  RETURNING *
), logged AS (
  INSERT INTO changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor,
    through, request_id)
  SELECT m.environment_id, 'create', 'alerts', m.id, m.patient_id, m.updated_at,
    'process:' || coalesce(f.process, ''), 'process', a.firing_id::text
  FROM moved m JOIN process_alerts a ON a.environment_id = m.environment_id AND a.id = m.id
  LEFT JOIN process_firings f ON f.environment_id = m.environment_id AND f.id = a.firing_id
)
INSERT INTO process_effects (environment_id, firing_id, place, resource, row_id)
SELECT a.environment_id, a.firing_id, coalesce((
    SELECT max(e.place) FROM process_effects e
    WHERE e.environment_id = a.environment_id AND e.firing_id = a.firing_id), -1)
  + row_number() OVER (PARTITION BY a.environment_id, a.firing_id ORDER BY a.created_at, a.id),
  'alerts', a.id
FROM process_alerts a JOIN moved m ON m.environment_id = a.environment_id AND m.id = a.id
JOIN process_firings f ON f.environment_id = a.environment_id AND f.id = a.firing_id
"""


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("process_alerts")
    op.create_table(
        "alerts",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=True),
        sa.Column("alert_type", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=True),
        sa.Column(
            "active_time",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("completed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("dismissed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("dismissed_by_worker_id", sa.UUID(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("taken_by_worker_id", sa.UUID(), nullable=True),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id", "dismissed_by_worker_id"],
            ["workers.environment_id", "workers.id"],
            name="alerts_dismissed_by_worker_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="alerts_patient_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "taken_by_worker_id"],
            ["workers.environment_id", "workers.id"],
            name="alerts_taken_by_worker_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="alerts_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("alerts_pkey")),
    )
    op.create_index(
        "alerts_alert_type_idx",
        "alerts",
        [
            "environment_id",
            sa.literal_column("hashtextextended(alert_type, 0)"),
            "updated_at",
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "alerts_dismissed_by_worker_id_idx",
        "alerts",
        ["environment_id", "dismissed_by_worker_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "alerts_open_part",
        "alerts",
        ["environment_id", "role", "active_time", "id"],
        unique=False,
        postgresql_where=sa.text("NOT completed AND NOT dismissed"),
        postgresql_using="btree",
    )
    op.create_index(
        "alerts_patient_id_idx",
        "alerts",
        ["environment_id", "patient_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "alerts_taken_by_worker_id_idx",
        "alerts",
        ["environment_id", "taken_by_worker_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "alerts_updated_at_idx", "alerts", ["environment_id", "updated_at", "id"], unique=False
    )
    op.create_index(
        "alerts_worker_id_idx",
        "alerts",
        ["environment_id", "worker_id", "updated_at", "id"],
        unique=False,
    )
    op.create_table(
        "calls",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("call_type", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=True),
        sa.Column("to_number", sa.Text(), nullable=True),
        sa.Column("start_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("calendar_event_id", sa.UUID(), nullable=True),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("audio_url", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "calendar_event_id"],
            ["calendar_events.environment_id", "calendar_events.id"],
            name="calls_calendar_event_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="calls_patient_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="calls_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("calls_pkey")),
    )
    op.create_index(
        "calls_calendar_event_id_idx",
        "calls",
        ["environment_id", "calendar_event_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "calls_patient_id_idx",
        "calls",
        ["environment_id", "patient_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "calls_start_time_idx",
        "calls",
        ["environment_id", "patient_id", "start_time", "id"],
        unique=False,
    )
    op.create_index(
        "calls_updated_at_idx", "calls", ["environment_id", "updated_at", "id"], unique=False
    )
    op.create_index(
        "calls_worker_id_idx",
        "calls",
        ["environment_id", "worker_id", "updated_at", "id"],
        unique=False,
    )
    op.create_table(
        "visits",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("calendar_event_id", sa.UUID(), nullable=True),
        sa.Column("assessment_response_id", sa.UUID(), nullable=True),
        sa.Column("disposition", sa.Text(), nullable=True),
        sa.Column("start_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("end_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "assessment_response_id"],
            ["assessment_responses.environment_id", "assessment_responses.id"],
            name="visits_assessment_response_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "calendar_event_id"],
            ["calendar_events.environment_id", "calendar_events.id"],
            name="visits_calendar_event_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="visits_patient_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="visits_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("visits_pkey")),
    )
    op.create_index(
        "visits_assessment_response_id_idx",
        "visits",
        ["environment_id", "assessment_response_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "visits_calendar_event_id_idx",
        "visits",
        ["environment_id", "calendar_event_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "visits_patient_id_idx",
        "visits",
        ["environment_id", "patient_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "visits_start_time_idx",
        "visits",
        ["environment_id", "patient_id", "start_time", "id"],
        unique=False,
    )
    op.create_index(
        "visits_updated_at_idx", "visits", ["environment_id", "updated_at", "id"], unique=False
    )
    op.create_index(
        "visits_worker_id_idx",
        "visits",
        ["environment_id", "worker_id", "updated_at", "id"],
        unique=False,
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON public.alerts FOR EACH ROW EXECUTE FUNCTION almoner_touch()
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON public.calls FOR EACH ROW EXECUTE FUNCTION almoner_touch()
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON public.visits FOR EACH ROW EXECUTE FUNCTION almoner_touch()
    """)
    )
    op.execute(_MOVE)
    op.drop_index(
        op.f("process_alerts_open_part"),
        table_name="process_alerts",
        postgresql_where="(done_at IS NULL)",
    )
    op.drop_table("process_alerts")
