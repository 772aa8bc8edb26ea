CREATE OR REPLACE FUNCTION almoner_add_month()
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
AS $function$
DECLARE
  log record;
  month record;
  covered text;
  is_there boolean;
  role regrole;
BEGIN
  IF NOT pg_try_advisory_xact_lock(4702650322) THEN
    RETURN NULL;
  END IF;
  PERFORM set_config('lock_timeout', '250ms', true);
  FOR log IN SELECT p.partrelid, p.partdefid, p.partdefid::regclass AS net, c.relname AS name, quote_ident(a.attname) AS at
    FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE c.relnamespace = current_schema()::regnamespace ORDER BY c.relname
  LOOP
    -- What the parts themselves say of the rows that they take.
    SELECT string_agg(pg_get_partition_constraintdef(inhrelid), ' OR ') INTO covered FROM pg_inherits
    WHERE inhparent = log.partrelid AND inhrelid <> log.partdefid;
    FOR month IN SELECT log.name || to_char(m, '_YYYY_MM') AS part, m AT TIME ZONE 'UTC' AS begins,
        (m + interval '1 month') AT TIME ZONE 'UTC' AS ends
      FROM date_trunc('month', now() AT TIME ZONE 'UTC') AS now, generate_series(now, now + interval '3 months', '1 month') AS m
    LOOP
      EXECUTE format('SELECT %s FROM (SELECT $1 AS %s) AS r', coalesce(covered, 'false'), log.at) INTO is_there USING month.begins;
      CONTINUE WHEN is_there;
      EXECUTE format('CREATE TABLE almoner_months.%I (LIKE %I INCLUDING DEFAULTS)', month.part, log.name);
      EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', log.net);
      PERFORM set_config('almoner.erasing', pg_current_xact_id()::text, true);
      EXECUTE format('WITH caught AS (DELETE FROM %s WHERE %s >= $1 AND %2$s < $2 RETURNING *)'
        ' INSERT INTO almoner_months.%I SELECT * FROM caught', log.net, log.at, month.part) USING month.begins, month.ends;
      PERFORM set_config('almoner.erasing', '', true);
      PERFORM FROM pg_trigger WHERE tgrelid = log.partrelid AND tgname = 'almoner_append_only';
      IF FOUND THEN
        EXECUTE format('CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON almoner_months.%I'
          ' FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()', month.part);
      END IF;
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION almoner_months.%I FOR VALUES FROM (%L) TO (%L)', log.name, month.part,
        month.begins, month.ends);
      -- Who may vacuum the whole (from PostgreSQL 17 on) may vacuum its parts, and reaches them by no other right.
      FOR role IN SELECT a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = log.partrelid AND a.privilege_type = 'MAINTAIN' AND a.grantee NOT IN (0, c.relowner)
      LOOP
        EXECUTE format('GRANT MAINTAIN ON almoner_months.%I TO %s', month.part, role);
      END LOOP;
      RETURN month.part;
    END LOOP;
  END LOOP;
  RETURN NULL;
END $function$;
--#
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION almoner_add_month SET search_path = %I, pg_temp', current_schema());
END $$;
