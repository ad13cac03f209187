"""One request, again while the daemon asks to wait or gives no answer."""

from __future__ import annotations

import asyncio
from typing import Any

from router.cli.client import Client, ConnectionLost, NobodyThere, Response
from router.cli.endpoint import Failed
from router.cli.output import warn
from router.clock import Clock

TRIES = 10
LONGEST_WAIT_S = 300.0


def post(client: Client, path: str, body: bytes, clock: Clock) -> Response:
    """Post and wait for the answer.

    Raises:
        NobodyThere: nothing listens there.
        Failed: it still asks to wait, or does not answer, after the last try.
    """
    return Posting(client, path, body, clock).answer()


class Posting:
    """A request on its way; the caller may do something else before it asks for the answer.

    A daemon that was there may come back, so it is tried again where nothing listens, too. A connection that it took says that it was.
    """

    def __init__(self, client: Client, path: str, body: bytes, clock: Clock) -> None:
        self._client, self._path, self._body, self._clock = client, path, body, clock
        self._lost: Failed | None = None
        self._begin()

    def answer(self, was_there: bool = False) -> Response:
        """Wait for the answer. Raises as `post`.

        Args:
            was_there: the daemon answered an earlier request.
        """
        for tried in range(1, TRIES + 1):
            try:
                if self._lost:
                    raise self._lost
                response = self._client.answer()
            except (ConnectionLost, NobodyThere) as error:
                was_there = was_there or isinstance(error, ConnectionLost)
                if not was_there:
                    raise
                why, wait_s = str(error), 1.0
            else:
                if response.status != 429 and response.status < 500:
                    return response
                why, wait_s = f"status {response.status}{said(response.json)}", _retry_after_s(response)
            if tried < TRIES:
                warn(f"{why}; once more in {wait_s:g} s")
                asyncio.run(self._clock.sleep(wait_s))
                self._begin()
        raise Failed(f"{why}; given up after {TRIES} tries")

    def _begin(self) -> None:
        """Send the request. What goes wrong is told by `answer`."""
        try:
            self._client.begin("POST", self._path, self._body)
        except (ConnectionLost, NobodyThere) as error:
            self._lost = error
        else:
            self._lost = None


def said(answer: Any) -> str:
    """The daemon's own words, to put behind the status."""
    return f", {answer['message']}" if isinstance(answer, dict) and answer.get("message") else ""


def _retry_after_s(answer: Response) -> float:
    """Seconds that the answer asks for; the daemon never sends a date."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), LONGEST_WAIT_S) if text.isdecimal() else 1.0
