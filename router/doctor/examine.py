"""Runs checks at the same time. One that takes too long, or fails itself, is a finding and stops nothing."""

from __future__ import annotations

import errno
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject

LIMIT_S = 20.0
"""How long all checks together may take."""


class Check(NamedTuple):
    """A check, and the code of its finding where it cannot tell any."""

    code: str
    look: Callable[[Subject], Iterable[Finding]]
    of: str = ""  #: what it looks at, where there are several with this code

    @property
    def name(self) -> str:
        return f"{self.code} of {self.of}" if self.of else self.code


def examine(subject: Subject, checks: Sequence[Check], limit_s: float = LIMIT_S) -> list[Finding]:
    """The findings of all checks, in their order."""
    runs = [_Run(subject, check) for check in checks]
    until = subject.clock.monotonic() + limit_s
    for run in runs:
        run.start()
    return [finding for run in runs for finding in run.findings(max(0.0, until - subject.clock.monotonic()), limit_s)]


class _Run(threading.Thread):
    """A check in a thread of its own, which the end of the process does not wait for: a dead network disk answers nobody."""

    def __init__(self, subject: Subject, check: Check) -> None:
        super().__init__(name=f"doctor-{check.code}", daemon=True)
        self._subject, self._check = subject, check
        self._found: list[Finding] | None = None

    def run(self) -> None:
        try:
            self._found = list(self._check.look(self._subject))
        except BaseException as error:  # a plugin, a disk or a resolver may raise anything; the others go on
            self._found = [_failed(self._check, error)]

    def findings(self, wait_s: float, limit_s: float) -> list[Finding]:
        """What it found, or that it did not end in time."""
        self.join(wait_s)
        if self._found is None:
            words = f"the check {self._check.name} did not end within {limit_s:g} s"
            return [
                Finding(self._check.code, Level.UNKNOWN, words, "look for a disk or a resolver that does not answer")
            ]
        return self._found


def _failed(check: Check, error: BaseException) -> Finding:
    """The words of an error may hold a secret; those of the machine do not."""
    if isinstance(error, OSError):
        words = f"the check {check.name} failed: {error.strerror or type(error).__name__}"
        words = f"{words}: {error.filename}" if error.filename else words
        if error.errno == errno.EIO:
            return Finding(check.code, Level.ERROR, words, "replace the disk; its log is in `dmesg`")
        is_refused = error.errno in (errno.EACCES, errno.EPERM)
        return Finding(
            check.code,
            Level.UNKNOWN,
            words,
            "run it as root" if is_refused else "look at what is there, and run `doctor` again",
        )
    place = traceback.extract_tb(error.__traceback__)[-1]
    words = f"the check {check.name} failed: {type(error).__name__} in {place.filename}, line {place.lineno}"
    return Finding(check.code, Level.UNKNOWN, words, "please report it")
