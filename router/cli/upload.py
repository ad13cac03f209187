"""A file of calls, one JSON object a line, to the ingestion listener: in batches, in order, each line at least once.

Every line gets its message id here, so what is sent again after a lost answer is a duplicate to the daemon and no harm.
A line the daemon would discard is told by its number and left out: it is judged by ingestion's own rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import msgspec

from router.cli.client import Answer, Broken, Client
from router.cli.place import Failed
from router.cli.show import count, warn
from router.clock import Clock
from router.errors import InvalidCall
from router.ingest.parse import parse_batch, random_id

BATCH_CALLS = 100
BATCH_BYTES = 500_000
"""Below ingestion's own limit of a batch."""

TRIES = 10
LONGEST_WAIT_S = 300.0
LINE_EVERY_S = 5.0

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def post(client: Client, path: str, body: bytes, clock: Clock) -> Answer:
    """Post, and again for as long as the daemon asks to wait, or no answer came.

    Raises:
        NobodyThere: nothing listens there.
        Failed: it still asks to wait, or does not answer, after the last try.
    """
    for tried in range(1, TRIES + 1):
        try:
            answer = client.request("POST", path, body)
        except Broken as error:
            why, wait_s = str(error), 1.0
        else:
            if answer.status != 429 and answer.status < 500:
                return answer
            why, wait_s = f"status {answer.status}{_said(answer.json)}", _retry_after_s(answer)
        if tried < TRIES:
            warn(f"{why}; once more in {wait_s:g} s")
            asyncio.run(clock.sleep(wait_s))
    raise Failed(f"{why}; given up after {TRIES} tries")


def _said(answer: Any) -> str:
    return f", {answer['message']}" if isinstance(answer, dict) and answer.get("message") else ""


def _retry_after_s(answer: Answer) -> float:
    """Seconds that the answer asks for; the daemon never sends a date."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), LONGEST_WAIT_S) if text.isdecimal() else 1.0


class Upload:
    """One file on its way."""

    def __init__(self, client: Client, clock: Clock, progress: Progress) -> None:
        self.acknowledged = 0  #: calls that were answered 200
        self.acknowledged_line = 0  #: every line up to here is acknowledged or bad
        self.bad = 0  #: lines left out
        self._client, self._clock, self._progress = client, clock, progress
        self._batch: list[bytes] = []
        self._size = 0
        self._line = 0

    def run(self, lines: Iterable[bytes]) -> None:
        """Send every line. Raises Failed where the daemon takes no more; the counts then say how far it came."""
        for line in lines:
            call = self._read(line)
            if len(self._batch) == BATCH_CALLS or self._size + len(call) > BATCH_BYTES:
                self._flush()
            self._line += 1
            self._progress.read += len(line)
            if call:
                self._batch.append(call)
                self._size += len(call) + 1
        self._flush()

    def summary(self) -> str:
        """What became of the lines so far."""
        bad = f"; {count(self.bad, 'bad line')} left out" if self.bad else ""
        return f"{count(self.acknowledged, 'call')} acknowledged{bad}"

    def _read(self, line: bytes) -> bytes:
        """The call of a line, with a message id; empty for a blank line, and for a bad one."""
        line = line.removeprefix(b"\xef\xbb\xbf").strip()
        if not line:
            return b""
        try:
            call = with_message_id(line)
            _, discards = parse_batch(b'{"batch":[' + call + b"]}").calls("", 0, None)
        except (InvalidCall, msgspec.DecodeError, RecursionError) as error:
            words = "not a JSON object" if isinstance(error, msgspec.ValidationError) else str(error)
        else:
            if not discards:
                return call
            words = discards[0].message
        self.bad += 1
        warn(f"line {self._line + 1}: {words}")
        return b""

    def _flush(self) -> None:
        if self._batch:
            answer = post(self._client, "/v1/batch", b'{"batch":[' + b",".join(self._batch) + b"]}", self._clock)
            if answer.status != 200:
                said = _said(answer.json)
                raise Failed(f"the lines behind {self.acknowledged_line} are refused: status {answer.status}{said}")
            self.acknowledged += len(self._batch)
        self.acknowledged_line = self._line
        self._batch, self._size = [], 0
        self._progress.show(self.acknowledged)


def with_message_id(line: bytes) -> bytes:
    """The call with a message id; everything else stays byte for byte. Raises msgspec.DecodeError, RecursionError."""
    fields = _fields.decode(line)
    if bytes(fields.get("messageId", b"null")) not in (b"null", b'""'):
        return line
    fields["messageId"] = msgspec.Raw(msgspec.json.encode(random_id()))
    return msgspec.json.encode(fields)


class Progress:
    """How far it is: a bar on a terminal, else a line every five seconds; on standard error."""

    def __init__(self, clock: Clock, size: int | None) -> None:
        self.read = 0  #: bytes of the file so far
        self._clock, self._size = clock, size
        self._began = self._told = clock.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_terminal:
            self._bar = _bar(console)
            self._task = self._bar.add_task("", total=self._size, calls=0, rate=0)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, calls: int) -> None:
        """Tell, if it is time to."""
        now = self._clock.monotonic()
        rate = int(calls / max(now - self._began, 0.001))
        if self._bar:
            self._bar.update(self._task, completed=self.read, calls=f"{calls:,}", rate=f"{rate:,}")
        elif now - self._told >= LINE_EVERY_S:
            self._told = now
            part = f", {self.read * 100 // self._size} % of the file" if self._size else ""
            warn(f"{count(calls, 'call')} acknowledged, {rate:,}/s{part}")


def _bar(console: Any) -> Any:
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    calls, rate = TextColumn("{task.fields[calls]} calls"), TextColumn("{task.fields[rate]}/s")
    return Bar(BarColumn(), calls, rate, TimeRemainingColumn(), console=console)
