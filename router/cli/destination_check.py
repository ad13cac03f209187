"""One destination tried out without a daemon and without a store: its credentials, then calls through the very
turn that an event takes. Nothing is sent but what `check` sends."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from router.clock import SystemClock
from router.plugin_host import Destination
from router.testing.samples import CALLS, sample_call
from router.trial import SAMPLE_KNOWN, DestinationTrial, Intake, try_events
from router.trial.credential_check import FAILED, NO_CHECK, OK, SECRET_MISSING, Checked, check

__all__ = ["FAILED", "NO_CHECK", "OK", "SECRET_MISSING", "Checked", "check", "try_calls", "try_samples"]


async def try_samples(destination: Destination) -> dict[str, dict[str, Any]]:
    """What would come of a sample of each call type, its user and group known, by type. Consent is taken as given: samples carry
    none."""
    trial = DestinationTrial(dataclasses.replace(destination, consent=None), SAMPLE_KNOWN, as_enabled=True)
    return {type: await trial.run(sample_call(type, _source_of(destination))) for type in CALLS}


async def try_calls(destination: Destination, intake: Intake, events: Sequence[bytes]) -> list[dict[str, Any]]:
    """What would come of these calls (JSON), their user and group known."""
    now_ms = SystemClock().now_ms()
    return await try_events(events, intake, [destination], SAMPLE_KNOWN, now_ms, as_enabled=True)


def _source_of(destination: Destination) -> str:
    return next((name for name in destination.config.sources if name != "*"), "website")
