"""What follows from a decision or a response.

turns.py                 after a turn: send it, or act on the decision
responses.py             after a request: books each event in it
destination_verdict.py   what a response says about the whole destination
status_changes.py        the destination pauses, opens its breaker, goes on
last_exchanges.py        the newest good and the newest failed request, for who asks
event_outcomes.py        what an event comes to: settled, dead, held, parked, retried
forgotten.py             events whose person or group was forgotten
releases.py              which lanes may go out now
"""
