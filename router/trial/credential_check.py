"""The credentials of a destination tried out: its `check` hook with a real sender. Nothing is sent but what `check` sends."""

from __future__ import annotations

import asyncio
import os
import traceback
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from router.clock import SystemClock
from router.config import Proposal, examine
from router.deliver.send.http_client import open_client
from router.deliver.send.rate_limit import RateLimit
from router.deliver.send.sender import Attempt
from router.plugin import Pause, Reject, RetryLater, Split
from router.plugin_host import Destination, build_one
from router.plugin_host.lifetime import Lifetime, LifetimeFault
from router.plugin_host.outcome_checks import MAX_DETAIL, checked
from router.plugin_host.shortening import both_ends, first_bytes
from router.plugin_host.time_budgets import CALL_TIMEOUTS

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
        words = "this plugin has no request that only tries the credentials, so the first event shows whether they are right"
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
        good = checked(destination, outcome)
        return Checked(FAILED, getattr(good, "detail", ""), getattr(good, "reason", ""))
    except LifetimeFault as fault:
        return Checked(FAILED, destination.redact(str(fault)), "plugin_error")
    except TimeoutError:
        return Checked(FAILED, "the plugin's check took too long", "timeout")
    except Exception:  # a third party's code may raise anything; the operator reads the traceback
        words = both_ends(traceback.format_exc(limit=-8), MAX_DETAIL)
        return Checked(FAILED, destination.redact(words), "plugin_error")
    return Checked(OK, destination.redact(first_bytes(words, MAX_DETAIL)))


def check_proposal(path: Path, name: str, proposal: Proposal) -> Checked:
    """The same of a destination that is not configured yet, in a loop of its own: to be called in a thread.

    Raises:
        ConfigError: its table cannot be used.
    """
    draft = examine(path, os.environ, proposal=proposal)
    destination = build_one(draft, name)
    missing = [one for one in draft.warnings if one.where == name and one.event == "secret_missing"]
    if missing and "check" in destination.hooks:
        return Checked(SECRET_MISSING, "; ".join(f"{one.key}: {one.words}" for one in missing))
    return asyncio.run(check(destination))
