"""What a page says after a form was carried out. The address has a code and a number only, so nobody can make a page say something."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from router.console.guard import redirect
from router.explain.figures import count

SENTENCES = {
    "paused": "It is paused: its events wait, and nothing is lost.",
    "resumed": "It was resumed. If the cause is still there, it is paused again.",
    "tested": "The test is done; its result is below.",
    "released": "{events} may go now, in order.",
    "dropped_held": "{events} that waited are dead letters now (dropped).",
    "replaying": "The replay has begun: {events}.",
    "stopped": "The replay was stopped. What is queued already is still sent.",
    "dropped_dead": "{letters} dropped for good. Their events stay dead.",
    "saved": "config.toml was written and is active.",
    "dropped_destination": "All that was kept of it was dropped: {events}.",
}
"""By code."""

MOST_DIGITS = 12


def done(address: str, code: str, n: int | None = None) -> web.Response:
    """Back to a page, which says what was done."""
    return redirect(f"{address}?done={code}" + (f"&n={n}" if n is not None else ""))


def told(query: Mapping[str, str]) -> str:
    """What the address says was done; empty for nothing and for what is no code."""
    sentence, digits = SENTENCES.get(query.get("done", ""), ""), query.get("n", "0")
    n = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS else 0
    return sentence.format(events=count(n, "event"), letters=count(n, "dead letter"))
