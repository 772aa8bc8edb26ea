"""Patients can be erased; two small tables say who was, and who may not be."""

from textwrap import dedent

import sqlalchemy as sa
from alembic import op

revision = "2026_12_12_erasures"
down_revision = "2026_12_13_covers"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.get_bind().exec_driver_sql(
        dedent("""
    SET LOCAL check_function_bodies = off
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE OR REPLACE FUNCTION almoner_append_only()
     RETURNS trigger
     LANGUAGE plpgsql
    AS $function$
    BEGIN
      IF TG_OP <> 'TRUNCATE' AND current_setting('almoner.erasing', true) = pg_current_xact_id()::text THEN
        RETURN NULL;
      END IF;
      RAISE EXCEPTION 'Rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $function$
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE OR REPLACE FUNCTION almoner_forget(environment integer, patients uuid[], mappings uuid[], since timestamp with time zone)
     RETURNS void
     LANGUAGE plpgsql
     SECURITY DEFINER
    AS $function$
    BEGIN
      PERFORM set_config('almoner.erasing', pg_current_xact_id()::text, true);
      UPDATE changes SET differences = NULL
      WHERE environment_id = environment AND patient_id = ANY (patients) AND differences IS NOT NULL;
      UPDATE changes SET differences = NULL
      WHERE environment_id = environment AND changed_at >= since AND resource = 'external_ids' AND row_id = ANY (mappings)
        AND differences IS NOT NULL;
      DELETE FROM consent_records WHERE environment_id = environment AND patient_id = ANY (patients);
      PERFORM set_config('almoner.erasing', '', true);
    END $function$
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    DO $$
    BEGIN
      EXECUTE format('ALTER FUNCTION almoner_forget SET search_path = %I, pg_temp', current_schema());
    END $$
    """)
    )
    op.create_table(
        "erasure_holds",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column(
            "placed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="erasure_holds_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "patient_id", name=op.f("erasure_holds_pkey")),
    )
    op.create_table(
        "erasures",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("record_ids", sa.ARRAY(sa.UUID()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column(
            "asked_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("decided_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.Column("xid", sa.BigInteger(), nullable=True),
        sa.Column("cleared_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="erasures_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("erasures_pkey")),
    )
    op.create_index(
        "erasures_patient_id_idx", "erasures", ["environment_id", "patient_id"], unique=False
    )
