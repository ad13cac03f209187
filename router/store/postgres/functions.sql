-- Append the events of one group: message ids first, sorted, so that two appends never wait for each other in a circle; then the head
-- row, under which the order is made and which is held until the commit can be seen. Under that lock there is one insert and one update.
--
-- p_people: how many demands to forget or to suppress this process knows of. If there are more it may append calls of people who are suppressed.
-- p_hashes are sorted; p_index is the place of each in the block. p_repeats: events of the group that repeat another one of it.
-- p_now, p_newest: router time, and the newest instant in the block: neither may push the time of all on. Returns where the block
-- begins, its bitmap of duplicates, and between which instants its events were received.
CREATE OR REPLACE FUNCTION append_1(
  p_generation int, p_hashes bigint[], p_index int[], p_repeats int, p_now bigint, p_newest bigint, p_window bigint,
  p_folded boolean, p_data bytea, p_discarded bigint, p_people bigint,
  OUT o_first bigint, OUT o_dup bytea, OUT o_floor bigint, OUT o_at bigint, OUT o_pos bigint, OUT o_duplicates bigint,
  OUT o_discarded bigint
) LANGUAGE plpgsql AS $$
DECLARE
  v_block bigint := nextval('block_id');
  v_latest bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 1000;
  v_now int := (least(p_now, v_latest) / 1000)::int;
  v_since int := ((least(p_now, v_latest) - p_window) / 1000)::int;
  v_old bigint[] := '{}';
  v_found bigint[];
  v_fresh bigint[];
  v_refused int[];
  v_closed int;
  v_n int;
  v_k int;
  v_head head%ROWTYPE;
BEGIN
  IF cardinality(p_hashes) > 0 THEN
    FOR v_closed IN SELECT g FROM generation WHERE g < p_generation AND closed_at >= least(p_now, v_latest) - p_window LOOP
      EXECUTE format('SELECT array_agg(hash) FROM seen_%s WHERE hash = ANY($1) AND at > $2', v_closed % 8)
        INTO v_found USING p_hashes, v_since;
      v_old := v_old || coalesce(v_found, '{}');
    END LOOP;
    EXECUTE format(
      'WITH entered AS (INSERT INTO seen_%s AS s (hash, block, at) SELECT h, $2, $3 FROM unnest($1) h'
      ' ON CONFLICT (hash) DO UPDATE SET block = excluded.block, at = excluded.at WHERE s.at <= $4 RETURNING s.hash)'
      ' SELECT coalesce(array_agg(hash), ''{}'') FROM entered', p_generation % 8)
      INTO v_fresh USING p_hashes, v_block, v_now, v_since;
    IF cardinality(v_fresh) < cardinality(p_hashes) OR cardinality(v_old) > 0 THEN
      SELECT array_agg(asked.k) INTO v_refused
        FROM unnest(p_hashes, p_index) AS asked (hash, k) LEFT JOIN unnest(v_fresh) AS fresh (hash) ON fresh.hash = asked.hash
        WHERE fresh.hash IS NULL OR asked.hash = ANY(v_old);
    END IF;
  END IF;
  o_dup := '';
  v_n := cardinality(p_hashes);
  IF v_refused IS NOT NULL THEN
    o_dup := decode(repeat('00', (v_n + 7) / 8), 'hex');
    FOREACH v_k IN ARRAY v_refused LOOP
      o_dup := set_bit(o_dup, v_k, 1);
    END LOOP;
    v_n := v_n - cardinality(v_refused);
  END IF;

  SELECT * INTO STRICT v_head FROM head WHERE part = 0 FOR UPDATE;
  IF v_head.generation <> p_generation THEN
    RAISE EXCEPTION 'generation % is closed', p_generation USING ERRCODE = 'SR001';
  END IF;
  IF v_head.people <> p_people THEN
    RAISE EXCEPTION 'there was a demand that this process does not know of' USING ERRCODE = 'SR003';
  END IF;
  o_floor := v_head.clock;
  o_at := greatest(v_head.clock, least(p_newest, v_latest));
  o_first := v_head.pos + 1;
  o_pos := v_head.pos + v_n;
  o_duplicates := v_head.duplicates + p_repeats + coalesce(cardinality(v_refused), 0);
  o_discarded := v_head.discarded + p_discarded;
  IF v_n > 0 THEN
    INSERT INTO block (part, first, n, id, floor, at, dup, folded, data)
      VALUES (0, o_first, v_n, v_block, o_floor, o_at, o_dup, p_folded, p_data);
  END IF;
  UPDATE head SET pos = o_pos, duplicates = o_duplicates, discarded = o_discarded, clock = o_at WHERE part = 0;
