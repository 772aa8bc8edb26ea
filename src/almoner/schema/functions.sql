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
CREATE SEQUENCE audit_reads_id_seq AS bigint CACHE 1;
--#
CREATE SEQUENCE deliveries_id_seq AS bigint CACHE 1;
--#
-- The epoch that was last stepped to within a cluster: a number that writers see whatever their snapshot is.
CREATE SEQUENCE almoner_stepped AS bigint MINVALUE 1 CACHE 1;
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
-- With the rights of the owner, since who serves could set the sequence to any year, which no rollback takes back.
CREATE FUNCTION almoner_tick() RETURNS timestamptz LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE moment timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock(4702650316);
  moment := almoner_now();
  PERFORM setval('almoner_clock', (extract(epoch FROM moment) * 1000000)::bigint);
  RETURN moment;
END $$;
--#
-- Records that everything up to this time is complete, and returns the latest such time that is known. With the rights of the
-- owner, as the clock, and so for no time that is still to come.
CREATE FUNCTION almoner_promise(moment timestamptz) RETURNS timestamptz LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
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
CREATE FUNCTION almoner_touch() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$;
--#
-- The epoch of this cluster and timeline; null before the first write in it. Transaction ids compare within an epoch only:
-- a restored dump, a promoted replica and an upgraded cluster each begin a new one. Within a cluster it steps where an environment
-- moves in (changes/epochs.py): one that is not stepped to yet is nobody's.
CREATE FUNCTION almoner_current_epoch() RETURNS integer LANGUAGE sql VOLATILE AS $$
  SELECT max(epoch) FROM epochs
  WHERE system_identifier = (SELECT system_identifier FROM pg_control_system())
    AND timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
    AND (from_xid IS NOT NULL OR epoch <= pg_sequence_last_value('almoner_stepped'::regclass))
$$;
--#
-- The same for a writer, who begins the epoch where there is none. Kept for the session, since a session outlives no cluster, and
-- read there by the default of changes.epoch, until the epoch steps.
CREATE FUNCTION almoner_epoch() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
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
END $$;
--#
-- What is settled at this moment: every change whose epoch is below `epoch`, or equal with an xid below `xid`, has been
-- committed and is visible, and no other will ever come before it. An epoch that was stepped to begins here once everybody has
-- ended who may have written in the one before.
CREATE FUNCTION almoner_horizon(OUT epoch integer, OUT xid bigint) LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(
    (SELECT max(e.epoch) FROM epochs e WHERE e.from_xid <= now.xmin
       AND e.system_identifier = (SELECT system_identifier FROM pg_control_system())
       AND e.timeline = ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer),
    (SELECT coalesce(max(e.epoch), 0) + 1 FROM epochs e)), now.xmin
  FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS now(xmin)
$$;
--#
CREATE FUNCTION almoner_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'TRUNCATE' AND current_setting('almoner.erasing', true) = pg_current_xact_id()::text THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'Rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
--#
-- An erasure that was decided is the proof of it: of its row nothing is changed any more but when it was cleared up after.
CREATE FUNCTION almoner_erasure_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state <> 'waiting' AND to_jsonb(NEW) - 'cleared_at' <> to_jsonb(OLD) - 'cleared_at' THEN
    RAISE EXCEPTION 'An erasure that was decided is never changed' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
--#
-- A chain ends in the batch behind the one that it ended in, and in no other.
CREATE FUNCTION almoner_chain_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.environment_id, NEW.log, NEW.number) <> (OLD.environment_id, OLD.log, OLD.number + 1) OR NOT EXISTS (
    SELECT FROM chain_batches b WHERE b.environment_id = NEW.environment_id AND b.log = NEW.log AND b.number = NEW.number
      AND b.hash = NEW.hash AND b.previous = OLD.hash) THEN
    RAISE EXCEPTION 'A chain goes on by its next batch alone' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
