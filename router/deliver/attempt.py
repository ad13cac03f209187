"""One attempt: call the plugin's sending hooks, through the only door to the network, and read what came of it.

Here, and only here, exceptions become outcomes.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp
from aiolimiter import AsyncLimiter
from yarl import URL

from router.clock import Clock
from router.destinations import Destination
from router.plugin import Answer, Delivered, Item, Outcome, Pause, Reject, Request, RetryLater, Split, by_status

MAX_ANSWER_BYTES = 256 * 1024
SENDING = (Delivered, Reject, RetryLater, Pause, Split)
"""The outcomes that sending may come to; Skip, or an Outcome of a plugin's own making, is a fault of the plugin."""
CALL_TIMEOUTS = 6
"""A plugin's own `deliver` may take this many time-outs in all."""


@dataclass
class Attempt:
    """What one call of `deliver` did on the network; the Sender that is handed to the plugin."""

    destination: Destination
    session: aiohttp.ClientSession
    clock: Clock
    limiter: AsyncLimiter | None = None
    is_paid: bool = False  #: the next request's part of the rate is taken already
    status: int | None = None
    error: str = ""
    duration_ms: int = 0
    retry_after_s: float | None = None
    requests: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Answer:
        """Send one request: rate, time-out, body bound; no redirect is followed. Raises RetryLater on network trouble."""
        if self.limiter is not None and not self.is_paid:
            await self.limiter.acquire()
        self.is_paid = False
        began = self.clock.monotonic()
        try:
            answer = await self._exchange(request)
        except TimeoutError:
            seconds = self.destination.config.delivery.timeout_s
            raise self._later("timeout", f"no answer within {seconds:g} s") from None
        except aiohttp.InvalidURL:
            raise Pause("set_up", "the request's URL is not one: is base_url right?") from None
        except aiohttp.ClientConnectorDNSError as error:
            raise self._later("dns", str(error)) from None
        except aiohttp.ClientSSLError as error:
            raise self._later("tls", str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._later("connection", f"{type(error).__name__}: {error}") from None
        finally:
            self.duration_ms += int((self.clock.monotonic() - began) * 1000)
        self.status = answer.status
        if answer.retry_after_s is not None:
            self.retry_after_s = max(self.retry_after_s or 0.0, answer.retry_after_s)
        return answer

    def _later(self, reason: str, detail: str) -> RetryLater:
        self.status, self.error = None, self.destination.redact(detail)[:500]
        return RetryLater(reason, self.error)

    async def _exchange(self, request: Request) -> Answer:
        url = URL(request.url, encoded=True)  # a plain string would be quoted again and lose its %2F
        async with self.session.request(
            request.method, url, data=request.body or None, headers=request.headers, allow_redirects=False
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) >= MAX_ANSWER_BYTES:
                    response.close()
                    break
            headers = {name.lower(): value for name, value in response.headers.items()}
            wait = retry_after_s(response.status, headers, self.clock.now_ms())
            # before the plugin sees it: of a secret that a vendor quotes, a plugin's excerpt could keep a part unmasked
            shown = self.destination.redactor.answer(bytes(body[:MAX_ANSWER_BYTES]))
            return Answer(response.status, headers, shown, wait)


def retry_after_s(status: int, headers: dict[str, str], now_ms: int) -> float | None:
    """The wait a vendor asks for, in seconds: Retry-After (seconds or a date), on a 429 also X-RateLimit-Reset (seconds, or
    an epoch when it is that large). Instants count from the vendor's own `Date`, where it says one: router time may be far
    from it while a jump of the wall clock is taken in."""
    now_s = _instant_s(headers.get("date", "")) or now_ms / 1000
    asked = headers.get("retry-after", "").strip()
    if asked:
        try:
            return max(0.0, float(asked))
        except ValueError:
            pass
        at_s = _instant_s(asked)
        return None if at_s is None else max(0.0, at_s - now_s)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if status == 429 and reset:
        try:
            value = float(reset)
        except ValueError:
            return None
        return max(0.0, value - now_s if value >= 1e9 else value)
    return None


def _instant_s(date: str) -> float | None:
    """An HTTP date as seconds since 1970; None where it is none."""
    try:
        at = parsedate_to_datetime(date)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


async def deliver(destination: Destination, items: list[Item], attempt: Attempt) -> list[Outcome]:
    """Send these items once. One outcome per item, in order; never raises for a plugin's or vendor's fault."""
    hooks = destination.hooks
    try:
        async with asyncio.timeout(CALL_TIMEOUTS * destination.config.delivery.timeout_s):
            if "deliver" in hooks:
                result = await hooks["deliver"](items, attempt)
            else:
                request = hooks["request"](items)
                answer = await attempt.send(request)
                verdict = hooks.get("verdict")
                result = verdict(items, answer) if verdict else by_status(answer, len(items))
    except (Reject, RetryLater, Pause, Split) as outcome:
        result = outcome
    except TimeoutError:
        result = RetryLater("timeout", "the plugin's deliver took too long")
    except Exception:
        result = _plugin_error(traceback.format_exc(limit=-8), len(items))
    return per_item(destination, result, len(items))


def per_item(destination: Destination, result: object, n: int) -> list[Outcome]:
    """Spread what a hook returned over its items; anything that is no outcome is a fault of the plugin."""
    outcomes = [result] * n if isinstance(result, Outcome) else list(result) if isinstance(result, Sequence) else []
    if isinstance(result, Delivered):
        return outcomes
    good = len(outcomes) == n and all(isinstance(o, SENDING) for o in outcomes)
    if not good:
        words = f"deliver or verdict returned {type(result).__name__} for {n} items: want one Outcome, or one per item"
        outcomes = [_plugin_error(words, n)] * n
    return [_redacted(destination, outcome, n) for outcome in outcomes]


def _plugin_error(detail: str, n: int) -> Outcome:
    """One bad item must not take its neighbours along: alone it is rejected."""
    return Split("plugin_error", detail) if n > 1 else Reject("plugin_error", detail)


def _redacted(destination: Destination, outcome: object, n: int) -> Outcome:
    if isinstance(outcome, Reject | RetryLater | Pause | Split):
        outcome.detail = destination.redact(outcome.detail)
    if isinstance(outcome, Split) and n == 1:
        return Reject(outcome.reason, outcome.detail)
    assert isinstance(outcome, SENDING)
    return outcome
