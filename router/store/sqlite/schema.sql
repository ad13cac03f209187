-- Schema 7. Every table leads with the partition; this store has one (0), and a position is a rowid of the log.
-- Instants are milliseconds since 1970. A user key is "u:<userId>", "a:<anonymousId>" or "g:<groupId>".

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- How many events were accepted: the position of the newest one. Stored, since a trimmed log forgets its highest rowid.
CREATE TABLE head (
  part INTEGER PRIMARY KEY, pos INTEGER NOT NULL, duplicates INTEGER NOT NULL, discarded INTEGER NOT NULL,
  clock INTEGER NOT NULL,                      -- high-water mark of router time
  merged INTEGER NOT NULL                      -- runs and `seen` cover positions up to here
);

-- ---- the log: appended once, whatever the number of destinations

CREATE TABLE log (
  part INTEGER NOT NULL, pos INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source TEXT NOT NULL,
  type TEXT NOT NULL, user_key TEXT NOT NULL, message_id TEXT NOT NULL, body BLOB NOT NULL
);

-- Keyed 64-bit hashes of (source, message id), each with its position: the dedupe window, and the index behind `why`. The log has those
-- of its newest events, runs have those before, and `seen` what runs had longer ago.
CREATE TABLE seen (part INTEGER NOT NULL, hash INTEGER PRIMARY KEY, pos INTEGER NOT NULL);
CREATE TABLE seen_run (
  part INTEGER NOT NULL, run INTEGER PRIMARY KEY, -- 64 of them are a generation
  upto INTEGER NOT NULL,                       -- its last position
  at INTEGER NOT NULL                          -- none of its events was accepted later
);
CREATE TABLE seen_piece (
  part INTEGER NOT NULL, id INTEGER PRIMARY KEY, -- generation, first bits of the hashes, run
  ids BLOB NOT NULL                            -- the hashes, sorted, then how far each position is below the last one of the run
);
-- The filter of a generation (router/store/sqlite/id_filter.py), which has its runs up to this one.
CREATE TABLE seen_filter (part INTEGER NOT NULL, generation INTEGER PRIMARY KEY, run INTEGER NOT NULL, words BLOB NOT NULL);

-- Events that rows still refer to after they were trimmed from the log: one copy for all destinations, gone with the last
-- reference. body NULL: nothing is left to send, only what became of it is told.
CREATE TABLE kept (
  part INTEGER NOT NULL, pos INTEGER PRIMARY KEY, hash INTEGER NOT NULL, received_at INTEGER, source TEXT, type TEXT,
  user_key TEXT, message_id TEXT, body BLOB
);
CREATE INDEX kept_by_hash ON kept (hash);

CREATE TABLE source (name TEXT PRIMARY KEY) WITHOUT ROWID;

-- Calls that got a 200 and were not accepted, newest kept; counted by source and code for good.
CREATE TABLE discard (
  part INTEGER NOT NULL, id INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, code TEXT NOT NULL,
  message TEXT NOT NULL, message_id TEXT NOT NULL, type TEXT NOT NULL, excerpt TEXT NOT NULL
);
CREATE TABLE discard_count (
  part INTEGER NOT NULL, source TEXT NOT NULL, code TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (part, source, code)
) WITHOUT ROWID;

-- What does not fit a tracking plan, by what and where; no value of a call. ids: JSON list of the last five message ids.
CREATE TABLE violation (
  part INTEGER NOT NULL, source TEXT NOT NULL, event TEXT NOT NULL, type TEXT NOT NULL, field TEXT NOT NULL,
  description TEXT NOT NULL, n INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, ids TEXT NOT NULL,
  PRIMARY KEY (part, source, event, type, field)
) WITHOUT ROWID;
CREATE INDEX violation_by_age ON violation (part, last);

-- ---- the directory: the router's own fold, in the accepting transaction

CREATE TABLE person (
  part INTEGER NOT NULL, user_key TEXT NOT NULL, traits BLOB NOT NULL, PRIMARY KEY (part, user_key)
) WITHOUT ROWID;

CREATE TABLE company (
  part INTEGER NOT NULL, group_id TEXT NOT NULL, traits BLOB NOT NULL,
  since BLOB NOT NULL,                         -- JSON: trait -> position of the call that first told it
  PRIMARY KEY (part, group_id)
) WITHOUT ROWID;

