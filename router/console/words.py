"""What templates use: times, numbers, states with their shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from router.clock import to_iso
from router.explain import figures
from router.explain.code_phrases import of_reason
from router.explain.reasons import NONE, reason_of
from router.personal_data.mask import masked

SHAPES = {
    "delivered": "●", "queued": "○", "retrying": "◐", "held": "■", "filtered": "─", "skipped": "┄", "dead": "✕",
    "running": "●", "paused": "‖", "breaker_open": "◐", "disabled": "─", "dry-run": "◌", "discarded": "⊘",
}  # fmt: skip
"""The shape of each state: nobody needs to tell colours apart."""


def ago(text: str | None, now_ms: int) -> str:
    """How long an instant of the admin API is past, or ahead: `3 min ago`, `in 20 s`, `now`."""
    if not text:
        return "never"
    seconds = now_ms / 1000 - datetime.fromisoformat(text).timestamp()
    if abs(seconds) < 2:
        return "now"
    return f"{figures.span(seconds)} ago" if seconds > 0 else f"in {figures.span(-seconds)}"


def clock(now_ms: int) -> str:
    """The time of day: `12:03:04 UTC`."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%H:%M:%S UTC")


def number(n: float | None) -> str:
    """`1,204,331`; a dash for what is not known."""
    return "–" if n is None else f"{n:,}"


def ticked(text: str) -> Markup:
    """A sentence whose words in backticks are code. Everything in it is escaped."""
    parts = str(escape(text)).split("`")
    if len(parts) % 2 == 0:  # one of them has no partner
        return Markup("`".join(parts))
    return Markup("".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts)))


def size(n: float) -> str:
    """Bytes for people: `2.1 GB`."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if n >= length:
            return f"{n / length:.1f} {unit}"
    return f"{n / 1000:.0f} kB"


def plain(state: str) -> str:
    """A state as people write it: `breaker open`."""
    return state.replace("_", " ")


def capfirst(text: str) -> str:
    """A sentence with a capital: the rest stays as it is, names and ids above all."""
    return text[:1].upper() + text[1:]


def who_acts(actor: str, step: str) -> str:
    """`The vendor: it is tried again`. Nobody is named where there is nothing to do."""
    return capfirst(step) if step.startswith(NONE) else f"{capfirst(actor)}: {step}"


def path(*parts: object) -> str:
    """A path of ours of these parts, each escaped."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


FILTERS: dict[str, Callable[..., Any]] = {
    "ago": ago, "instant": figures.instant, "span": figures.span, "number": number, "plain": plain, "pretty": pretty,
    "masked": masked, "bytes": size, "ticked": ticked, "capfirst": capfirst, "iso": to_iso,
}  # fmt: skip
GLOBALS: dict[str, Any] = {
    "SHAPES": SHAPES,
    "path": path,
    "count": figures.count,
    "reason_of": reason_of,
    "of_reason": of_reason,
    "clock": clock,
    "who_acts": who_acts,
}
