-- What is searched by name is kept in a column, worked out once a write, instead of once for each index; and a change's position is
-- a default instead of a trigger's work. Frozen here as it was made.
-- A text as it is searched: its first 200 characters without case, accents and marks, in ASCII alone, a space before it. Letters
-- of other alphabets become Latin ones that sound like them, every other character a word of its own, its code point: pg_trgm
-- takes for letters what the database's LC_CTYPE does, which is C on many servers, and there names of other scripts would have no
-- trigrams as they are. One function: an index may call no other that is not in pg_catalog.
CREATE OR REPLACE FUNCTION almoner_plain(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE plain text := left(given, 200);
BEGIN
  -- Most texts are letters and digits of ASCII: what follows would take several times as long and change nothing.
  IF plain COLLATE "C" ~ '^[A-Za-z0-9 ]*$' THEN
    RETURN ' ' || lower(plain COLLATE "C");
  END IF;
  <<marks>>
  BEGIN
    EXIT marks WHEN octet_length(plain) = length(plain);
    -- Accents, points and other marks are parted from their letters, and go.
    plain := regexp_replace(normalize(plain, NFKD),
      '[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u3099\u309a]', '', 'g');
    plain := translate(plain, 'øØđĐðÐłŁħĦıIŋŊŧŦƒƑɓƁɗƊəƏɛƐɔƆɣƔɨƗʉɄƙƘƴƳɲƝŀĿʼʻ’‘',
      'ooddddllhhiinnttffbbddeeeeooggiiuukkyynnll');
    EXIT marks WHEN octet_length(plain) = length(plain);
    plain := replace(replace(replace(replace(plain, 'ß', 'ss'), 'ẞ', 'ss'), 'æ', 'ae'), 'Æ', 'ae');
    plain := replace(replace(replace(replace(plain, 'œ', 'oe'), 'Œ', 'oe'), 'þ', 'th'), 'Þ', 'th');
    IF plain ~ '[\u0400-\u052f]' THEN
      plain := translate(plain, 'аАбБвВгГдДеЕжЖзЗиИкКлЛмМнНоОпПрРсСтТуУфФхХцЦчЧшШщЩыЫэЭюЮяЯґҐєЄіІјЈљЉњЊћЋђЂџЏѕЅқҚңҢғҒүҮұҰөӨһҺәӘҗҖҳҲҷҶӣӢъЪьЬӏӀ',
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
        'aabttjhkddrzsssdtzagfqklmnhwayhpczvkgyhhtdra');
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
END $$
--#
DROP INDEX patients_name_search, patients_name_order, patients_phase_order
--#
-- As a generated column at first: it fills the rows that are there in one go, without touching their times.
ALTER TABLE patients ADD COLUMN plain_name TEXT COLLATE "C" NOT NULL
  GENERATED ALWAYS AS (almoner_plain(last_name || ' ' || first_name)) STORED
--#
ALTER TABLE patients ALTER COLUMN plain_name DROP EXPRESSION
--#
CREATE FUNCTION almoner_patients_plain_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.plain_name := almoner_plain(NEW.last_name || ' ' || NEW.first_name);
  RETURN NEW;
END $$
--#
CREATE TRIGGER almoner_patients_plain_name BEFORE INSERT OR UPDATE ON patients
  FOR EACH ROW EXECUTE FUNCTION almoner_patients_plain_name()
--#
CREATE INDEX patients_name_search ON patients USING gin (environment_id, plain_name gin_trgm_ops, birthday)
--#
CREATE INDEX patients_name_order ON patients (environment_id, plain_name, id)
--#
CREATE INDEX patients_phase_order ON patients (environment_id, phase, plain_name, id)
--#
CREATE INDEX patients_created_order ON patients (environment_id, created_at, id)
--#
CREATE INDEX calendar_events_ahead_part ON calendar_events
  (environment_id, (coalesce(start_time, day::timestamp AT TIME ZONE 'UTC')), user_id) WHERE outcome IS NULL
--#
ALTER TABLE changes
  ALTER epoch SET DEFAULT coalesce(nullif(current_setting('almoner.epoch', true), '')::integer, almoner_epoch()),
  ALTER xid SET DEFAULT pg_current_xact_id()::text::bigint,
  ALTER seq SET DEFAULT nextval('changes_seq')
--#
DROP TRIGGER almoner_position ON changes
--#
DROP FUNCTION almoner_position()
