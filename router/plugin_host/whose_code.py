"""Whose code runs. It is part of the context, so it is known too of what the event loop calls later on behalf of that code."""

from __future__ import annotations

from contextvars import ContextVar

NOBODY, SOME_HOOK = "", "?"
"""Whose it is, where it is not a destination's: the router's; a hook's that runs in one go, or that of a thread which nobody knows."""

whose: ContextVar[str] = ContextVar("whose", default=SOME_HOOK)
"""NOBODY, SOME_HOOK, or the destination whose `deliver` or `lifetime` runs. The router says of its own code that it is its own: threads
of plugins have a context of their own, in which nobody has said anything."""
