"""One destination tried out without a daemon and without a store: its `check` hook with a real sender, then calls through the very
turn that an event takes. Nothing is sent but what `check` sends."""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from router.clock import SystemClock
from router.deliver.send.http_client import open_client
from router.deliver.send.rate_limit import RateLimit
from router.deliver.send.sender import CALL_TIMEOUTS, Attempt
from router.plugin import Pause, Reject, RetryLater, Split
from router.plugin_host import Destination
from router.plugin_host.lifetime import Lifetime, LifetimeFault
from router.testing.samples import CALLS, sample_call
from router.trial import SAMPLE_KNOWN, DestinationTrial, Intake, try_events

OK = "ok"
FAILED = "failed"
SECRET_MISSING = "secret_missing"
NO_CHECK = "no_check"
"""The results of a check."""


class Checked(NamedTuple):
    """What came of the `check` hook."""

    result: str
    detail: str  #: the plugin's or the vendor's words, secrets redacted
    reason: str = ""  #: of a failure


async def check(destination: Destination) -> Checked:
    """Run the `check` hook, if the plugin has one. Whatever goes wrong in it is a failed check."""
    if "check" not in destination.hooks:
        words = "its plugin knows no way to try the credentials without sending an event"
        return Checked(NO_CHECK, words)
    delivery = destination.config.delivery
    clock = SystemClock()
    rate = RateLimit(delivery.rate, clock) if delivery.rate else None
    try:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(open_client(delivery))
            lifetime = Lifetime(destination)
            await lifetime.open()
            stack.push_async_callback(lifetime.close)
            sender = Attempt(destination, client, clock, rate)
            async with asyncio.timeout(CALL_TIMEOUTS * delivery.timeout_s):
                words = await destination.hooks["check"](sender)
                if not isinstance(words, str):
                    raise TypeError(f"check returned {type(words).__name__}: want text")
    except (Reject, RetryLater, Pause, Split) as outcome:
        return Checked(FAILED, destination.redact(outcome.detail), destination.redactor.word(outcome.reason))
    except LifetimeFault as fault:
        return Checked(FAILED, destination.redact(str(fault)), "plugin_error")
    except TimeoutError:
        return Checked(FAILED, "the plugin's check took too long", "timeout")
    except Exception:  # a third party's code may raise anything; the operator reads the traceback
        return Checked(FAILED, destination.redact(traceback.format_exc(limit=-8)), "plugin_error")
    return Checked(OK, destination.redact(words))


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
