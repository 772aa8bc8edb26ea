-- What bench/patient_search.py searches, a statement a block: $1 is the environment, $2 the number of patients. Family names are of
-- a census' kind: few that very many have, and many that few have (made of syllables). One in eight is of another script.
INSERT INTO patients (environment_id, id, phase, timezone, first_name, last_name, birthday, plain_name, created_at, updated_at)
SELECT $1, (lpad(to_hex(n * 2654435761 % 4294967296), 8, '0') || '-0000-7000-8000-' || lpad(to_hex($1::int), 4, '0') || lpad(to_hex(n::bigint), 8, '0'))::uuid,
  'active_coaching', 'US/Pacific', m.first_name, m.last_name, date '1930-01-01' + (n * 7919 % 33000)::int,
  almoner_plain(m.last_name || ' ' || m.first_name), now() - n * interval '1 s', now() - n * interval '1 s'
FROM generate_series(1::bigint, $2::bigint) AS n
CROSS JOIN LATERAL (SELECT abs(hashint8(n * 4)) AS a, abs(hashint8(n * 4 + 1)) AS b, abs(hashint8(n * 4 + 2)) AS c) AS r
CROSS JOIN (SELECT
  '{James,Mary,Robert,Patricia,John,Jennifer,Michael,Linda,David,Elizabeth,William,Barbara,Richard,Susan,Joseph,Jessica,Thomas,Sarah,Charles,Karen,Grace,Nora,Anne-Marie,José,María,Zoë,François,Jürgen,Søren,Łucja,Nguyễn,Chloé,Günther,Ana,Luis,Carmen,Ahmed,Fatima,Wei,Yuki,Priya,Ravi,Ola,Ingrid,Pedro,Giulia,Marco,Elena,Ivan,Olga}'::text[] AS first,
  '{Smith,Johnson,Williams,Brown,Jones,Garcia,Miller,Davis,Rodriguez,Martinez,Hernandez,Lopez,Gonzalez,Wilson,Anderson,Thomas,Taylor,Moore,Jackson,Martin,Lee,Perez,Thompson,White,Harris,Sanchez,Clark,Ramirez,Lewis,Robinson,Walker,Young,Allen,King,Wright,Scott,Torres,Nguyen,Hill,Flores,Green,Adams,Nelson,Baker,Hall,Rivera,Campbell,Mitchell,Carter,Roberts,O''Brian,O''Connor,Müller,Åkesson,Núñez,Weiß,Øster,Nowak,Singh,Patel}'::text[] AS last,
  '{ma,lin,ber,ka,ro,den,sta,vic,hol,per,gra,wen,dor,el,bus,kin,ton,ley,ster,man,dal,fer,ri,go,sch,mu,ne,ta,lo,be}'::text[] AS part,
  '{Пётр,Ольга,Наталья,Σωκράτης,Ελένη,דוד,שרה,محمد,فاطمة,太郎,花子,민수,지영,伟,芳,გიორგი,Արամ}'::text[] AS other_first,
  '{Иванов,Петрова,Кузнецова,Παππάς,Γεωργίου,כהן,לוי,حسن,العلي,山田,佐藤,김,박,王,李,ბერიძე,Սարգսյան}'::text[] AS other_last
) AS names
CROSS JOIN LATERAL (SELECT
  CASE WHEN n % 8 = 0 THEN other_first[1 + a % 17] ELSE first[1 + a % 50] END AS first_name,
  CASE WHEN n % 8 = 0 THEN other_last[1 + (a + b % 2) % 17]
    WHEN n % 8 < 4 THEN last[1 + b % 60]
    ELSE initcap(part[1 + b % 30] || part[1 + c % 30] || part[1 + b / 30 % 30] || CASE WHEN c % 3 = 0 THEN part[1 + c / 30 % 30] ELSE '' END)
  END AS last_name
) AS m
--#
INSERT INTO phone_numbers (environment_id, id, user_id, phone_number, phone_number_type)
SELECT environment_id, id, id, substr(d, 1, 3) || '-' || substr(d, 4, 3) || '-' || substr(d, 7, 4), 'cell'
FROM patients CROSS JOIN LATERAL (SELECT (2000000000 + abs(hashtextextended(id::text, 7)) % 7999999999)::text AS d) AS digits
WHERE environment_id = $1 AND $2::bigint > 0
--#
INSERT INTO email_addresses (environment_id, id, user_id, email)
SELECT environment_id, id, id, replace(split_part(ltrim(plain_name), ' ', 2) || '.' || split_part(ltrim(plain_name), ' ', 1), ' ', '')
  || abs(hashtextextended(id::text, 3)) % 1000 || '@' || ('{gmail.com,yahoo.com,example.org,outlook.com}'::text[])[1 + abs(hashtextextended(id::text, 4)) % 4]
FROM patients WHERE environment_id = $1 AND $2::bigint > 0
--#
INSERT INTO external_ids (environment_id, id, resource, namespace, external_id, welkin_id)
SELECT environment_id, id, 'patients', 'ehr', 'MRN-' || row_number() OVER (ORDER BY id) + 1000000, id
FROM patients WHERE environment_id = $1 AND $2::bigint > 0
