"""How long a test waits for what must come: so long that only a hang gets there, however busy the machine is. It times nothing."""

from __future__ import annotations

HANG_S = 120.0
"""Seconds; below pytest's own limit for a test, so that the test can still say what it waited for."""
