-- What bench/portal_pages.py measures on, a statement a block: $1 is the environment. 50 entries of a timeline for each patient,
-- with their rows of the change log. The rows are written in the order of time, so that one patient's are scattered as they would be.
INSERT INTO patients (environment_id, id, phase, coach_id, timezone, first_name, last_name, plain_name, birthday, is_active,
  updated_at, created_at)
SELECT $1, gen_random_uuid(), 'active_coaching', w.id, 'US/Pacific', 'Grace', 'Hopper ' || g, almoner_plain('Hopper ' || g || ' Grace'),
  '1906-12-09', true, now() - g * interval '1 millisecond', now() - g * interval '1 millisecond'
FROM generate_series(0, $2::int - 1) g
JOIN (SELECT id, row_number() OVER () - 1 AS n, count(*) OVER () AS workers FROM workers WHERE environment_id = $1) w
  ON w.n = g % w.workers
--#
INSERT INTO calendars (environment_id, id, worker_id, updated_at, created_at)
SELECT $1, gen_random_uuid(), id, now(), now() FROM workers WHERE environment_id = $1
--#
INSERT INTO conversations (environment_id, id, user_id, conversation_type, updated_at, created_at)
SELECT $1, id, id, 'phone', now() - interval '1 year', now() - interval '1 year' FROM patients WHERE environment_id = $1
--#
-- Of a tenth of the patients the newest message was not read yet.
INSERT INTO messages (environment_id, id, user_id, worker_id, conversation_id, direction, contents, send_time, updated_at, created_at,
  read_at)
SELECT $1, gen_random_uuid(), p.id, CASE WHEN n % 2 = 0 THEN p.coach_id END, p.id,
  CASE WHEN n % 2 = 0 THEN 'outbound' ELSE 'inbound' END, 'Well done! Let us talk about the knee tomorrow.', t, t, t,
  CASE WHEN n % 2 = 1 AND (n > 1 OR hashtext(p.id::text) % 10 <> 0) THEN now() END
FROM patients p, generate_series(1, 25) n, LATERAL (SELECT now() - n * interval '8 days') s(t)
WHERE p.environment_id = $1 ORDER BY n DESC
--#
-- One in nineteen is on a day as a whole.
INSERT INTO calendar_events (environment_id, id, calendar_id, user_id, start_time, end_time, day, modality, appointment_type,
  updated_at, created_at)
SELECT $1, gen_random_uuid(), c.id, p.id, CASE WHEN NOT whole THEN t END, CASE WHEN NOT whole THEN t + interval '20 minutes' END,
  CASE WHEN whole THEN t::date END, 'phone', 'coaching_call', least(t, now()) - interval '30 days', least(t, now()) - interval '30 days'
FROM patients p
JOIN calendars c ON c.environment_id = p.environment_id AND c.worker_id = p.coach_id,
  generate_series(1, 10) n,
  LATERAL (SELECT date_trunc('hour', now()) + ((n - 8) * 14 + hashtext(p.id::text) % 14) * interval '1 day'
    + hashtext(p.first_name || p.id) % 12 * interval '30 minutes', hashtext(p.id::text || n) % 19 = 0) s(t, whole)
WHERE p.environment_id = $1 ORDER BY n
--#
INSERT INTO assessment_responses (environment_id, id, spec_id, user_id, model, version, updated_at, created_at)
SELECT $1, gen_random_uuid(), 'weekly_check_in', id, json_build_object('week_of', '2026-01-05', 'energy', 1 + n % 10), 1, t, t
FROM patients, generate_series(1, 10) n, LATERAL (SELECT now() - n * interval '21 days') s(t) WHERE environment_id = $1
ORDER BY n DESC
--#
INSERT INTO care_flows (environment_id, id, user_id, care_flow, updated_at, created_at)
SELECT $1, gen_random_uuid(), id,
  json_build_object('description', 'increase daily exercise', 'diagnosis', null, 'goals', json_build_array(json_build_object(
    'title', 'Make a plan', 'interventions', json_build_array(json_build_object(
      'title', 'Document the new plan',
      'reminder_date', to_char(now() - interval '3 days', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
      'completed_at', null, 'completed_by_worker_id', null, 'worker_id', coach_id, 'instructions', null))))),
  now() - interval '60 days', now() - interval '60 days'
FROM patients WHERE environment_id = $1
--#
INSERT INTO custom_data_type_records (environment_id, id, body, user_id, type_name, version, updated_at, created_at)
SELECT $1, gen_random_uuid(),
  json_build_object('test', 'hba1c', 'value', 6 + n * 0.1, 'unit', '%', 'collected_at', '2026-01-05T10:00:00+00:00'),
  id, 'lab_result', 1, t, t
FROM patients, generate_series(1, 4) n, LATERAL (SELECT now() - n * interval '90 days') s(t) WHERE environment_id = $1
ORDER BY n DESC
--#
INSERT INTO changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor, through, request_id)
SELECT $1, 'create', resource, id, user_id, created_at, 'worker:' || coach_id, 'portal', 'r' FROM (
  SELECT 'messages' AS resource, id, user_id, created_at FROM messages WHERE environment_id = $1
  UNION ALL SELECT 'calendar_events', id, user_id, created_at FROM calendar_events WHERE environment_id = $1
  UNION ALL SELECT 'assessment_responses', id, user_id, created_at FROM assessment_responses WHERE environment_id = $1
  UNION ALL SELECT 'care_flows', id, user_id, created_at FROM care_flows WHERE environment_id = $1
  UNION ALL SELECT 'custom_data_type_records', id, user_id, created_at FROM custom_data_type_records WHERE environment_id = $1
) AS entries JOIN (SELECT id AS user_id, coach_id FROM patients WHERE environment_id = $1) p USING (user_id)
ORDER BY created_at
--#
INSERT INTO changes (environment_id, kind, resource, row_id, patient_id, changed_at, actor, through, request_id, fields, differences)
SELECT $1, 'update', 'patients', id, id, now() - n * interval '40 days', 'worker:' || coach_id, 'portal', 'r', '{city}',
  '{"city": ["Berkeley", "San Francisco"]}'
FROM patients, generate_series(1, 2) n WHERE environment_id = $1 ORDER BY n DESC
