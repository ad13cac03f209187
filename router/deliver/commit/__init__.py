"""What one commit of a destination says.

unit_of_work.py    gathers a commit batch; every change of a destination goes through it
window.py          how far it has read in the log, and what of that is not settled
records.py         what became of an event, and the rows that are made of it
state_order.py     keeps what events did to one state key in the order of mapping
pending_view.py    lays commits on their way over rows that were read

`router/store/sqlite/apply_commit.py` writes the batch.
"""
