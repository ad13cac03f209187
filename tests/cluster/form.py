"""The two forms of these tests: a short one, which runs with all others, and the long one that `CLUSTER=long` asks for."""

from __future__ import annotations

import os
from typing import TypeVar

from tests.patience import HANG_S

T = TypeVar("T")

IS_LONG = os.environ.get("CLUSTER") == "long"
SEED = int(os.environ.get("CLUSTER_SEED", "1"))


def form(short: T, long: T) -> T:
    """What this run has."""
    return long if IS_LONG else short


PATIENCE_S = form(HANG_S, 900.0)
"""So long a run may take to deliver what it has at its end."""
