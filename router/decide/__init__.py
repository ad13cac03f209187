"""What becomes of an event at a destination. Pure: no store, no clock, and of the plugin only its facts.

decide.py            the decision and its order of reasons
gate.py              whether the group gate is open, and what it waits for if not
group_readiness.py   which group calls count at a destination
position_index.py    positions in the log by a key
"""
