CREATE OR REPLACE FUNCTION almoner_tick() RETURNS timestamptz LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE moment timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock(4702650316);
  moment := almoner_now();
  PERFORM setval('almoner_clock', (extract(epoch FROM moment) * 1000000)::bigint);
  RETURN moment;
END $$;
--#
CREATE OR REPLACE FUNCTION almoner_promise(moment timestamptz) RETURNS timestamptz LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE promised bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(4702650317);
  moment := least(moment, almoner_now());
  promised := coalesce(pg_sequence_last_value('almoner_complete'::regclass), 1);
  IF moment > timestamptz 'epoch' + promised * interval '1 microsecond' THEN
    promised := setval('almoner_complete', (extract(epoch FROM moment) * 1000000)::bigint);
  END IF;
  RETURN timestamptz 'epoch' + promised * interval '1 microsecond';
END $$;
--#
CREATE OR REPLACE FUNCTION almoner_erasure_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state <> 'waiting' AND to_jsonb(NEW) - 'cleared_at' <> to_jsonb(OLD) - 'cleared_at' THEN
    RAISE EXCEPTION 'An erasure that was decided is never changed' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
--#
CREATE OR REPLACE FUNCTION almoner_chain_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.environment_id, NEW.log, NEW.number) <> (OLD.environment_id, OLD.log, OLD.number + 1) OR NOT EXISTS (
    SELECT FROM chain_batches b WHERE b.environment_id = NEW.environment_id AND b.log = NEW.log AND b.number = NEW.number
      AND b.hash = NEW.hash AND b.previous = OLD.hash) THEN
    RAISE EXCEPTION 'A chain goes on by its next batch alone' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
--#
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION almoner_tick SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION almoner_promise SET search_path = %I, pg_temp', current_schema());
END $$
--#
CREATE TRIGGER almoner_erasure_stands BEFORE UPDATE ON erasures FOR EACH ROW EXECUTE FUNCTION almoner_erasure_stands()
--#
CREATE TRIGGER almoner_chain_goes_on BEFORE UPDATE ON chain_heads FOR EACH ROW EXECUTE FUNCTION almoner_chain_goes_on()