END $$;

-- Everything at or below this position is given up. For a commit whose rows may refer to such events: it keeps these itself. Whoever removes
-- blocks announces it first, and then waits for all who hold this lock, as they may have read the older position.
CREATE OR REPLACE FUNCTION trimmed_1(p_lock bigint, OUT o_pos bigint) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(p_lock);
  SELECT pos INTO STRICT o_pos FROM trim WHERE part = 0;
END $$;

-- A node's sign of life. Renews the units that it serves, also those whose lease has run out meanwhile, if nobody took them; tells what
-- was renewed, which nodes live, who owns what, what is in force, and what time it is. It fails where another process gives signs of life for this node.
CREATE OR REPLACE FUNCTION heartbeat_2(
  p_node uuid, p_incarnation uuid, p_name text, p_version text, p_started boolean, p_lease bigint,
  p_wanted text[], p_configuration jsonb, p_ingest text, p_admin text,
  p_destinations text[], p_shards smallint[], p_epochs bigint[], p_steps bigint[], p_leases bigint[],
  OUT o_renewed jsonb, OUT o_nodes jsonb, OUT o_units jsonb, OUT o_now bigint
) LANGUAGE plpgsql AS $$
DECLARE
  v_ms CONSTANT interval := interval '1 millisecond';
BEGIN
  -- A process that freezes between the two halves of a statement is not idle for PostgreSQL, whatever it has locked: nothing ends it.
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = 'segment-router' AND pid <> pg_backend_pid()
      AND state = 'active' AND wait_event = 'ClientRead' AND xact_start IS NOT NULL
      AND state_change < clock_timestamp() - interval '2 seconds';
  INSERT INTO node AS n (id, incarnation, name, version, started, expires, destinations, configuration, ingest, admin)
    VALUES (p_node, p_incarnation, p_name, p_version, clock_timestamp(), clock_timestamp() + p_lease * v_ms, p_wanted, p_configuration,
      p_ingest, p_admin)
    ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation, name = excluded.name, version = excluded.version,
      started = CASE WHEN p_started THEN excluded.started ELSE n.started END,
      expires = excluded.expires, destinations = excluded.destinations, configuration = excluded.configuration,
      ingest = excluded.ingest, admin = excluded.admin
    WHERE p_started OR n.incarnation = p_incarnation;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'node % is another process by now', p_name USING ERRCODE = 'SR002';
  END IF;
  IF p_started THEN  -- its former process is dead: what that owned can be taken at once
    UPDATE unit SET expires = '-infinity' WHERE part = 0 AND node = p_node AND owner <> p_incarnation;
    DELETE FROM node WHERE expires < clock_timestamp() - interval '1 day';
  END IF;
  WITH renewed AS (
    UPDATE unit u SET expires = clock_timestamp() + asked.lease * v_ms
      FROM unnest(p_destinations, p_shards, p_epochs, p_steps, p_leases) AS asked (destination, shard, epoch, step, lease)
      WHERE u.part = 0 AND u.destination = asked.destination AND u.shard = asked.shard AND u.owner = p_incarnation
        AND u.epoch = asked.epoch AND u.step >= asked.step  -- else the database went back in time, and what was stored is not there
      RETURNING u.destination, u.shard, u.epoch
  )
  SELECT coalesce(jsonb_agg(jsonb_build_array(destination, shard, epoch)), '[]') INTO o_renewed FROM renewed;
  SELECT coalesce(jsonb_agg(jsonb_build_object(
      'id', id, 'name', name, 'version', version, 'destinations', destinations, 'configuration', configuration,
      'started', (extract(epoch FROM started) * 1000)::bigint, 'lives', expires > clock_timestamp()) ORDER BY name, id), '[]')
    INTO o_nodes FROM node;
  SELECT coalesce(jsonb_agg(jsonb_build_object(
      'destination', destination, 'shard', shard, 'owner', owner, 'node', node, 'owner_name', owner_name, 'epoch', epoch,
      'is_free', expires < clock_timestamp(),
      'status', jsonb_build_array(state, state_reason, state_since, state_until, state_detail, stopped_ms),
      'owned_s', coalesce(extract(epoch FROM clock_timestamp() - taken_at), 0),
      'in_force', (SELECT hash FROM configured c WHERE c.part = 0 AND c.destination = unit.destination ORDER BY number DESC LIMIT 1)
      ) ORDER BY destination, shard), '[]')
    INTO o_units FROM unit WHERE part = 0 AND state <> 'forgotten';
  o_now := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
END $$;
