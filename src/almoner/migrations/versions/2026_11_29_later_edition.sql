-- What the contract's later edition knows of a patient, and what Find looks for; the Arabic letter that vanished in search comes back.
-- Frozen here as it was made.
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
ALTER TABLE patients
  ADD COLUMN is_active boolean NOT NULL DEFAULT true,
  ADD COLUMN primary_language text,
  ADD COLUMN gender text,
  ADD COLUMN height text,
  ADD COLUMN weight text,
  ADD COLUMN smokes boolean,
  ADD COLUMN provider_id_number text;
--#
-- What names are searched by is worked out anew where the letter is in them; that is no change of the patient.
ALTER TABLE patients DISABLE TRIGGER almoner_touch;
--#
UPDATE patients SET last_name = last_name WHERE position('ں' IN last_name || first_name) > 0;
--#
ALTER TABLE patients ENABLE TRIGGER almoner_touch;
--#
DO $$
BEGIN
  IF EXISTS (SELECT FROM email_addresses WHERE position('ں' IN email) > 0) THEN
    REINDEX INDEX email_addresses_email_search;
  END IF;
  IF EXISTS (SELECT FROM external_ids WHERE position('ں' IN external_id) > 0) THEN
    REINDEX INDEX external_ids_external_id_search;
  END IF;
END $$;
--#
CREATE INDEX patients_phase_idx ON patients (environment_id, phase, updated_at, id);
--#
CREATE INDEX patients_long_name_part ON patients (environment_id, id) WHERE length(last_name) + length(first_name) > 198;
--#
CREATE INDEX calendar_events_starts_part ON calendar_events (environment_id, start_time) WHERE start_time IS NOT NULL;
--#
CREATE INDEX workers_phone_number_idx ON workers (environment_id, phone_number, updated_at, id);
