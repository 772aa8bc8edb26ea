"""What an environment that moves to another database is at."""

from textwrap import dedent

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_14_moves"
down_revision = "2026_12_14_epochs"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("environments")
    op.get_bind().exec_driver_sql(
        dedent("""
    SET LOCAL check_function_bodies = off
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE OR REPLACE FUNCTION public.almoner_refuse_moving()
     RETURNS trigger
     LANGUAGE plpgsql
    AS $function$
    BEGIN
      RAISE EXCEPTION 'This environment moves to another database' USING ERRCODE = 'operator_intervention';
    END $function$
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE OR REPLACE FUNCTION public.almoner_touch()
     RETURNS trigger
     LANGUAGE plpgsql
    AS $function$
    BEGIN
      -- An environment that moves in brings its times along.
      IF TG_OP = 'INSERT' AND current_setting('almoner.copying', true) = 'on' THEN
        RETURN NEW;
      END IF;
      NEW.updated_at := almoner_stamp();
      IF TG_OP = 'INSERT' THEN
        NEW.created_at := coalesce(NEW.created_at, NEW.updated_at);
      ELSE
        NEW.updated_at := greatest(NEW.updated_at, OLD.updated_at + interval '1 microsecond');
        NEW.created_at := OLD.created_at;
      END IF;
      RETURN NEW;
    END $function$
    """)
    )
    op.add_column(
        "environments",
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
    )
    op.add_column("environments", sa.Column("move_id", sa.UUID(), nullable=True))
    op.add_column("environments", sa.Column("moved_to", sa.Text(), nullable=True))
    op.add_column("environments", sa.Column("chained_as", sa.Integer(), nullable=True))
