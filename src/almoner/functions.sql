-- The functions that the tables stand on. One statement per block, blocks parted by a line of two dashes and a number sign.

-- The floor of the clock, in microseconds since 1970: no row is ever stamped at or before it. It is moved up by
-- almoner_tick() before a time is promised to be complete, and counts on by itself while the machine's clock is behind it.
CREATE SEQUENCE almoner_clock AS bigint MINVALUE 1 CACHE 1;
--#
-- The latest time that has been promised to be complete, in microseconds since 1970 (meta.complete_until).
CREATE SEQUENCE almoner_complete AS bigint MINVALUE 1 CACHE 1;
--#
CREATE SEQUENCE changes_seq AS bigint CACHE 1;
--#
-- The time by which a reader calls now: the clock, or its floor where the clock has been set back.
CREATE FUNCTION almoner_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE floor_micros bigint := pg_sequence_last_value('almoner_clock'::regclass);
BEGIN
  RETURN greatest(clock_timestamp(), timestamptz 'epoch' + coalesce(floor_micros, 0) * interval '1 microsecond');
END $$;
--#
-- The time of a write. The transaction takes its id before it looks at the clock, so that whoever saw the next id at an
-- earlier time knows that this stamp is later.
CREATE FUNCTION almoner_stamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  own xid8 := pg_current_xact_id();
  floor_micros bigint := pg_sequence_last_value('almoner_clock'::regclass);
  moment timestamptz := clock_timestamp();
BEGIN
  IF floor_micros IS NULL OR moment > timestamptz 'epoch' + floor_micros * interval '1 microsecond' THEN
    RETURN moment;
  END IF;
  RETURN timestamptz 'epoch' + nextval('almoner_clock') * interval '1 microsecond';
END $$;
--#
-- Raises the floor of the clock to now and returns it: from here on, no transaction that takes its id later stamps at or before it.
CREATE FUNCTION almoner_tick() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE moment timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock(4702650316);
  moment := almoner_now();
  PERFORM setval('almoner_clock', (extract(epoch FROM moment) * 1000000)::bigint);
  RETURN moment;
END $$;
--#
-- Records that everything up to this time is complete, and returns the latest such time that is known.
CREATE FUNCTION almoner_promise(moment timestamptz) RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE promised bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(4702650317);
  promised := coalesce(pg_sequence_last_value('almoner_complete'::regclass), 1);
  IF moment > timestamptz 'epoch' + promised * interval '1 microsecond' THEN
    promised := setval('almoner_complete', (extract(epoch FROM moment) * 1000000)::bigint);
  END IF;
  RETURN timestamptz 'epoch' + promised * interval '1 microsecond';
END $$;
--#
CREATE FUNCTION almoner_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := almoner_stamp();
  IF TG_OP = 'INSERT' THEN
    NEW.created_at := coalesce(NEW.created_at, NEW.updated_at);
  ELSE
    NEW.updated_at := greatest(NEW.updated_at, OLD.updated_at + interval '1 microsecond');
    NEW.created_at := OLD.created_at;
  END IF;
  RETURN NEW;
END $$;
--#
-- The epoch of this cluster and timeline; null before the first write in it. Transaction ids compare within an epoch only:
-- a restored dump, a promoted replica and an upgraded cluster each begin a new one.
CREATE FUNCTION almoner_current_epoch() RETURNS integer LANGUAGE sql VOLATILE AS $$
  SELECT epoch FROM epochs
  WHERE system_identifier = (SELECT system_identifier FROM pg_control_system())
    AND timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
$$;
--#
-- The same for a writer, who begins the epoch where there is none. Kept for the session, since a session outlives no cluster.
CREATE FUNCTION almoner_epoch() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  kept text := current_setting('almoner.epoch', true);
  current integer;
BEGIN
  IF kept <> '' THEN
    RETURN kept::integer;
  END IF;
  current := almoner_current_epoch();
  IF current IS NULL THEN
    LOCK TABLE epochs IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO epochs (epoch, system_identifier, timeline)
    -- Two clusters that are restored from one dump must not give out one number, so it grows with the time.
    SELECT (SELECT greatest(coalesce(max(epoch), 0) + 1,
              extract(epoch FROM clock_timestamp() - timestamptz '2020-01-01 00:00Z')::integer) FROM epochs),
           system_identifier,
           ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
    FROM pg_control_system()
    ON CONFLICT DO NOTHING;
    current := almoner_current_epoch();
  END IF;
  PERFORM set_config('almoner.epoch', current::text, false);
  RETURN current;
END $$;
--#
CREATE FUNCTION almoner_position() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.xid IS NULL THEN
    NEW.xid := pg_current_xact_id()::text::bigint;
    NEW.epoch := almoner_epoch();
    NEW.seq := nextval('changes_seq');
  END IF;
  RETURN NEW;
END $$;
--#
-- What is settled at this moment: every change whose epoch is below `epoch`, or equal with an xid below `xid`, has been
-- committed and is visible, and no other will ever come before it.
CREATE FUNCTION almoner_horizon(OUT epoch integer, OUT xid bigint) LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(almoner_current_epoch(), (SELECT coalesce(max(e.epoch), 0) + 1 FROM epochs e)),
         pg_snapshot_xmin(pg_current_snapshot())::text::bigint
$$;
--#
CREATE FUNCTION almoner_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
--#
-- The ids of packed patients, sixteen bytes each, as an array, each once.
CREATE FUNCTION almoner_ids(packed bytea) RETURNS uuid[] LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(array_agg(DISTINCT encode(substring(packed FROM n FOR 16), 'hex')::uuid), '{}')
  FROM generate_series(1, length(packed), 16) AS n
$$;
