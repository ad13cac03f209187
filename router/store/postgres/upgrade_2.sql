-- Schema 1 becomes 2: which configuration is in force, where nodes listen, and commands to a node. Nodes of schema 1 go on working with it.
CREATE TABLE configured (
  part smallint, destination text COLLATE "C", number bigint, hash text NOT NULL, node text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (part, destination, number)
);
ALTER TABLE command ADD COLUMN node uuid;
CREATE INDEX command_of_node ON command (node) WHERE node IS NOT NULL AND state IN ('asked', 'taken');
ALTER TABLE node ADD COLUMN ingest text NOT NULL DEFAULT '', ADD COLUMN admin text NOT NULL DEFAULT '';