--#
-- Refuses a write to a row of an environment that moves or has moved away; the triggers that call it are there only then
-- (cells/fence.py).
CREATE FUNCTION almoner_refuse_moving() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'This environment moves to another database' USING ERRCODE = 'operator_intervention';
END $$;
--#
-- What the logs that are never rewritten hold of an erased patient: the values of fields, and how consents were received. That
-- there were changes stays, with who wrote them. With the rights of the owner of the tables, since nobody else may. A mapping of
-- an id of another row than the patient's names no patient in the log: it is looked for from when the oldest was made.
CREATE FUNCTION almoner_forget(environment integer, patients uuid[], mappings uuid[], since timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM set_config('almoner.erasing', pg_current_xact_id()::text, true);
  UPDATE changes SET differences = NULL
  WHERE environment_id = environment AND patient_id = ANY (patients) AND differences IS NOT NULL;
  UPDATE changes SET differences = NULL
  WHERE environment_id = environment AND changed_at >= since AND resource = 'external_ids' AND row_id = ANY (mappings)
    AND differences IS NOT NULL;
  DELETE FROM consent_records WHERE environment_id = environment AND patient_id = ANY (patients);
  PERFORM set_config('almoner.erasing', '', true);
END $$;
--#
-- Makes a part that a log in parts by month lacks of this month and the three that follow, and answers with its name; null where
-- none is lacking, or somebody else is at it. What the net, the part for whatever has no other, has caught of the month goes into it.
-- With the rights of the owner of the tables. Gives up before PostgreSQL looks for a deadlock.
CREATE FUNCTION almoner_add_month() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
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
END $$;
--#
-- A function with its owner's rights finds tables where they are, and never those that a caller has put before them.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION almoner_tick SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION almoner_promise SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION almoner_forget SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION almoner_add_month SET search_path = %I, pg_temp', current_schema());
END $$;
--#
-- The ids of packed patients, sixteen bytes each, as an array, each once.
CREATE FUNCTION almoner_ids(packed bytea) RETURNS uuid[] LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(array_agg(DISTINCT encode(substring(packed FROM n FOR 16), 'hex')::uuid), '{}')
  FROM generate_series(1, length(packed), 16) AS n
