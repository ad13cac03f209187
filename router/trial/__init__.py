"""What would become of an event, found out without sending or storing anything.

calls.py          from pasted JSON to calls, as ingestion judges them
known.py          what the trial takes as known of the user and the group
destination.py    one call at one destination: consent, filters, mapping table, gate, plugin, request
credentials.py    the credentials of a destination, tried with its `check` hook
trial.py          every call at every destination, as the admin API and `try` show it
in_thread.py      the same in a thread of its own, with a time limit, for the daemon
"""

from router.trial.calls import MAX_EVENTS, sample, split
from router.trial.credentials import Checked
from router.trial.destination import DestinationTrial
from router.trial.in_thread import TrialThread
from router.trial.known import NOTHING_KNOWN, SAMPLE_KNOWN, Known
from router.trial.trial import try_events

__all__ = [
    "MAX_EVENTS",
    "NOTHING_KNOWN",
    "SAMPLE_KNOWN",
    "Checked",
    "DestinationTrial",
    "Known",
    "TrialThread",
    "sample",
    "split",
    "try_events",
]
