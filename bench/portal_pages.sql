-- What bench/portal_pages.py measures on, a statement a block: $1 is the environment. 50 entries of a timeline for each patient.
INSERT INTO calendars (environment_id, id, worker_id) SELECT $1, gen_random_uuid(), id FROM workers WHERE environment_id = $1
--#
INSERT INTO conversations (environment_id, id, user_id, conversation_type, created_at)
SELECT $1, id, id, 'phone', now() - interval '1 year' FROM patients WHERE environment_id = $1
--#
-- Of a tenth of the patients the newest message was not read yet.
INSERT INTO messages (environment_id, id, user_id, worker_id, conversation_id, direction, contents, send_time, read_at)
SELECT $1, gen_random_uuid(), p.id, CASE WHEN n % 2 = 0 THEN p.coach_id END, p.id,
  CASE WHEN n % 2 = 0 THEN 'outbound' ELSE 'inbound' END, 'Well done! Let us talk about the knee tomorrow.',
  now() - n * interval '8 days',
  CASE WHEN n % 2 = 1 AND (n > 1 OR hashtext(p.id::text) % 10 <> 0) THEN now() END
FROM patients p, generate_series(1, 25) n WHERE p.environment_id = $1
--#
INSERT INTO calendar_events (environment_id, id, calendar_id, user_id, start_time, end_time, modality, appointment_type)
SELECT $1, gen_random_uuid(), c.id, p.id, s.t, s.t + interval '20 minutes', 'phone', 'coaching_call'
FROM patients p
JOIN calendars c ON c.environment_id = p.environment_id AND c.worker_id = p.coach_id,
  generate_series(1, 10) n,
  LATERAL (SELECT date_trunc('hour', now()) + ((n - 8) * 14 + hashtext(p.id::text) % 14) * interval '1 day' AS t) s
WHERE p.environment_id = $1
--#
INSERT INTO assessment_responses (environment_id, id, spec_id, user_id, model, version, created_at)
SELECT $1, gen_random_uuid(), 'weekly_check_in', id, json_build_object('week_of', '2026-01-05', 'energy', 1 + n % 10), 1,
  now() - n * interval '21 days'
FROM patients, generate_series(1, 10) n WHERE environment_id = $1
--#
INSERT INTO care_flows (environment_id, id, user_id, care_flow, created_at)
SELECT $1, gen_random_uuid(), id,
  json_build_object('description', 'increase daily exercise', 'diagnosis', null, 'goals', json_build_array(json_build_object(
    'title', 'Make a plan', 'interventions', json_build_array(json_build_object(
      'title', 'Document the new plan',
      'reminder_date', to_char(now() - interval '3 days', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
      'completed_at', null, 'completed_by_worker_id', null, 'worker_id', coach_id, 'instructions', null))))),
  now() - interval '60 days'
FROM patients WHERE environment_id = $1
--#
INSERT INTO custom_data_type_records (environment_id, id, body, user_id, type_name, version, created_at)
SELECT $1, gen_random_uuid(),
  json_build_object('test', 'hba1c', 'value', 6 + n * 0.1, 'unit', '%', 'collected_at', '2026-01-05T10:00:00+00:00'),
  id, 'lab_result', 1, now() - n * interval '90 days'
FROM patients, generate_series(1, 4) n WHERE environment_id = $1
