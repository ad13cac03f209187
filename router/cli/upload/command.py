"""What `send FILE` does: sends the file, keeps the checkpoint, and says at the end how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, NamedTuple

from router.cli.client import Client, NobodyThere
from router.cli.endpoint import Failed, program
from router.cli.output import say, say_json, warn
from router.cli.upload.checkpoint import Checkpoint, Progressed, go_on
from router.cli.upload.csv_rows import CsvRows
from router.cli.upload.input_file import InputFile
from router.cli.upload.json_lines import Record, json_records
from router.cli.upload.message_id import id_maker
from router.cli.upload.progress import Progress
from router.cli.upload.rejected import Rejected
from router.cli.upload.run import Upload
from router.cli.upload.windows import BadInput, Position, Reader, Window, windows
from router.clock import Clock
from router.explain.figures import count

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell has it."""


class Wanted(NamedTuple):
    """The words of the command line."""

    name: str  #: of the file; "-" is standard input
    options: str  #: the other words, for the line to go on with
    resume: bool = False
    skip_bad: bool = False
    per_second: float | None = None
    as_csv: bool | None = None  #: None: as the file's name says
    as_json: bool = False
    start: str = ""  #: the line that starts the daemon


def send_file(connect: Callable[[], Client], wanted: Wanted, clock: Clock) -> int:
    """Send the file. Returns the exit code: 0 when every line was sent or, with skip_bad, left out.

    Args:
        connect: makes a connection to the ingestion listener.
    """
    with InputFile(wanted.name) as lines:
        sending = Sending(connect, lines, wanted, clock)
        with sending.progress, sending.upload:
            code, words = sending.run()
    sending.report(code, words)
    return code


class Sending:
    """One run of the verb. Raises Failed when made, if the file cannot be sent at all."""

    def __init__(self, connect: Callable[[], Client], lines: InputFile, wanted: Wanted, clock: Clock) -> None:
        self._lines, self._wanted = lines, wanted
        self._checkpoint = Checkpoint(lines.path) if lines.path else None
        self._before = Progressed(0, 0, "", 0, 0)  #: what earlier runs did
        self._bad = 0
        self._end = Position(0, 0, "")  #: everything before is acknowledged
        reader = Reader()
        records = self._records(reader)
        self._rejected = Rejected(wanted.name, self._header, wanted.resume) if wanted.skip_bad else None
        most_calls = max(1, int(wanted.per_second)) if wanted.per_second else None
        self._windows = windows(records, reader, wanted.skip_bad, most_calls)
        self.progress = Progress(clock, lines.size, lines.read_bytes)
        self.upload = Upload(connect, clock, self._acknowledged, wanted.per_second)

    def _records(self, reader: Reader) -> Iterator[Record]:
        """The calls of the file, from where this run begins."""
        make_id = id_maker(self._lines.name)
        as_csv = is_csv(self._lines.name) if self._wanted.as_csv is None else self._wanted.as_csv
        rows = CsvRows(self._lines, make_id) if as_csv else None
        self._header = rows.header if rows else b""
        reader.advance(self._header)
        if self._wanted.resume and self._checkpoint:
            self._before = self._checkpoint.read()
            go_on(self._lines, reader, self._before)
        elif self._checkpoint and self._checkpoint.begin_anew():
            warn(
                "an earlier run stopped before the end; this one begins anew (--resume goes on where that one stopped)"
            )
        self._end = reader.position()
        line = self._end.line
        return rows.records(line) if rows else json_records(self._lines, make_id, line)

    def run(self) -> tuple[int, list[str]]:
        """Send. Returns the exit code, and what stopped it."""
        try:
            self.upload.run(self._windows)
            self._keep(finished=True)
        except BadInput as error:
            return 1, [str(error), "correct that line, or add --skip-bad"]
        except NobodyThere as error:
            return 1, [str(error), f"start the daemon with: {self._wanted.start}"]
        except Failed as error:
            return 1, [str(error)]
        except KeyboardInterrupt:
            return INTERRUPTED, ["interrupted"]
        return 0, []

    def _acknowledged(self, window: Window) -> None:
        if window.bad and self._rejected:
            for line, _ in window.bad:
                warn(str(line))
            self._rejected.add(raw for _, raw in window.bad)
            self._bad += len(window.bad)
        self._end = window.end
        self._keep()
        self.progress.show(self.upload.acknowledged)

    def _keep(self, *, finished: bool = False) -> None:
        """Write the checkpoint. Raises Failed."""
        if self._checkpoint:
            done = self._before.acknowledged + self.upload.acknowledged
            self._checkpoint.write(self._end, done, self._before.bad + self._bad, finished=finished)

    def report(self, code: int, words: list[str]) -> None:
        """Say what became of the file: on standard output what was sent, on standard error what stopped it."""
        again = self._go_on() if code else ""
        if self._wanted.as_json:
            say_json(self._summary(code, words, again))
        elif not code:
            say(self._sentence())
        if code:
            warn(*words, f"stopped behind line {self._end.line:,} of {self._lines.name}: {self._sentence()}")
            warn(f"go on with: {again}" if self._checkpoint else again)

    def _go_on(self) -> str:
        if not self._checkpoint:
            return "send the same input again: calls that are stored already count as duplicates"
        resume = " --resume" if self._checkpoint.exists() else ""
        return f"{program()} send {shlex.quote(self._lines.name)}{self._wanted.options}{resume}"

    def _sentence(self) -> str:
        if self._before.finished and not (self.upload.acknowledged or self._bad):
            n = self._before.bad
            left_out = f"; {count(n, 'bad line')} {'was' if n == 1 else 'were'} left out" if n else ""
            sent = count(self._before.acknowledged, "call")
            return f"all of {self._lines.name} was sent before: {sent} acknowledged, nothing is left to send{left_out}"
        calls, seconds = self.upload.acknowledged, self.progress.seconds()
        bad = f"; {count(self._bad, 'bad line')} in {self._rejected.path}" if self._rejected and self._bad else ""
        before = f", {self._before.acknowledged:,} by earlier runs" if self._before.acknowledged else ""
        known = f", {count(self.upload.duplicates, 'duplicate')} among them" if self.upload.duplicates else ""
        return f"{count(calls, 'call')} acknowledged in {seconds:.1f} s ({calls / seconds:,.0f}/s){known}{before}{bad}"

    def _summary(self, code: int, words: list[str], again: str) -> dict[str, Any]:
        seconds = self.progress.seconds()
        return {
            "finished": not code,
            "acknowledged": self._before.acknowledged + self.upload.acknowledged,
            "acknowledged_now": self.upload.acknowledged,
            "duplicates_now": self.upload.duplicates,
            "bad": self._before.bad + self._bad,
            "rejected": str(self._rejected.path) if self._rejected and self._before.bad + self._bad else None,
            "line": self._end.line,
            "seconds": round(seconds, 3),
            "per_second": round(self.upload.acknowledged / seconds),
            "error": "; ".join(words) or None,
            "go_on": again or None,
        }


def is_csv(name: str) -> bool:
    """Whether the name says CSV: `x.csv`, `x.csv.gz`, `x.csv.rejected`."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    while suffixes and suffixes[-1] in (".gz", ".rejected"):
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] == ".csv"
