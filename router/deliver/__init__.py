"""Deliver: takes the events of the log to one vendor, in order per user, at least once.

The loop of a worker, one per destination (`worker.py`):

1. run what operators asked for                                operations.py
2. read on in the log, as far as the window has room           worker.py
3. decide, map and queue the events of free users              live_pass.py
4. put all other events into the lanes of their users          lanes/
5. take up lanes that are due, timers, what is too old         jobs/
6. feed the next slice of a replay                             jobs/replay.py
7. give lanes their turns: live ones, retries, releases        lanes/scheduler.py
8. give rows to events that hold the window back               worker.py
9. start every request that may start                          send/batcher.py
10. sleep until a response, a commit, a new event or a timer wakes it

Responses are booked as they come (`settle/`). A second task commits what was booked (`commit/`). One loop changes lanes and
the unit of work, so there is no lock.

runner_port.py    what the daemon asks of a destination that runs
runner.py         a destination that runs, as operators and the daemon see it
serving.py        keeps it running: its client, its plugin's lifetime, one worker after the other
claiming.py       takes its place in the log
worker.py         the loop, the window, the commits
core.py           builds the parts of a worker, bottom-up
context.py        what these parts share
own_events.py     which events of the log are those of a shard
live_pass.py      the way of an event whose user has nothing waiting
commands.py       what an operator may ask, as records
operations.py     what an operator may ask: release, drop, replay
replay_order.py   what is to be sent again
deletion_answers.py  what became of the deletions that the vendor was asked for
event_lines.py    lines of the log about events
lanes/            who may go next
process/          what becomes of an event: decided, then mapped
send/             from items to requests, from responses to outcomes
settle/           what follows from an outcome
commit/           what one commit says
jobs/             what happens beside the live flow

docs/architecture.md has the drawing, docs/semantics.md the rules.
"""
