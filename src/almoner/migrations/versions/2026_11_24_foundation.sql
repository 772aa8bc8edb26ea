-- The first schema: the house's tables, the collections, the functions and the triggers. Statements are parted by --# lines.

CREATE TABLE audit_reads (
    environment_id INTEGER NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    read_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    actor TEXT NOT NULL,
    through TEXT NOT NULL,
    request_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    resource TEXT NOT NULL,
    patients BYTEA NOT NULL,
    CONSTRAINT audit_reads_pkey PRIMARY KEY (environment_id, id)
)
--#
CREATE INDEX audit_reads_read_at_idx ON audit_reads (environment_id, read_at)
--#
CREATE TABLE changes (
    environment_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    xid BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    resource TEXT NOT NULL,
    row_id UUID NOT NULL,
    patient_id UUID,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    through TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fields TEXT[],
    CONSTRAINT changes_pkey PRIMARY KEY (environment_id, epoch, xid, seq)
)
--#
CREATE INDEX changes_patient_id_idx ON changes (environment_id, patient_id, epoch, xid, seq) WHERE patient_id IS NOT NULL
--#
CREATE TABLE environments (
    id INTEGER GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT environments_pkey PRIMARY KEY (id),
    CONSTRAINT environments_name_key UNIQUE (name)
)
--#
CREATE TABLE epochs (
    epoch INTEGER NOT NULL,
    system_identifier BIGINT NOT NULL,
    timeline INTEGER NOT NULL,
    began_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT epochs_pkey PRIMARY KEY (epoch),
    CONSTRAINT epochs_cluster_key UNIQUE (system_identifier, timeline)
)
--#
CREATE TABLE external_ids (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    external_id TEXT NOT NULL,
    welkin_id UUID NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT external_ids_pkey PRIMARY KEY (environment_id, id)
)
--#
CREATE INDEX external_ids_external_id_idx ON external_ids (environment_id, hashtextextended(external_id, 0), updated_at, id)
--#
CREATE UNIQUE INDEX external_ids_namespace_external_id_key ON external_ids (environment_id, hashtextextended(namespace, 0), hashtextextended(namespace, 1), hashtextextended(external_id, 0), hashtextextended(external_id, 1))
--#
CREATE INDEX external_ids_namespace_idx ON external_ids (environment_id, hashtextextended(namespace, 0), updated_at, id)
--#
CREATE UNIQUE INDEX external_ids_namespace_welkin_id_resource_key ON external_ids (environment_id, hashtextextended(namespace, 0), hashtextextended(namespace, 1), welkin_id, resource)
--#
CREATE INDEX external_ids_resource_idx ON external_ids (environment_id, resource, updated_at, id)
--#
CREATE INDEX external_ids_updated_at_idx ON external_ids (environment_id, updated_at, id)
--#
CREATE INDEX external_ids_welkin_id_idx ON external_ids (environment_id, welkin_id, updated_at, id)
--#
CREATE TABLE workers (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    email TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    phone_number TEXT,
    timezone TEXT NOT NULL,
    gender TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (environment_id, id)
)
--#
CREATE INDEX workers_email_idx ON workers (environment_id, email, updated_at, id)
--#
CREATE UNIQUE INDEX workers_email_key ON workers (environment_id, email)
--#
CREATE INDEX workers_updated_at_idx ON workers (environment_id, updated_at, id)
--#
CREATE TABLE calendars (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    worker_id UUID NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT calendars_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT calendars_worker_id_fkey FOREIGN KEY(environment_id, worker_id) REFERENCES workers (environment_id, id)
)
--#
CREATE INDEX calendars_updated_at_idx ON calendars (environment_id, updated_at, id)
--#
CREATE INDEX calendars_worker_id_idx ON calendars (environment_id, worker_id, updated_at, id)
--#
CREATE UNIQUE INDEX calendars_worker_id_key ON calendars (environment_id, worker_id)
--#
CREATE TABLE clients (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    shape TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT clients_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT clients_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id),
    CONSTRAINT clients_id_key UNIQUE (id)
)
--#
CREATE TABLE patients (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    phase TEXT NOT NULL,
    coach_id UUID,
    timezone TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    birthday DATE,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    street TEXT,
    street_line_two TEXT,
    city TEXT,
    county TEXT,
    zip_code TEXT,
    state TEXT,
    country TEXT,
    CONSTRAINT patients_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT patients_coach_id_fkey FOREIGN KEY(environment_id, coach_id) REFERENCES workers (environment_id, id)
)
--#
CREATE INDEX patients_coach_id_idx ON patients (environment_id, coach_id, updated_at, id)
--#
CREATE INDEX patients_updated_at_idx ON patients (environment_id, updated_at, id)
--#
CREATE TABLE program_elements (
    environment_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    program_version INTEGER NOT NULL,
    definition JSON NOT NULL,
    CONSTRAINT program_elements_pkey PRIMARY KEY (environment_id, kind, name, version),
    CONSTRAINT program_elements_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id)
)
--#
CREATE TABLE programs (
    environment_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    digest TEXT NOT NULL,
    summary TEXT NOT NULL,
    published_by TEXT NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT programs_pkey PRIMARY KEY (environment_id, version),
    CONSTRAINT programs_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id)
)
--#
CREATE TABLE access_tokens (
    environment_id INTEGER NOT NULL,
    digest BYTEA NOT NULL,
    client_id UUID NOT NULL,
    scope TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT access_tokens_pkey PRIMARY KEY (environment_id, digest),
    CONSTRAINT access_tokens_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id),
    CONSTRAINT access_tokens_client_id_fkey FOREIGN KEY(environment_id, client_id) REFERENCES clients (environment_id, id),
    CONSTRAINT access_tokens_digest_key UNIQUE (digest)
)
--#
CREATE INDEX access_tokens_expires_at_idx ON access_tokens (expires_at)
--#
CREATE TABLE assessment_responses (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    spec_id TEXT,
    user_id UUID NOT NULL,
    model JSON NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    title TEXT,
    version BIGINT,
    CONSTRAINT assessment_responses_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT assessment_responses_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id)
)
--#
CREATE INDEX assessment_responses_updated_at_idx ON assessment_responses (environment_id, updated_at, id)
--#
CREATE INDEX assessment_responses_user_id_idx ON assessment_responses (environment_id, user_id, updated_at, id)
--#
CREATE TABLE calendar_events (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    calendar_id UUID NOT NULL,
    user_id UUID NOT NULL,
    is_all_day BOOLEAN GENERATED ALWAYS AS (day IS NOT NULL) STORED,
    start_time TIMESTAMP WITH TIME ZONE,
    end_time TIMESTAMP WITH TIME ZONE,
    day DATE,
    outcome TEXT,
    modality TEXT NOT NULL,
    appointment_type TEXT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT calendar_events_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT calendar_events_calendar_id_fkey FOREIGN KEY(environment_id, calendar_id) REFERENCES calendars (environment_id, id),
    CONSTRAINT calendar_events_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id)
)
--#
CREATE INDEX calendar_events_calendar_id_idx ON calendar_events (environment_id, calendar_id, updated_at, id)
--#
CREATE INDEX calendar_events_updated_at_idx ON calendar_events (environment_id, updated_at, id)
--#
CREATE INDEX calendar_events_user_id_idx ON calendar_events (environment_id, user_id, updated_at, id)
--#
CREATE TABLE care_flows (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    care_flow JSON NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT care_flows_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT care_flows_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id)
)
--#
CREATE INDEX care_flows_updated_at_idx ON care_flows (environment_id, updated_at, id)
--#
CREATE INDEX care_flows_user_id_idx ON care_flows (environment_id, user_id, updated_at, id)
--#
CREATE TABLE client_secrets (
    environment_id INTEGER NOT NULL,
    client_id UUID NOT NULL,
    id UUID NOT NULL,
    sealed BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT client_secrets_pkey PRIMARY KEY (environment_id, client_id, id),
    CONSTRAINT client_secrets_environment_id_fkey FOREIGN KEY(environment_id) REFERENCES environments (id),
    CONSTRAINT client_secrets_client_id_fkey FOREIGN KEY(environment_id, client_id) REFERENCES clients (environment_id, id)
)
--#
CREATE TABLE conversations (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    conversation_type TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT conversations_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT conversations_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id),
    CONSTRAINT conversations_id_user_id_key UNIQUE (environment_id, id, user_id)
)
--#
CREATE INDEX conversations_updated_at_idx ON conversations (environment_id, updated_at, id)
--#
CREATE INDEX conversations_user_id_idx ON conversations (environment_id, user_id, updated_at, id)
--#
CREATE TABLE custom_data_type_records (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    body JSON NOT NULL,
    user_id UUID NOT NULL,
    type_name TEXT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version BIGINT,
    CONSTRAINT custom_data_type_records_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT custom_data_type_records_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id)
)
--#
CREATE INDEX custom_data_type_records_type_name_idx ON custom_data_type_records (environment_id, type_name, updated_at, id)
--#
CREATE INDEX custom_data_type_records_updated_at_idx ON custom_data_type_records (environment_id, updated_at, id)
--#
CREATE INDEX custom_data_type_records_user_id_idx ON custom_data_type_records (environment_id, user_id, updated_at, id)
--#
CREATE TABLE email_addresses (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    email TEXT NOT NULL,
    friendly_name TEXT,
    user_id UUID NOT NULL,
    verified BOOLEAN DEFAULT false NOT NULL,
    opted_in_to_email BOOLEAN DEFAULT false NOT NULL,
    automatic_recipient BOOLEAN DEFAULT false NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT email_addresses_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT email_addresses_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id)
)
--#
CREATE INDEX email_addresses_updated_at_idx ON email_addresses (environment_id, updated_at, id)
--#
CREATE INDEX email_addresses_user_id_idx ON email_addresses (environment_id, user_id, updated_at, id)
--#
CREATE TABLE integration_tasks (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    status TEXT NOT NULL,
    user_id UUID,
    ref_ids TEXT[] DEFAULT '{}' NOT NULL,
    job_id TEXT NOT NULL,
    task_name TEXT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    errors JSON DEFAULT '[]' NOT NULL,
    CONSTRAINT integration_tasks_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT integration_tasks_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id)
)
--#
CREATE INDEX integration_tasks_job_id_idx ON integration_tasks (environment_id, hashtextextended(job_id, 0), updated_at, id)
--#
CREATE INDEX integration_tasks_ref_ids_idx ON integration_tasks USING gin (ref_ids)
--#
CREATE INDEX integration_tasks_task_name_idx ON integration_tasks (environment_id, hashtextextended(task_name, 0), updated_at, id)
--#
CREATE INDEX integration_tasks_updated_at_idx ON integration_tasks (environment_id, updated_at, id)
--#
CREATE INDEX integration_tasks_user_id_idx ON integration_tasks (environment_id, user_id, updated_at, id)
--#
CREATE TABLE patient_tasks (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    task_type TEXT NOT NULL,
    dismissed BOOLEAN,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT patient_tasks_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT patient_tasks_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id)
)
--#
CREATE INDEX patient_tasks_updated_at_idx ON patient_tasks (environment_id, updated_at, id)
--#
CREATE INDEX patient_tasks_user_id_idx ON patient_tasks (environment_id, user_id, updated_at, id)
--#
CREATE TABLE phone_numbers (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    phone_number TEXT NOT NULL,
    phone_number_type TEXT NOT NULL,
    friendly_name TEXT,
    verified BOOLEAN DEFAULT false NOT NULL,
    opted_in_to_sms BOOLEAN DEFAULT false NOT NULL,
    opted_in_to_call_recording BOOLEAN DEFAULT false NOT NULL,
    opted_in_to_voicemail BOOLEAN DEFAULT false NOT NULL,
    opted_in_to_phone BOOLEAN DEFAULT false NOT NULL,
    automatic_recipient BOOLEAN DEFAULT false NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT phone_numbers_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT phone_numbers_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id)
)
--#
CREATE INDEX phone_numbers_updated_at_idx ON phone_numbers (environment_id, updated_at, id)
--#
CREATE INDEX phone_numbers_user_id_idx ON phone_numbers (environment_id, user_id, updated_at, id)
--#
CREATE TABLE messages (
    environment_id INTEGER NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    worker_id UUID,
    conversation_id UUID NOT NULL,
    direction TEXT NOT NULL,
    contents TEXT NOT NULL,
    automatically_sent BOOLEAN DEFAULT false NOT NULL,
    send_time TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT messages_pkey PRIMARY KEY (environment_id, id),
    CONSTRAINT messages_user_id_fkey FOREIGN KEY(environment_id, user_id) REFERENCES patients (environment_id, id),
    CONSTRAINT messages_worker_id_fkey FOREIGN KEY(environment_id, worker_id) REFERENCES workers (environment_id, id),
    CONSTRAINT messages_conversation_id_fkey FOREIGN KEY(environment_id, conversation_id, user_id) REFERENCES conversations (environment_id, id, user_id)
)
--#
CREATE INDEX messages_conversation_id_idx ON messages (environment_id, conversation_id, updated_at, id)
--#
CREATE INDEX messages_updated_at_idx ON messages (environment_id, updated_at, id)
--#
CREATE INDEX messages_user_id_idx ON messages (environment_id, user_id, updated_at, id)
--#
CREATE INDEX messages_worker_id_idx ON messages (environment_id, worker_id, updated_at, id)
--#
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
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON assessment_responses FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON calendar_events FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON calendars FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON care_flows FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON custom_data_type_records FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON email_addresses FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON external_ids FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON integration_tasks FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON patient_tasks FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON phone_numbers FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON workers FOR EACH ROW EXECUTE FUNCTION almoner_touch()
--#
CREATE TRIGGER almoner_position BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION almoner_position()
--#
CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON changes FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()
--#
CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_reads FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()
--#
CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON programs FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()
--#
CREATE TRIGGER almoner_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON program_elements FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()
