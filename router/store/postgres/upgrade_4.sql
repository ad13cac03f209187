-- Schema 3 becomes 4: second sendings are counted, and their dead letters are kept. Nodes of schema 3 go on working with it.
ALTER TABLE unit
  ADD COLUMN again_skipped bigint NOT NULL DEFAULT 0, ADD COLUMN again_filtered bigint NOT NULL DEFAULT 0,
  ADD COLUMN again_held bigint NOT NULL DEFAULT 0, ADD COLUMN again_retrying bigint NOT NULL DEFAULT 0,
  ADD COLUMN again_queued bigint NOT NULL DEFAULT 0, ADD COLUMN again_dead bigint NOT NULL DEFAULT 0;
ALTER TABLE dead ADD COLUMN again smallint NOT NULL DEFAULT 0;
