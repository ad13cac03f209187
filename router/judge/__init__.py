"""The tracking plans of the configured sources at work: a call is judged once, when it is accepted, and again by a replay.

source_plans.py   which plan a source has, and what it says of a stored call
acceptance.py     the calls of one request: judged, and told of once they are stored
forwarding.py     violations and blocked calls as calls of another source
report.py         violations in the log and the metrics
trial.py          stored calls against a plan that is not in force
drafting.py       a plan made from stored calls
"""

from router.judge.acceptance import Judge
from router.judge.forwarding import Forwarder
from router.judge.report import ViolationReport
from router.judge.source_plans import SourcePlan, SourcePlans

__all__ = ["Forwarder", "Judge", "SourcePlan", "SourcePlans", "ViolationReport"]
