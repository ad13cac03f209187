"""Stored calls for the tests of events."""

from __future__ import annotations

import json
from typing import Any

from router.event import Envelope, normalize_event
from router.plugin import Event

RECEIVED_MS = 1_767_323_045_678  # 2026-01-02T03:04:05.678Z
RECEIVED = "2026-01-02T03:04:05.678Z"


def opened(call: dict[str, Any] | str, type: str = "track", envelope: Envelope | None = None, **how: Any) -> Event:
    text = call if isinstance(call, str) else json.dumps(call)
    body = (envelope or Envelope()).line() + text.encode()
    return normalize_event("website", type, "m1", RECEIVED_MS, body, **how)
