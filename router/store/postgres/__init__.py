"""The shared store, on PostgreSQL: the same ports as the embedded one (docs/decisions/0015).

Opening:

store.py                opens the store and builds its parts
database.py             connections, and what a fault of the database says
sockets.py              a connection whose other end is gone ends
database_time.py        its clock as that of a node
install.py              the schema, and the settings without which a promise would not hold
standby.py              whether another machine has what is acknowledged
schema.sql              every table
upgrade_2.sql           what an older schema lacks
upgrade_3.sql           what that of before shards lacks
upgrade_4.sql           what that of before second sendings were counted lacks
functions.sql           what the database does in one trip

Writing:

duty.py                 what one process at a time does for all: taken, held, given back
housekeeping.py         what one process at a time does for all, slice by slice
trim_log.py             removes blocks that are read by all and old
trim_rows.py            the same for what is told of events beside the log
generations.py          tables of message ids, in turn
upkeep.py               what ruins a database slowly: old snapshots, slots, dead rows
wanted.py               which destinations have still to read the log
append_queue.py         what waits to be appended, group after group
append_group.py         one group: packed, appended, told to the directory
violation_rows.py       what does not fit the tracking plans: counted with them, and read again
directory_view.py       the rows of the directory as folding sees them, loaded and stored in one trip each
commit.py               writes a destination's commit batch
trait_hashes.py         traits by which people and groups are looked for
counters.py             counts for plots, and what waits
counter_rows.py         their rows, to which all nodes add
notices.py              what the notifier has told
rows_written.py         many rows in one statement
outcome_codes.py        numbers of outcomes
claims.py               who owns a destination
lease.py                how long a destination is owned after a sign of life
node.py                 this process among those that use the database
nodes_seen.py           what it knows of the others
in_force.py             which configuration counts, and who may deliver
configured.py           what nodes have configured, one after the other
differences.py          where nodes are not alike
node_id.py              who this node is
placement.py            which destinations a node takes and gives back
head_watch.py           sees what other nodes append
commands.py             what operators ask of destinations: recorded, taken, answered
claim.py                what an owner may do
claim_reads.py          what is read through a claim
kept_events.py          events that rows refer to after they left the log
people.py               demands to forget people or groups, or to suppress people
known_people.py         who is suppressed and who is being forgotten, as this process knows it
regulation_rows.py      their records, and who is suppressed
forget_begin.py         the first transaction of a demand
erasure.py              carries them out, a step a transaction
idle_unit.py            a destination that is taken while its rows are erased
forget_rows.py          erases what a destination has of people
forget_groups.py        what the directory knows of a group
forget_group_rows.py    erases what a destination has of groups
forget_log.py           erases bodies in blocks, and those that outlived the log
forget_texts.py         erases texts that name a person
deletions.py            what became of the deletions a destination was asked for
units.py                a destination's place in the log: taken, taken up again, given back
dropping.py             all that is kept of a destination goes
reshape.py              its number of shards changes
scope.py                which rows a shard has

Reading:

health.py               whether it can do its work, and what it takes
cluster.py              the nodes, and who has what
event_log.py            the log, as the router sees it
block_reads.py          events by position, and pages of the log
log_backwards.py        the log from its newest events backwards, for searches
directory_reads.py      what is told of users and groups
preference_rows.py      consent, where it is followed
lane_reads.py           lanes and their rows
summed.py               the counts of all shards of a destination
ledger_reads.py         the counts of a destination beside its rows
row_reads.py            parked rows and dead letters, with their events
state_reads.py          keyed state, timers, group calls
replay_reads.py         replays, and the events that they feed
receipt_codes.py        outcomes of a commit, packed
outcome_reads.py        what became of settled events
queries/                what people ask
"""