-- History, a row on change only. call_pos: the group call that told it (another position where a link took it over).
-- group_id empty: that group was forgotten.
CREATE TABLE membership (
  part INTEGER NOT NULL, user_key TEXT NOT NULL, pos INTEGER NOT NULL, group_id TEXT NOT NULL, call_pos INTEGER NOT NULL,
  PRIMARY KEY (part, user_key, pos)
) WITHOUT ROWID;
CREATE INDEX membership_taken_over ON membership (part, call_pos) WHERE call_pos <> pos;

CREATE TABLE link (
  part INTEGER NOT NULL, anonymous_key TEXT NOT NULL, pos INTEGER NOT NULL, user_key TEXT NOT NULL,
  PRIMARY KEY (part, anonymous_key, pos)
) WITHOUT ROWID;

-- The latest consent of users, where [consent] follow is on. categories: JSON, category -> [given, position since which].
CREATE TABLE consent (
  part INTEGER NOT NULL, user_key TEXT NOT NULL, categories BLOB NOT NULL,
  denied_at INTEGER NOT NULL,                  -- position of the newest denial of a category that is denied still; 0: none is
  PRIMARY KEY (part, user_key)
) WITHOUT ROWID;
CREATE INDEX consent_denied ON consent (part, denied_at, user_key) WHERE denied_at > 0;

-- ---- destinations: one cursor row each; other rows for the exceptions only

CREATE TABLE cursor (
  part INTEGER NOT NULL, destination TEXT NOT NULL, shard INTEGER NOT NULL,       -- the unit that has one owner; one shard here: 0
  epoch INTEGER NOT NULL DEFAULT 0,            -- counts take-overs, and step commits: what a commit compares
  step INTEGER NOT NULL DEFAULT 0,
  start INTEGER NOT NULL,                      -- events at or below it were accepted before this destination began
  pos INTEGER NOT NULL,                        -- every event at or below it is settled or has a row
  ahead BLOB NOT NULL,                         -- bitmap of the positions above pos of which the same is true
  delivered INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0, filtered INTEGER NOT NULL DEFAULT 0,
  held INTEGER NOT NULL DEFAULT 0, retrying INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,
  dry_run INTEGER NOT NULL DEFAULT 0, replayed INTEGER NOT NULL DEFAULT 0,
  parked_bytes INTEGER NOT NULL DEFAULT 0,     -- bodies of all its parked rows
  letters INTEGER NOT NULL DEFAULT 0, letter_bytes INTEGER NOT NULL DEFAULT 0,    -- dead letters that are kept
  mode TEXT NOT NULL,                          -- live or dry-run, as it was served last
  gate TEXT NOT NULL DEFAULT '',               -- what its gate asked when it was served last
  state TEXT NOT NULL DEFAULT 'running', state_reason TEXT NOT NULL DEFAULT '', state_since INTEGER NOT NULL,
  state_until INTEGER NOT NULL DEFAULT 0,      -- 0: until somebody resumes it
  state_detail TEXT NOT NULL DEFAULT '',
  stopped_ms INTEGER NOT NULL DEFAULT 0,       -- how long it stood still in all, before this state
  -- second sendings that the counters above leave out; the delivered ones are `replayed`
  again_skipped INTEGER NOT NULL DEFAULT 0, again_filtered INTEGER NOT NULL DEFAULT 0,
  again_held INTEGER NOT NULL DEFAULT 0, again_retrying INTEGER NOT NULL DEFAULT 0,
  again_queued INTEGER NOT NULL DEFAULT 0, again_dead INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (part, destination, shard)
) WITHOUT ROWID;

