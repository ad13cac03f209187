-- Schema 3 of the shared store, for PostgreSQL 14 and newer. An older one becomes this one by upgrade_2.sql and upgrade_3.sql. Names without a schema: they are made in the first one of the search path.
-- Instants are milliseconds since 1970, but for leases, which are on the database's own clock. `part` leads every key; it is 0.
-- User keys and what is compared with them are ordered by their bytes (COLLATE "C"), as in the embedded store.

CREATE TABLE version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), schema int NOT NULL,
  usable_from int NOT NULL,                    -- the oldest program schema that may work on it
  level int NOT NULL                           -- what may be written
);
CREATE TABLE meta (key text PRIMARY KEY, value bytea NOT NULL);

-- ---- the log: blocks, one for each group commit; positions are given out under the lock of the head row

CREATE TABLE head (
  part smallint PRIMARY KEY, pos bigint NOT NULL, duplicates bigint NOT NULL, discarded bigint NOT NULL,
  clock bigint NOT NULL,                       -- newest received_at that was given out: it never runs back
  generation int NOT NULL,                     -- which table of message ids is filled
  people bigint NOT NULL                       -- counts demands to forget or to suppress: who appends must know of all of them
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE TABLE block (
  part smallint NOT NULL, first bigint NOT NULL, n int NOT NULL,    -- positions first .. first + n - 1
  id bigint NOT NULL,
  floor bigint NOT NULL, at bigint NOT NULL,   -- none of its events was received before the one, nor after the other
  dup bytea NOT NULL,                          -- bitmap over the packed events: refused as duplicates, without a position
  folded boolean NOT NULL,                     -- some of them tell the directory something
  data bytea NOT NULL,                         -- router/store/blocks.py
  PRIMARY KEY (part, first)
);
ALTER TABLE block ALTER data SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX block_by_id ON block (part, id);
CREATE SEQUENCE block_id;

-- Keyed hashes of (source, message id), in generations: a ring of tables, of which the oldest is emptied when its turn comes again.
CREATE TABLE seen_0 (hash bigint PRIMARY KEY, block bigint NOT NULL, at int NOT NULL);      -- at: seconds since 1970
CREATE TABLE seen_1 (LIKE seen_0 INCLUDING ALL);
CREATE TABLE seen_2 (LIKE seen_0 INCLUDING ALL);
CREATE TABLE seen_3 (LIKE seen_0 INCLUDING ALL);
CREATE TABLE seen_4 (LIKE seen_0 INCLUDING ALL);
CREATE TABLE seen_5 (LIKE seen_0 INCLUDING ALL);
CREATE TABLE seen_6 (LIKE seen_0 INCLUDING ALL);
CREATE TABLE seen_7 (LIKE seen_0 INCLUDING ALL);
CREATE TABLE generation (g int PRIMARY KEY, opened_at bigint NOT NULL, closed_at bigint);

-- Everything at or below this position is given up: announced before its blocks go, and read by commits whose rows may refer to it.
CREATE TABLE trim (part smallint PRIMARY KEY, pos bigint NOT NULL);

-- Events that rows still refer to after their block went: one copy for all destinations, gone some minutes after the last reference.
-- body NULL: nothing is left to send, only what became of it is told.
CREATE TABLE kept (
  part smallint, pos bigint, hash bigint NOT NULL, received_at bigint NOT NULL, source text NOT NULL, type text NOT NULL,
  user_key text COLLATE "C" NOT NULL, message_id text NOT NULL, body bytea, PRIMARY KEY (part, pos)
);
CREATE INDEX kept_by_hash ON kept (hash);

-- Events of the log whose person or group was forgotten: their block has no message id of theirs any more.
CREATE TABLE erased (part smallint, hash bigint, pos bigint, PRIMARY KEY (part, hash, pos));
CREATE INDEX erased_by_pos ON erased (part, pos);

CREATE TABLE source (name text PRIMARY KEY);
CREATE TABLE discard (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at bigint NOT NULL, source text NOT NULL, code text NOT NULL,
  message text NOT NULL, message_id text NOT NULL, type text NOT NULL, excerpt text NOT NULL
);
CREATE TABLE discard_count (source text, code text, n bigint NOT NULL, PRIMARY KEY (source, code));

-- What does not fit a tracking plan, by what and where; no value of a call. ids: the last five message ids.
CREATE TABLE violation (
  part smallint, source text, event text, type text, field text, description text NOT NULL, n bigint NOT NULL,
  first bigint NOT NULL, last bigint NOT NULL, ids text[] NOT NULL, PRIMARY KEY (part, source, event, type, field)
);
CREATE INDEX violation_by_age ON violation (part, last);

-- ---- the directory: written only while the head row is held

-- email, name: hashes of these traits, without regard to case, by which people and groups are looked for.
CREATE TABLE person (
  part smallint, user_key text COLLATE "C", traits bytea NOT NULL, email bigint, PRIMARY KEY (part, user_key)
);
CREATE INDEX person_by_email ON person (part, email) WHERE email IS NOT NULL;
CREATE TABLE company (
  part smallint, group_id text COLLATE "C", traits bytea NOT NULL, since bytea NOT NULL, name bigint,
  PRIMARY KEY (part, group_id)
);
CREATE INDEX company_by_name ON company (part, name) WHERE name IS NOT NULL;
CREATE TABLE membership (
  part smallint, user_key text COLLATE "C", pos bigint, group_id text COLLATE "C" NOT NULL, call_pos bigint NOT NULL,
  PRIMARY KEY (part, user_key, pos)
);
CREATE INDEX membership_by_group ON membership (part, group_id, user_key);
CREATE INDEX membership_taken_over ON membership (part, call_pos) WHERE call_pos <> pos;
CREATE TABLE link (
  part smallint, anonymous_key text COLLATE "C", pos bigint, user_key text COLLATE "C" NOT NULL,
  PRIMARY KEY (part, anonymous_key, pos)
);
CREATE INDEX link_by_user ON link (part, user_key);

-- The latest consent of users, where it is followed. denied_at: as in the embedded store.
CREATE TABLE consent (
  part smallint, user_key text COLLATE "C", categories bytea NOT NULL, denied_at bigint NOT NULL, PRIMARY KEY (part, user_key)
);
CREATE INDEX consent_denied ON consent (part, denied_at, user_key) WHERE denied_at > 0;

-- ---- destinations: one row for each unit; other rows for the exceptions only

CREATE TABLE unit (
  part smallint, destination text COLLATE "C", shard smallint,
  owner uuid, node uuid,                       -- a process, and the node that it is of
  owner_name text NOT NULL DEFAULT '', epoch bigint NOT NULL DEFAULT 0, taken_at timestamptz,
  expires timestamptz NOT NULL DEFAULT '-infinity',
  step bigint NOT NULL DEFAULT 0,
  clock bigint NOT NULL,                       -- router time of the newest commit
  start bigint NOT NULL, pos bigint NOT NULL, ahead bytea NOT NULL DEFAULT '',
  delivered bigint NOT NULL DEFAULT 0, skipped bigint NOT NULL DEFAULT 0, filtered bigint NOT NULL DEFAULT 0,
  held bigint NOT NULL DEFAULT 0, retrying bigint NOT NULL DEFAULT 0, dead bigint NOT NULL DEFAULT 0,
  dry_run bigint NOT NULL DEFAULT 0, replayed bigint NOT NULL DEFAULT 0, parked_bytes bigint NOT NULL DEFAULT 0,
  letters bigint NOT NULL DEFAULT 0, letter_bytes bigint NOT NULL DEFAULT 0,
  mode text NOT NULL, gate text NOT NULL DEFAULT '',
  state text NOT NULL DEFAULT 'running', state_reason text NOT NULL DEFAULT '', state_since bigint NOT NULL,
  state_until bigint NOT NULL DEFAULT 0, state_detail text NOT NULL DEFAULT '', stopped_ms bigint NOT NULL DEFAULT 0,
  floors bytea NOT NULL DEFAULT '',            -- what shards that were there before had settled beyond `pos`: JSON of Floor, by slots
  again_skipped bigint NOT NULL DEFAULT 0, again_filtered bigint NOT NULL DEFAULT 0, again_held bigint NOT NULL DEFAULT 0,
  again_retrying bigint NOT NULL DEFAULT 0, again_queued bigint NOT NULL DEFAULT 0, again_dead bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (part, destination, shard)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Destinations that some process has configured: until then, in router time, what they have not read stays.
CREATE TABLE wanted (part smallint, destination text COLLATE "C", until bigint NOT NULL, PRIMARY KEY (part, destination));

-- What nodes have configured of a destination, one after the other, as hashes. The one with the highest number is in force.
CREATE TABLE configured (
  part smallint, destination text COLLATE "C", number bigint, hash text NOT NULL, node text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (part, destination, number)
);

-- What one process at a time does. Whoever does it compares the epoch in the first statement of each transaction.
CREATE TABLE duty (
  name text PRIMARY KEY, owner uuid, epoch bigint NOT NULL DEFAULT 0, expires timestamptz NOT NULL DEFAULT '-infinity'
);

-- What operators asked of destinations, until a day later. answer: JSON; while it is taken what was done of it by now. text is gone at the end.
CREATE TABLE command (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, part smallint NOT NULL, destination text COLLATE "C" NOT NULL,
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp(), text bytea NOT NULL,
  state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'taken', 'done', 'refused', 'withdrawn')),
  epoch bigint NOT NULL DEFAULT 0,             -- of the owner that took it; its effect is stored under this one or not at all
  tries int NOT NULL DEFAULT 0, answer bytea NOT NULL DEFAULT '',
  node uuid,                                   -- whom it is for; then it is about no destination
  shard smallint NOT NULL DEFAULT 0            -- of the destination: whose owner it is for
);
CREATE INDEX command_open ON command (part, destination) WHERE state IN ('asked', 'taken');
CREATE INDEX command_by_age ON command (asked_at);
CREATE INDEX command_of_node ON command (node) WHERE node IS NOT NULL AND state IN ('asked', 'taken');

