"""A destination's credentials tried out: its `check` hook with a real sender and connections of its own. Nothing is sent but what
`check` sends."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import AsyncExitStack
from typing import NamedTuple

from router.clock import SystemClock
from router.deliver.send.http_client import open_client
from router.deliver.send.rate_limit import RateLimit
from router.deliver.send.sender import CALL_TIMEOUTS, Attempt
from router.plugin import Pause, Reject, RetryLater, Split
from router.plugin_host import Destination
from router.plugin_host.lifetime import Lifetime, LifetimeFault

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


async def check(destination: Destination, missing: str = "") -> Checked:
    """Run the `check` hook, if the plugin has one. Whatever goes wrong in it is a failed check.

    Args:
        missing: which secrets are not there, and what to do; nothing is tried then.
    """
    if "check" not in destination.hooks:
        words = "its plugin knows no way to try the credentials without sending an event"
        return Checked(NO_CHECK, words)
    if missing:
        return Checked(SECRET_MISSING, missing)
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
