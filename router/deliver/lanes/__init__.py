"""Who may go next: one lane per busy or blocked user of a destination.

lane.py             the lane: its states, its two queues, its row
delivery.py         one event at one destination, from its read to its end
lane_table.py       lanes in memory, by user and by what they wait for
run_queue.py        the lanes that want a turn, in three lines
scheduler.py        loads what a batch of turns needs, then lets each lane run
lane_runner.py      the turns of one lane: its events in order, without waiting
parked_rows.py      reads lanes and parked rows as they are now
identity_merge.py   what an anonymousId holds joins its user

docs/lifecycle.md has the states and what changes them.
"""
