"""The process that `apart` begins: does its work and says what comes of it, a line for each value."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys

import msgspec

__all__ = ["main"]


def main() -> None:
    """Do what standard input says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever began it is interrupted, too, and ends it
    faults, work, given = pickle.load(sys.stdin.buffer)
    faulthandler.enable(faults, all_threads=False)
    told = os.dup(1)
    os.dup2(2, 1)  # what plugins print is none of what is said
    own = os.getpid()

    def say(value: object) -> None:
        if os.getpid() != own:  # a plugin has forked at its import: its copy would say everything once more
            os._exit(0)
        _write(told, msgspec.json.encode({"said": value}))

    work(say, *given)
    _write(told, b'"end"')
    sys.stderr.flush()
    os._exit(0)  # a thread that a plugin has left does not keep it


def _write(place: int, line: bytes) -> None:
    left = line + b"\n"
    while left:
        left = left[os.write(place, left) :]
