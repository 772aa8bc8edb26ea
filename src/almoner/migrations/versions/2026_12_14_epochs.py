"""An epoch may step within a cluster, so that an environment can move into a database that is in use."""

from textwrap import dedent

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_14_epochs"
down_revision = "2026_12_14_keys_of_steps"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("changes", "epochs")
    op.execute("CREATE SEQUENCE almoner_stepped AS bigint MINVALUE 1 CACHE 1")
    op.get_bind().exec_driver_sql(
        dedent("""
    SET LOCAL check_function_bodies = off
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE OR REPLACE FUNCTION public.almoner_current_epoch()
     RETURNS integer
     LANGUAGE sql
    AS $function$
      SELECT max(epoch) FROM epochs
      WHERE system_identifier = (SELECT system_identifier FROM pg_control_system())
        AND timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
        AND (from_xid IS NOT NULL OR epoch <= pg_sequence_last_value('almoner_stepped'::regclass))
    $function$
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE OR REPLACE FUNCTION public.almoner_epoch()
     RETURNS integer
     LANGUAGE plpgsql
    AS $function$
    DECLARE
      stepped integer := coalesce(pg_sequence_last_value('almoner_stepped'::regclass), 0);
      kept text := current_setting('almoner.epoch', true);
      current integer;
    BEGIN
      IF kept <> '' AND kept::integer >= stepped THEN
        RETURN kept::integer;
      END IF;
      current := almoner_current_epoch();
      IF current IS NULL THEN
        LOCK TABLE epochs IN SHARE ROW EXCLUSIVE MODE;
        -- Somebody may have begun it while this one waited.
        current := almoner_current_epoch();
      END IF;
      IF current IS NULL THEN
        INSERT INTO epochs (epoch, system_identifier, timeline)
        -- Two clusters that are restored from one dump must not give out one number, so it grows with the time.
        SELECT (SELECT greatest(coalesce(max(epoch), 0) + 1, stepped + 1,
                  extract(epoch FROM clock_timestamp() - timestamptz '2020-01-01 00:00Z')::integer) FROM epochs),
               system_identifier,
               ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
        FROM pg_control_system() RETURNING epoch INTO current;
      END IF;
      -- A snapshot from before the step does not see its row; the number is true all the same.
      current := greatest(current, stepped);
      PERFORM set_config('almoner.epoch', current::text, false);
      RETURN current;
    END $function$
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE OR REPLACE FUNCTION public.almoner_horizon(OUT epoch integer, OUT xid bigint)
     RETURNS record
     LANGUAGE sql
    AS $function$
      SELECT coalesce(
        (SELECT max(e.epoch) FROM epochs e WHERE e.from_xid <= now.xmin
           AND e.system_identifier = (SELECT system_identifier FROM pg_control_system())
           AND e.timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer),
        (SELECT coalesce(max(e.epoch), 0) + 1 FROM epochs e)), now.xmin
      FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS now(xmin)
    $function$
    """)
    )
    op.add_column(
        "epochs", sa.Column("from_xid", sa.BigInteger(), server_default=sa.text("0"), nullable=True)
    )
    op.drop_constraint(op.f("epochs_cluster_key"), "epochs", type_="unique")
    op.alter_column(
        "changes",
        "epoch",
        server_default=sa.text(
            "CASE WHEN pg_current_xact_id() IS NOT NULL AND"
            " nullif(current_setting('almoner.epoch', true), '')::bigint >="
            " coalesce(pg_sequence_last_value('almoner_stepped'::regclass), 0) THEN"
            " current_setting('almoner.epoch')::integer ELSE almoner_epoch() END"
        ),
    )
