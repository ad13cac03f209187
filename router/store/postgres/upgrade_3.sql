-- Schema 2 becomes 3: a destination can be split into shards. Nodes of schema 2 go on working with it until one is.
ALTER TABLE unit ADD COLUMN floors bytea NOT NULL DEFAULT '';
ALTER TABLE command ADD COLUMN shard smallint NOT NULL DEFAULT 0;