$$;
--#
CREATE EXTENSION IF NOT EXISTS pg_trgm;
--#
CREATE EXTENSION IF NOT EXISTS btree_gin;
--#
-- A text as it is searched: its first 200 characters without case, accents and marks, in ASCII alone, a space before it. Letters
-- of other alphabets become Latin ones that sound like them, every other character a word of its own, its code point: pg_trgm
-- takes for letters what the database's LC_CTYPE does, which is C on many servers, and there names of other scripts would have no
-- trigrams as they are. One function: an index may call no other that is not in pg_catalog.
CREATE FUNCTION almoner_plain(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE plain text := left(given, 200);
BEGIN
  -- Most texts are letters and digits of ASCII: what follows would take several times as long and change nothing.
  IF plain COLLATE "C" ~ '^[A-Za-z0-9 ]*$' THEN
    RETURN ' ' || lower(plain COLLATE "C");
  END IF;
  <<marks>>
  BEGIN
    EXIT marks WHEN octet_length(plain) = length(plain);
    -- Accents, points and other marks are parted from their letters, and go; apostrophes and the Cyrillic signs go too. Below,
    -- each letter has one that it becomes: what had none would vanish.
    plain := regexp_replace(normalize(plain, NFKD),
      '[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u3099\u309a\u02bb\u02bc\u2018\u2019\u042a\u044a\u042c\u044c\u04c0\u04cf]', '', 'g');
    plain := translate(plain, 'øØđĐðÐłŁħĦıIŋŊŧŦƒƑɓƁɗƊəƏɛƐɔƆɣƔɨƗʉɄƙƘƴƳɲƝŀĿ',
      'ooddddllhhiinnttffbbddeeeeooggiiuukkyynnll');
    EXIT marks WHEN octet_length(plain) = length(plain);
    plain := replace(replace(replace(replace(plain, 'ß', 'ss'), 'ẞ', 'ss'), 'æ', 'ae'), 'Æ', 'ae');
    plain := replace(replace(replace(replace(plain, 'œ', 'oe'), 'Œ', 'oe'), 'þ', 'th'), 'Þ', 'th');
    IF plain ~ '[\u0400-\u052f]' THEN
      plain := translate(plain, 'аАбБвВгГдДеЕжЖзЗиИкКлЛмМнНоОпПрРсСтТуУфФхХцЦчЧшШщЩыЫэЭюЮяЯґҐєЄіІјЈљЉњЊћЋђЂџЏѕЅқҚңҢғҒүҮұҰөӨһҺәӘҗҖҳҲҷҶӣӢ',
        'aabbvvggddeezzzziikkllmmnnoopprrssttuuffhhccccssssyyeeuuaaggeeiijjllnnccddddzzkknngguuuuoohhaazzhhccii');
    END IF;
    IF plain ~ '[\u0370-\u03ff]' THEN
      plain := translate(plain, 'αΑβΒγΓδΔεΕζΖηΗθΘιΙκΚλΛμΜνΝξΞοΟπΠρΡσΣτΤυΥφΦχΧψΨωΩς',
        'aavvggddeezziittiikkllmmnnxxoopprrssttyyffhhppoos');
    END IF;
    IF plain ~ '[\u0531-\u0587]' THEN
      plain := translate(plain, 'աԱբԲգԳդԴեԵզԶէԷըԸթԹժԺիԻլԼխԽծԾկԿհՀձՁղՂճՃմՄյՅնՆշՇոՈչՉպՊջՋռՌսՍվՎտՏրՐցՑւՒփՓքՔօՕֆՖ',
        'aabbggddeezzeeeettzziillhhcckkhhddggccmmyynnssooccppjjrrssvvttrrccuuppkkooff');
    END IF;
    IF plain ~ '[\u10d0-\u10ff]' THEN
      plain := translate(plain, 'აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ',
        'abgdevztiklmnopzrstupkgqsccdcchjh');
    END IF;
    IF plain ~ '[\u05d0-\u05ea]' THEN
      plain := translate(plain, 'אבגדהוזחטיךכלםמןנסעףפץצקרשת',
        'abgdhvzhtykklmmnnsappcckrst');
    END IF;
    IF plain ~ '[\u0621-\u06ff]' THEN
      plain := translate(plain, 'ءابتثجحخدذرزسشصضطظعغفقكلمنهوىيةپچژڤکگیہھٹڈڑٱں',
        'aabttjhkddrzsssdtzagfqklmnhwayhpczvkgyhhtdran');
    END IF;
    IF plain ~ '[\u1100-\u11ff]' THEN
      plain := translate(plain, U&'\1100\1101\1102\1103\1104\1105\1106\1107\1108\1109\110A\110B\110C\110D\110E\110F\1110\1111\1112\1161\1162\1163'
        || U&'\1164\1165\1166\1167\1168\1169\116A\116B\116C\116D\116E\116F\1170\1171\1172\1173\1174\1175\11A8\11A9\11AA\11AB'
        || U&'\11AC\11AD\11AE\11AF\11B0\11B1\11B2\11B3\11B4\11B5\11B6\11B7\11B8\11B9\11BA\11BB\11BC\11BD\11BE\11BF\11C0\11C1'
        || U&'\11C2',
        'ggnddrmbbssqjjcktphaeaexeyewowvyuzzuuuiigggnnndrrrrrrrrmbbssqjckthh');
    END IF;
    EXIT marks WHEN octet_length(plain) = length(plain);
    plain := (SELECT string_agg(CASE WHEN ascii(c) < 128 THEN c ELSE ' ' || to_hex(ascii(c)) || ' ' END, '' ORDER BY place)
      FROM regexp_split_to_table(plain, '') WITH ORDINALITY AS parts(c, place));
  END;
  RETURN ' ' || translate(lower(plain COLLATE "C"), '-_.,;:/\@()[]+&#*''"`', '                 ');
END $$;
--#
-- Of a care flow's interventions that are open: the first reminder to the second, null where there is none; and the workers to
-- whom any is assigned. A reminder is kept as it was sent, in any of the notations that IsoDateTime takes.
CREATE FUNCTION almoner_open_since(flow json) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT min((m.part[1] || ' ' || m.part[2])::timestamp
    - CASE m.part[3] WHEN '-' THEN -1 ELSE 1 END * make_interval(hours => coalesce(m.part[4], '0')::integer,
        mins => coalesce(m.part[5], '0')::integer)) AT TIME ZONE 'UTC'
  FROM json_array_elements(flow -> 'goals') AS g CROSS JOIN LATERAL json_array_elements(g.value -> 'interventions') AS i
  CROSS JOIN LATERAL regexp_match(i.value ->> 'reminder_date',
    '^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,]\d+)?(?:[Zz]|([-+ ])(\d\d):?(\d\d)?)?$') AS m(part)
  WHERE i.value ->> 'completed_at' IS NULL
$$;
--#
CREATE FUNCTION almoner_open_workers(flow json) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT array_agg(DISTINCT i.value ->> 'worker_id')
  FROM json_array_elements(flow -> 'goals') AS g CROSS JOIN LATERAL json_array_elements(g.value -> 'interventions') AS i
  WHERE i.value ->> 'completed_at' IS NULL AND i.value ->> 'worker_id' IS NOT NULL
$$;
--#
-- What differs between two rows as JSON objects, each as [before, after]: {"city": ["Berkeley", null]}. Where both hold an object,
-- what differs within it is told by path: {"body.dose": [500, 850]}. Null where nothing differs.
CREATE FUNCTION almoner_differences(was json, now json) RETURNS json LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  WITH fields AS (
    SELECT key, w.value AS was, n.value AS now,
      json_typeof(w.value) IS NOT DISTINCT FROM 'object' AND json_typeof(n.value) IS NOT DISTINCT FROM 'object' AS inside
    FROM json_each(was) w FULL JOIN json_each(now) n USING (key)
  )
  SELECT json_object_agg(path, json_build_array(d.was, d.now)) FROM (
    SELECT key AS path, f.was, f.now FROM fields f WHERE NOT inside
    UNION ALL
    SELECT f.key || '.' || parts.key, parts.was, parts.now FROM fields f CROSS JOIN LATERAL (
      SELECT key, w.value AS was, n.value AS now FROM json_each(f.was) w FULL JOIN json_each(f.now) n USING (key)
    ) parts WHERE f.inside
  ) d WHERE coalesce(d.was::text, 'null') <> coalesce(d.now::text, 'null')
$$;
--#
-- The record that a patient's goes on as: the kept one where it was merged, else itself. Who asks has locked it, as the reference
-- to it would in a moment, so that a merge that was under way was waited for; what it merged is seen here, each statement of a
-- function having a snapshot of its own. Nobody can merge it any more before the transaction that asks has ended.
CREATE FUNCTION almoner_current_patient(environment integer, given uuid) RETURNS uuid LANGUAGE plpgsql VOLATILE STRICT AS $$
DECLARE
  found uuid := given;
  kept uuid;
BEGIN
  LOOP
    SELECT m.kept_id INTO kept FROM patient_merges m WHERE m.environment_id = environment AND m.patient_id = found;
    IF kept IS NULL THEN
      RETURN found;
    END IF;
    found := kept;
    PERFORM FROM patients p WHERE p.environment_id = environment AND p.id = found FOR KEY SHARE;
  END LOOP;
END $$;