-- A blocked user of a destination. need: what the held queue waits for, "u:..", "a:.." (a group call of that user),
-- "c:.." (the group call at that position) or "g:.." (a trait of that group); empty: ask the gate again.
CREATE TABLE lane (
  part INTEGER NOT NULL, destination TEXT NOT NULL, user_key TEXT NOT NULL,
  mode TEXT NOT NULL, need TEXT NOT NULL, reason TEXT NOT NULL, group_id TEXT NOT NULL,
  due_at INTEGER, attempts INTEGER NOT NULL, held INTEGER NOT NULL, main INTEGER NOT NULL, held_since INTEGER NOT NULL,
  first_held INTEGER NOT NULL,                 -- place of the held event that the lane waits for
  also TEXT NOT NULL,                          -- another user key that will do, beside need
  refused_pos INTEGER NOT NULL DEFAULT 0,      -- the group call that was refused here, where that is why
  PRIMARY KEY (part, destination, user_key)
) WITHOUT ROWID;
CREATE INDEX lane_for_due ON lane (part, destination, mode, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX lane_stuck ON lane (part, destination, user_key) WHERE due_at IS NULL AND (need = '' OR mode = 'retry');
CREATE INDEX lane_for_expiry ON lane (part, destination, held_since) WHERE held > 0 AND need <> '';
-- Most held lanes wait for a group call of their own user: these are found by their key, and have no entry here.
CREATE INDEX lane_for_need ON lane (part, destination, need, user_key) WHERE need <> '' AND need <> user_key;
CREATE INDEX lane_for_also ON lane (part, destination, also, user_key) WHERE also <> '';

-- An event that waits at a destination. The event itself stands in the log or in `kept`; what a timer returned, in `woken`.
CREATE TABLE parked (
  part INTEGER NOT NULL, destination TEXT NOT NULL, pos INTEGER NOT NULL, user_key TEXT NOT NULL, queue TEXT NOT NULL,
  place INTEGER NOT NULL,                      -- order within a queue: pos << 24; timers and replays stand between (pos < 0)
  state TEXT NOT NULL, reason TEXT NOT NULL, parked_at INTEGER NOT NULL,
  linked TEXT NOT NULL,                        -- userId of the link that moved it here
  given TEXT NOT NULL,                         -- JSON: the group an operator released it with
  items BLOB,                                  -- JSON: what is left to send, once mapped
  made_by TEXT NOT NULL,                       -- plugin and item version that made the items
  attempts INTEGER NOT NULL, first_at INTEGER NOT NULL,
  origin INTEGER NOT NULL,                     -- the settled event that is sent a second time; 0: it is itself
  PRIMARY KEY (part, destination, pos)
) WITHOUT ROWID;
CREATE INDEX parked_in_order ON parked (part, destination, user_key, queue, place);
CREATE INDEX parked_between ON parked (part, destination, place) WHERE place % 16777216 <> 0;
CREATE INDEX parked_by_origin ON parked (part, destination, origin) WHERE origin <> 0;

CREATE TABLE dead (
  part INTEGER NOT NULL, destination TEXT NOT NULL, pos INTEGER NOT NULL, at INTEGER NOT NULL, user_key TEXT NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL, linked TEXT NOT NULL, items BLOB, made_by TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  size INTEGER NOT NULL,                       -- bytes of the event's body, items and detail
  again INTEGER NOT NULL DEFAULT 0,            -- 1: of a second sending, which the counter `dead` leaves out
  PRIMARY KEY (part, destination, pos)
) WITHOUT ROWID;
CREATE INDEX dead_by_age ON dead (part, destination, at);
CREATE INDEX dead_by_reason ON dead (part, destination, reason, pos, at);

-- What timers returned, parked or dead: these events have no position in the log.
CREATE TABLE woken (
  part INTEGER NOT NULL, destination TEXT NOT NULL, pos INTEGER NOT NULL, received_at INTEGER NOT NULL,
  source TEXT NOT NULL, type TEXT NOT NULL, message_id TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (part, destination, pos)
) WITHOUT ROWID;
CREATE INDEX woken_by_id ON woken (message_id);

-- The newest replay of a destination: how far it is is committed with the rows it fed.
CREATE TABLE replay (
  part INTEGER NOT NULL, destination TEXT NOT NULL,
  job BLOB NOT NULL,                           -- JSON
  state TEXT NOT NULL, kind TEXT NOT NULL, pos INTEGER NOT NULL,    -- a running span keeps the log behind pos
  PRIMARY KEY (part, destination)
) WITHOUT ROWID;

-- Times in which a destination was disabled, for nothing ages then. ended 0: it is disabled now.
CREATE TABLE disabled (
  part INTEGER NOT NULL, destination TEXT NOT NULL, began INTEGER NOT NULL, ended INTEGER NOT NULL,
  PRIMARY KEY (part, destination, began)
) WITHOUT ROWID;

-- Group calls that do not supply at a destination: unsettled behind a retry, or ended dead. missing: JSON list of "id"
-- and trait names that no later call has supplied since.
CREATE TABLE supply (
  part INTEGER NOT NULL, destination TEXT NOT NULL, pos INTEGER NOT NULL, user_key TEXT NOT NULL, group_id TEXT NOT NULL,
  missing TEXT NOT NULL, PRIMARY KEY (part, destination, pos)
) WITHOUT ROWID;

-- A supply that opened more lanes than one commit may touch: goes on after last_key, also after a crash.
CREATE TABLE opening (
  part INTEGER NOT NULL, destination TEXT NOT NULL, need TEXT NOT NULL, last_key TEXT NOT NULL,
  PRIMARY KEY (part, destination, need)
) WITHOUT ROWID;

-- One row per commit: the outcome code of every event it settled, two bytes a position from from_pos on, 0 = not here.
CREATE TABLE receipt (
  part INTEGER NOT NULL, destination TEXT NOT NULL, to_pos INTEGER NOT NULL, from_pos INTEGER NOT NULL,
  at INTEGER NOT NULL, codes BLOB NOT NULL,
  tried BLOB NOT NULL DEFAULT x'',             -- the attempts that delivered, each with its events (router/store/outcome_blocks.py)
  PRIMARY KEY (part, destination, to_pos, from_pos, at)
) WITHOUT ROWID;
CREATE TABLE code (code INTEGER PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL, UNIQUE (state, reason));

-- Events settled after they had a row: too scattered for a receipt's span.
CREATE TABLE outcome (
  part INTEGER NOT NULL, destination TEXT NOT NULL, pos INTEGER NOT NULL, at INTEGER NOT NULL, code INTEGER NOT NULL,
  tried INTEGER NOT NULL DEFAULT 0,            -- the attempt that delivered it, packed; 0: it has a row, or there was none
  PRIMARY KEY (part, destination, pos)
) WITHOUT ROWID;
CREATE INDEX outcome_for_trim ON outcome (at);

-- In order of time, so the lowest rowids are trimmed first.
CREATE TABLE attempt (
  part INTEGER NOT NULL, destination TEXT NOT NULL, pos INTEGER NOT NULL, at INTEGER NOT NULL, duration_ms INTEGER NOT NULL,
  status INTEGER, error TEXT NOT NULL, reason TEXT NOT NULL, request TEXT NOT NULL,
  upto INTEGER NOT NULL                        -- bytes of this and all earlier ones
);
CREATE INDEX attempt_of_event ON attempt (part, destination, pos);

CREATE TABLE state (
  part INTEGER NOT NULL, destination TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (part, destination, key)
) WITHOUT ROWID;
CREATE TABLE timer (
  part INTEGER NOT NULL, destination TEXT NOT NULL, key TEXT NOT NULL, due_at INTEGER NOT NULL, user_key TEXT NOT NULL,
  PRIMARY KEY (part, destination, key)
) WITHOUT ROWID;
CREATE INDEX timer_for_due ON timer (part, destination, due_at);

-- ---- counts for plots: by minute and by hour, old ones are deleted. Names of config.toml and numbers, nothing personal.

CREATE TABLE counted (
  part INTEGER NOT NULL, span INTEGER NOT NULL,    -- length of the bucket in seconds: 60 or 3600
  kind TEXT NOT NULL, name TEXT NOT NULL,      -- of a source or a destination
  at INTEGER NOT NULL,                         -- when the bucket begins
  counts BLOB NOT NULL,                        -- JSON of Counts
  PRIMARY KEY (part, span, kind, name, at)
) WITHOUT ROWID;
CREATE INDEX counted_by_age ON counted (part, span, at);

-- ---- people: who was forgotten or is suppressed, as keyed hashes

-- job: JSON of a Regulation. It has user keys while it is under way, and hashes at the end.
CREATE TABLE regulation (part INTEGER NOT NULL, id TEXT NOT NULL, created_at INTEGER NOT NULL, job BLOB NOT NULL,
  PRIMARY KEY (part, id)
) WITHOUT ROWID;

-- Calls of these user keys are not accepted. owner: the hashes, 32 bytes each, of the people to whom an anonymousId belongs, or its own.
CREATE TABLE suppressed (part INTEGER NOT NULL, hash BLOB NOT NULL, owner BLOB NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (part, hash)
) WITHOUT ROWID;
