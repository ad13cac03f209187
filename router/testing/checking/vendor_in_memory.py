"""A vendor without a network: it takes the requests of the Sender and answers as `FakeVendor` does, but in no time: no answer is delayed.
Where no answer comes, only the time of the loop passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from router.deliver.send.http_client import Exchange, Fault, OnDone
from router.deliver.send.http_client import Reply as Result
from router.plugin import Request
from router.testing.checking.loops import rounds
from router.testing.replies import Answers, Hang, Received, Reply, Reset, ShortBody, answer_to, unpacked

__all__ = ["RUN_TOKEN", "Endless", "MadeUpVendor", "all_is_well"]

RUN_TOKEN = "run-t0ken-Hc8Lm2"
"""The token that a vendor gives."""
MAX_REQUESTS = 40
"""Of one delivery: what sends more does so for ever."""


def all_is_well(seen: Received) -> Reply:
    """What nearly every vendor may answer to a request that it takes, for a token or not."""
    return Reply(200, json={"access_token": RUN_TOKEN, "token_type": "Bearer", "expires_in": 3600})


class Endless(BaseException):
    """A delivery sends one request after the other."""


class MadeUpVendor:
    """Implements `Client`."""

    def __init__(self, answer: Answers, pass_timeout: Callable[[], None] = lambda: None) -> None:
        """`pass_timeout`: lets the time of the loop pass that a request may take."""
        self.answer = answer
        self._pass_timeout = pass_timeout
        self.requests: list[Received] = []
        self.private: list[Received] = []  #: those of them that are private
        self.replies: list[Reply] = []
        self.known: list[frozenset[int]] = []  #: for each request, which of them were answered when it was made
        self._done: set[int] = set()
        self.waiting = 0  #: requests whose answer hangs
        self.hangs = False  #: whether `Hang` waits for `release`; otherwise the time-out passes at once
        self._released = asyncio.Event()

    def begin(self) -> None:
        """Forget what came before: a delivery begins."""
        self.requests, self.private, self.replies, self.known, self._done = [], [], [], [], set()

    @property
    def in_flight(self) -> int:
        """See `Client`."""
        return self.waiting

    def start(self, request: Request, on_done: OnDone) -> Exchange:
        """See `Client`. The Sender does not use it."""
        raise NotImplementedError

    async def send(self, request: Request) -> Result:
        """See `Client`."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Received(request.method, request.url, headers, unpacked(headers, request.body))
        number, done = len(self.requests), self._done
        self.requests.append(seen)
        self.known.append(frozenset(done))
        if request.private:
            self.private.append(seen)
        if len(self.requests) > MAX_REQUESTS:
            raise Endless
        reply = answer_to(seen, self.answer)
        self.replies.append(reply)
        await asyncio.sleep(0)  # others run meanwhile, as with a real vendor
        if isinstance(reply, Hang) and self.hangs:
            await self._hang()
        done.add(number)
        if isinstance(reply, Hang) and not self.hangs:
            self._pass_timeout()
            await rounds()  # a time-out of the plugin's own that is shorter ends the request here
            raise Fault("timeout", "the vendor did not answer in time", sent=True)
        return _result(reply)

    async def close(self) -> None:
        """See `Client`."""

    def release(self) -> None:
        """Answer what hangs."""
        self._released.set()

    async def _hang(self) -> None:
        self.waiting += 1
        try:
            await self._released.wait()
        finally:
            self.waiting -= 1


def _result(reply: Reply) -> Result:
    """What the client makes of an answer."""
    if isinstance(reply, Reset):
        raise Fault("closed", "the vendor reset the connection", sent=True)
    body = reply.content()
    if isinstance(reply, ShortBody):
        return Result(
            reply.status, reply.sent_headers(), body[: len(body) // 2], trouble="body: the connection ended in it"
        )
    return Result(reply.status, reply.sent_headers(), body)
