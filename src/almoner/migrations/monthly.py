"""How a migration puts a log into parts by month while others write to it: the table that is there
becomes the first part, and no row of it is written anew.

What is done before the end can be done again: a migration that was ended in between begins anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from alembic import op

from almoner.migrations import locks

_IS_PARTED: Final = "SELECT relkind = 'p' FROM pg_class WHERE oid = '{log}'::regclass"
# Up to when rows go into the table that is there: a fortnight from now at least, so that no month
# begins meanwhile; from the last row, where a clock was once ahead.
_BOUND: Final = """
SELECT date_trunc('month', (greatest(almoner_now(), (SELECT max({at}) FROM {log}))
  AT TIME ZONE 'UTC') + interval '14 days') + interval '1 month'
"""
# Left by who was ended while making it.
_INVALID: Final = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = '{log}'::regclass AND NOT i.indisvalid
"""
_SWAP: Final = """
DO $$
DECLARE
  home text := quote_ident(current_schema());
  counter text := (SELECT pg_get_serial_sequence('{log}', attname) FROM pg_attribute
    WHERE attrelid = '{log}'::regclass AND attidentity <> '');
  last bigint := pg_sequence_last_value(counter::regclass);
  part regclass := '{log}'::regclass;
  each record;
BEGIN
  IF counter IS NOT NULL THEN
    ALTER TABLE {log} ALTER id DROP IDENTITY;
    CREATE SEQUENCE {log}_id_seq AS bigint CACHE 1;
    PERFORM setval('{log}_id_seq', last) WHERE last IS NOT NULL;
  END IF;
  ALTER TABLE {log} DROP CONSTRAINT {log}_pkey;
  ALTER TABLE {log} ADD CONSTRAINT {log}_pkey PRIMARY KEY USING INDEX {log}_parts_key;
  ALTER TABLE {log} SET SCHEMA almoner_months;
  ALTER TABLE almoner_months.{log} RENAME TO {log}_first;
  CREATE TABLE {log} (LIKE almoner_months.{log}_first INCLUDING DEFAULTS) PARTITION BY RANGE ({at});
  IF counter IS NOT NULL THEN
    ALTER TABLE {log} ALTER id SET DEFAULT nextval('{log}_id_seq');
    ALTER SEQUENCE {log}_id_seq OWNED BY {log}.id;
  END IF;
  -- Keys and indexes as they are there, so that PostgreSQL takes those for the parts of these.
  FOR each IN SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE conrelid = part AND contype IN ('p', 'f') ORDER BY contype DESC
  LOOP
    EXECUTE format('ALTER TABLE {log} ADD CONSTRAINT %I %s', each.conname, each.definition);
  END LOOP;
  FOR each IN SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index
    WHERE indrelid = part AND NOT indisprimary
  LOOP
    EXECUTE replace(
      each.definition, ' ON almoner_months.{log}_first ', format(' ON %s.{log} ', home));
  END LOOP;
  ALTER TABLE {log} ATTACH PARTITION almoner_months.{log}_first
    FOR VALUES FROM (MINVALUE) TO ('{bound} UTC');
  ALTER TABLE almoner_months.{log}_first DROP CONSTRAINT {log}_months;
  CREATE TABLE almoner_months.{log}_net PARTITION OF {log} DEFAULT;
  -- A trigger of statements belongs to the table that they name, one of rows goes from the whole to
  -- its parts.
  FOR each IN SELECT tgname, pg_get_triggerdef(oid) AS definition, tgtype & 1 = 1 AS is_of_rows
    FROM pg_trigger WHERE tgrelid = part AND NOT tgisinternal AND tgparentid = 0
  LOOP
    IF each.is_of_rows THEN
      EXECUTE format('DROP TRIGGER %I ON almoner_months.{log}_first', each.tgname);
    ELSE
      EXECUTE replace(each.definition, 'almoner_months.{log}_first', 'almoner_months.{log}_net');
    END IF;
    EXECUTE replace(each.definition, 'almoner_months.{log}_first', format('%s.{log}', home));
  END LOOP;
  -- Who serves goes on at once, and reaches the parts by the whole alone.
  FOR each IN SELECT a.grantee::regrole AS role, a.privilege_type AS may
    FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = part AND a.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT %s ON {log} TO %s', each.may, each.role);
    IF counter IS NOT NULL THEN
      EXECUTE format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE {log}_id_seq TO %s', each.role);
    END IF;
    IF each.may = 'MAINTAIN' THEN
      EXECUTE format('GRANT MAINTAIN ON almoner_months.{log}_net TO %s', each.role);
    ELSE
      EXECUTE format('REVOKE %s ON almoner_months.{log}_first FROM %s', each.may, each.role);
    END IF;
  END LOOP;
END $$
"""


def part(
    log: str,
    at: str,
    key: str,
    indexes: Mapping[str, str] | None = None,
    referred: Sequence[str] = (),
) -> None:
    """Puts a log into parts by the month of ``at``; ``key`` are the columns of its new primary key.
    ``indexes`` are made besides, each by its name from what stands behind the table; ``referred``
    are the tables that it refers to.

    Indexes are made, and rows looked at, beside those who read and write, however long it takes;
    then all stand still while the parts take their place."""
    bind = op.get_bind()
    if bind.exec_driver_sql(_IS_PARTED.format(log=log)).scalar():
        return
    bound = bind.exec_driver_sql(_BOUND.format(log=log, at=at)).scalar()
    invalid = bind.exec_driver_sql(_INVALID.format(log=log)).scalars().all()
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute("SET statement_timeout = 0")
        for name in invalid:
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {log}_parts_key ON {log} ({key})"
        )
        for name, rest in (indexes or {}).items():
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {log} {rest}")
    locks.take(log)
    op.execute(f"ALTER TABLE {log} DROP CONSTRAINT IF EXISTS {log}_months")
    op.execute(
        f"ALTER TABLE {log} ADD CONSTRAINT {log}_months CHECK ({at} IS NOT NULL AND"
        f" {at} < timestamptz '{bound} UTC') NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE {log} VALIDATE CONSTRAINT {log}_months")
    locks.take(log, *referred)
    bind.exec_driver_sql(_SWAP.format(log=log, at=at, bound=bound))
