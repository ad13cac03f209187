"""The embedded store: one SQLite file, one connection that writes, two that only read.

Opening:

store.py                opens the store and builds its parts
locks.py                who may use the file, and whether it is still there
private_files.py        which files only their owner may read, and makes them so
snapshot.py             a consistent copy beside a running daemon, and whether a copy is whole
connection.py           a connection in a thread of its own
schema.sql              every table, with what its columns mean
before_migration.py     the copy to go back with, and what is refused before anything is changed
migrations.py           brings a file to the schema of this program
migration_from_1.py     from schema 1 to 2
migration_from_2.py     from schema 2 to 3
migration_from_6.py     from schema 6 to 7

Writing:

event_log.py            the log, as the router sees it
claims.py               who owns a destination, and what owners may do
group_commit.py         the one writer: all that is pending, one fsync
group_transaction.py    the transaction of a group
apply_commit.py         writes a destination's commit batch
cursors.py              a destination's place in the log: taken, taken up again, given up
directory_writes.py     the rows of the directory, as folding sees them
preference_rows.py      the latest consent of users, where it is followed
counters.py             counts by minute and by hour, as the router sees them
counter_rows.py         their rows: added up, read, and deleted when they are too old
notices.py              what the notifier has told
violation_rows.py       what does not fit the tracking plans: counted, and read again
log_writes.py           new events go into the log
dedupe.py               which message ids were accepted
id_generations.py       those of the dedupe window that are not in memory
id_filter.py            most ids are new: a filter that says so
id_runs.py              where the others are on the disk
retention.py            trims what is too old, a slice with each commit
kept_events.py          events that rows refer to after they left the log
people.py               demands to forget people or groups, or to suppress people
erasure.py              carries them out, a step a transaction
forget_begin.py         the first transaction of a demand
forget_rows.py          erases what a destination has of people
forget_groups.py        what the directory knows of a group, and which events are a group's
forget_group_rows.py    erases what a destination has of groups
forget_log.py           erases bodies in the log, and those that outlived it
forget_texts.py         erases texts that name a person
regulation_rows.py      the records of demands
regulation_file.py      the same beside the store, as hashes
regulations_again.py    records demands that an older copy of the store has lost
scrub.py                free pages and the WAL hold nothing of what was erased
bulk_insert.py          many rows in few statements

Reading:

reader.py               the connection that destinations read through
log_reads.py            pages of the log
directory_reads.py      what is told of users and groups
lane_reads.py           lanes and their rows
ledger_reads.py         the counts of a destination beside its rows
keyed_state_reads.py    what plugins keep, and their timers
dead_letter_reads.py    dead letters
deletions.py            what became of the deletions a destination was asked for
replay_reads.py         replays, and the events that they feed
outcome_reads.py        what a settled event came to
group_call_reads.py     group calls that do not count yet
event_columns.py        a row together with the event that it refers to
queries/                what people ask: ledger, why, held, dead letters, discards, stored calls
held_counts.py          held events by what they wait for
health.py               what is wrong with the store, in words
sizes.py                what it takes and writes
pages.py                what a database takes of its disk
"""
