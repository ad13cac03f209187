"""What would become of an event, found out without sending or storing anything.

calls.py          from pasted JSON to calls, as ingestion judges them
intake.py         what the source does with a call before it is stored
alone.py          a plugin without a destination that names it
known.py          what the trial takes as known of the user and the group, and learns from its calls
destination.py    one call at one destination: consent, filters, mapping table, gate, plugin, request
answer.py         what the plugin makes of an answer that is made up
own_vendor.py     an answer that the author of the plugin wrote for its tests
as_test.py        the same as pytest lines
trial.py          every call at every destination, as the admin API and `try` show it
credential_check.py   the credentials of a destination, by its `check` hook
in_thread.py      the same in a thread of its own, with a time limit, for the daemon
in_process.py     a plugin without a destination, in a process of its own, for `plugin try`
"""

from router.testing.checking.vendor_place import VendorError
from router.trial.alone import alone
from router.trial.answer import ANSWERS, answer_of
from router.trial.calls import MAX_EVENTS, judge, sample, split
from router.trial.credential_check import Checked
from router.trial.destination import DestinationTrial
from router.trial.in_process import Attempt, try_in_process
from router.trial.in_thread import Trials
from router.trial.intake import NOBODY, Intake
from router.trial.known import NOTHING_KNOWN, SAMPLE_KNOWN, Known, asked_of, known_of
from router.trial.trial import try_events

__all__ = [
    "ANSWERS",
    "MAX_EVENTS",
    "NOBODY",
    "NOTHING_KNOWN",
    "SAMPLE_KNOWN",
    "Attempt",
    "Checked",
    "DestinationTrial",
    "Intake",
    "Known",
    "Trials",
    "VendorError",
    "alone",
    "answer_of",
    "asked_of",
    "judge",
    "known_of",
    "sample",
    "split",
    "try_events",
    "try_in_process",
]
