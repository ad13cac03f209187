"""How long the code of a plugin may take. Hooks run in a loop that others share; the docstrings of `router/plugin.py` tell authors these numbers."""

from __future__ import annotations

CALL_TIMEOUTS = 6
"""A plugin's own `deliver`, and `check`, may take this many time-outs in all."""

OPEN_S, CLOSE_S, CANCEL_S = 30.0, 10.0, 1.0
"""How long a plugin's lifetime may take to open and to close. One that does not end when it is cancelled is left behind."""

MAKE_S = 30.0
"""So long plugins may take to be made."""

SLICE_S = 0.02
"""Mapping hooks may take this long in one go; then the loop gives a turn to everybody else."""

HOLD_S = 0.1
"""A hook that returns no sooner holds up everybody else on its loop: it is logged."""

LONG_S = 5.0
"""A loop that is held for this long is told of at once, not when it goes round again: perhaps it never does."""

HELD_S = 30.0
"""A hook that holds the loop of all destinations for so long is interrupted."""
