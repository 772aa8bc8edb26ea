-- How people are found: see almoner_plain in functions.sql for what it is for. Frozen here as it was made.
CREATE EXTENSION IF NOT EXISTS pg_trgm
--#
CREATE EXTENSION IF NOT EXISTS btree_gin
--#
-- A text as it is searched: its first 200 characters without case, accents and marks, in ASCII alone, a space before it. Letters
-- of other alphabets become Latin ones that sound like them, every other character a word of its own, its code point: pg_trgm
-- takes for letters what the database's LC_CTYPE does, which is C on many servers, and there names of other scripts would have no
-- trigrams as they are. One function: an index may call no other that is not in pg_catalog.
CREATE FUNCTION almoner_plain(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE plain text := left(given, 200);
BEGIN
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
CREATE INDEX patients_name_search ON patients USING gin (environment_id, almoner_plain(last_name || ' ' || first_name) gin_trgm_ops)
--#
CREATE INDEX email_addresses_email_search ON email_addresses USING gin (environment_id, almoner_plain(email) gin_trgm_ops)
--#
CREATE INDEX phone_numbers_phone_number_search ON phone_numbers
  USING gin (environment_id, almoner_plain(replace(phone_number, '-', '')) gin_trgm_ops)
--#
CREATE INDEX external_ids_external_id_search ON external_ids USING gin (environment_id, almoner_plain(external_id) gin_trgm_ops)
--#
CREATE INDEX patients_name_order ON patients
  (environment_id, (almoner_plain(last_name || ' ' || first_name) COLLATE "C"), id)
--#
CREATE INDEX patients_phase_order ON patients
  (environment_id, phase, (almoner_plain(last_name || ' ' || first_name) COLLATE "C"), id)
--#
ALTER TABLE messages ALTER CONSTRAINT messages_conversation_id_fkey DEFERRABLE INITIALLY IMMEDIATE
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
$$
--#
CREATE FUNCTION almoner_open_workers(flow json) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT array_agg(DISTINCT i.value ->> 'worker_id')
  FROM json_array_elements(flow -> 'goals') AS g CROSS JOIN LATERAL json_array_elements(g.value -> 'interventions') AS i
  WHERE i.value ->> 'completed_at' IS NULL AND i.value ->> 'worker_id' IS NOT NULL
$$
--#
CREATE INDEX care_flows_open_part ON care_flows (environment_id, user_id, almoner_open_since(care_flow))
  WHERE almoner_open_since(care_flow) IS NOT NULL
--#
CREATE INDEX care_flows_due_part ON care_flows (environment_id, almoner_open_since(care_flow))
  WHERE almoner_open_since(care_flow) IS NOT NULL
--#
CREATE INDEX care_flows_assigned_part ON care_flows USING gin (environment_id, almoner_open_workers(care_flow))
  WHERE almoner_open_since(care_flow) IS NOT NULL
--#
CREATE INDEX messages_inbound_part ON messages (environment_id, user_id, send_time, id) WHERE direction = 'inbound'
