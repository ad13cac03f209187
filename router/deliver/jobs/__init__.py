"""What happens beside the live flow.

due_lanes.py       lanes whose time has come begin to drain
timers.py          timers of keyed state
deletions.py       asks the vendor to delete people
expiry.py          held events and dead letters that are too old
replay.py          sends again: dead letters, one event, a span of the log
withdrawals.py     what waits of users who have withdrawn their consent
orphan_repair.py   after a start: no parked event may wait for ever
held_report.py     how many events wait, and for what
"""