-- Nodes that give signs of life. incarnation: the process that does so for this id.
CREATE TABLE node (
  id uuid PRIMARY KEY, incarnation uuid NOT NULL, name text NOT NULL, version text NOT NULL,
  started timestamptz NOT NULL, expires timestamptz NOT NULL, destinations text[] NOT NULL,
  configuration jsonb NOT NULL,                -- by subject the hash of what it has configured; empty before it knows
  ingest text NOT NULL DEFAULT '', admin text NOT NULL DEFAULT ''   -- where it listens
);

-- What the columns mean is said in the schema of the embedded store. slot: of the user key (router/store/shards.py).
CREATE TABLE lane (
  part smallint, destination text COLLATE "C", user_key text COLLATE "C", slot smallint NOT NULL,
  mode text NOT NULL, need text COLLATE "C" NOT NULL, reason text NOT NULL, group_id text NOT NULL, due_at bigint,
  attempts int NOT NULL, held int NOT NULL, main int NOT NULL, held_since bigint NOT NULL, first_held bigint NOT NULL,
  also text COLLATE "C" NOT NULL, refused_pos bigint NOT NULL, PRIMARY KEY (part, destination, user_key)
);
CREATE INDEX lane_for_due ON lane (part, destination, mode, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX lane_stuck ON lane (part, destination, user_key) WHERE due_at IS NULL AND (need = '' OR mode = 'retry');
CREATE INDEX lane_for_expiry ON lane (part, destination, held_since) WHERE held > 0 AND need <> '';
CREATE INDEX lane_for_need ON lane (part, destination, need, user_key) WHERE need <> '' AND need <> user_key;
CREATE INDEX lane_for_also ON lane (part, destination, also, user_key) WHERE also <> '';

CREATE TABLE parked (
  part smallint, destination text COLLATE "C", pos bigint, user_key text COLLATE "C" NOT NULL, slot smallint NOT NULL,
  queue text NOT NULL, place bigint NOT NULL, state text NOT NULL, reason text NOT NULL, parked_at bigint NOT NULL,
  linked text NOT NULL, given text NOT NULL, items bytea, made_by text NOT NULL, attempts int NOT NULL,
  first_at bigint NOT NULL, origin bigint NOT NULL, PRIMARY KEY (part, destination, pos)
);
CREATE INDEX parked_in_order ON parked (part, destination, user_key, queue, place);
CREATE INDEX parked_between ON parked (part, destination, place) WHERE place % 16777216 <> 0;
CREATE INDEX parked_by_origin ON parked (part, destination, origin) WHERE origin <> 0;

CREATE TABLE dead (
  part smallint, destination text COLLATE "C", pos bigint, at bigint NOT NULL, user_key text COLLATE "C" NOT NULL,
  slot smallint NOT NULL, reason text NOT NULL, detail text NOT NULL, linked text NOT NULL, items bytea,
  made_by text NOT NULL, attempts int NOT NULL, size bigint NOT NULL, again smallint NOT NULL DEFAULT 0,
  PRIMARY KEY (part, destination, pos)
);
CREATE INDEX dead_by_age ON dead (part, destination, at);
CREATE INDEX dead_by_reason ON dead (part, destination, reason, pos, at);

CREATE TABLE woken (
  part smallint, destination text COLLATE "C", pos bigint, received_at bigint NOT NULL, source text NOT NULL,
  type text NOT NULL, message_id text NOT NULL, body bytea NOT NULL, PRIMARY KEY (part, destination, pos)
);
CREATE INDEX woken_by_id ON woken (message_id);

CREATE TABLE replay (
  part smallint, destination text COLLATE "C", shard smallint, job bytea NOT NULL, state text NOT NULL,
  kind text NOT NULL, pos bigint NOT NULL, PRIMARY KEY (part, destination, shard)
);
CREATE TABLE disabled (
  part smallint, destination text COLLATE "C", began bigint, ended bigint NOT NULL, PRIMARY KEY (part, destination, began)
);
CREATE TABLE supply (
  part smallint, destination text COLLATE "C", pos bigint, user_key text COLLATE "C" NOT NULL, slot smallint NOT NULL,
  group_id text NOT NULL, missing text NOT NULL, PRIMARY KEY (part, destination, pos)
);
CREATE TABLE opening (
  part smallint, destination text COLLATE "C", shard smallint, need text COLLATE "C", last_key text COLLATE "C" NOT NULL,
  PRIMARY KEY (part, destination, shard, need)
);

-- codes: router/store/postgres/receipt_codes.py.
CREATE TABLE receipt (
  part smallint, destination text COLLATE "C", shard smallint, to_pos bigint, from_pos bigint, at bigint,
  codes bytea NOT NULL, tried bytea NOT NULL, PRIMARY KEY (part, destination, to_pos, from_pos, shard, at)
);
CREATE TABLE code (
  code int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL, reason text NOT NULL, UNIQUE (state, reason)
);
CREATE TABLE outcome (
  part smallint, destination text COLLATE "C", pos bigint, at bigint NOT NULL, code int NOT NULL, tried bigint NOT NULL,
  PRIMARY KEY (part, destination, pos)
);
CREATE INDEX outcome_for_trim ON outcome (at);
CREATE TABLE attempt (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, part smallint NOT NULL, destination text COLLATE "C" NOT NULL,
  pos bigint NOT NULL, at bigint NOT NULL, duration_ms bigint NOT NULL, status int, error text NOT NULL,
  reason text NOT NULL, request text NOT NULL
);
CREATE INDEX attempt_of_event ON attempt (part, destination, pos, id);

CREATE TABLE state (
  part smallint, destination text COLLATE "C", key text COLLATE "C", value bytea NOT NULL,
  PRIMARY KEY (part, destination, key)
);
CREATE TABLE timer (
  part smallint, destination text COLLATE "C", key text COLLATE "C", due_at bigint NOT NULL, user_key text COLLATE "C" NOT NULL,
  slot smallint NOT NULL, PRIMARY KEY (part, destination, key)
);
CREATE INDEX timer_for_due ON timer (part, destination, due_at);

-- ---- counts for plots: by minute and by hour, old ones are deleted. Names of config.toml and numbers, nothing personal.

CREATE TABLE counted (
  part smallint, span int, kind text, name text, at bigint, counts bytea NOT NULL, PRIMARY KEY (part, span, kind, name, at)
);
CREATE INDEX counted_by_age ON counted (part, span, at);

-- ---- people: who was forgotten or is suppressed, as keyed hashes

-- owner: the process that carries it out; when that gives no signs of life, another one does. job: JSON of a Regulation. It has user keys while it is under way, and hashes at the end. members: of the groups that it erases, meanwhile.
CREATE TABLE regulation (
  part smallint, id text, created_at bigint NOT NULL, is_done boolean NOT NULL, job bytea NOT NULL, owner uuid NOT NULL, PRIMARY KEY (part, id)
);
CREATE INDEX regulation_under_way ON regulation (created_at) WHERE NOT is_done;
CREATE TABLE member (part smallint, regulation text, user_key text COLLATE "C", PRIMARY KEY (part, regulation, user_key));

-- Calls of these user keys are not accepted. owner: the hash of a person to whom it belongs.
CREATE TABLE suppressed (
  part smallint, hash bytea, owner bytea, at bigint NOT NULL, PRIMARY KEY (part, hash, owner)
);
CREATE INDEX suppressed_of ON suppressed (part, owner);
