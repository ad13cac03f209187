"""What the machine says: processor time and written bytes of a process, everybody's, and the arithmetic on samples."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

TICKS = os.sysconf("SC_CLK_TCK")
NOISY = 0.15
"""Processor time of others, in cores, beyond which a run is marked."""


class Usage(msgspec.Struct, frozen=True):
    """One reading. Differences of two of them mean something."""

    at: float
    cpu_s: float  #: of the process that is measured
    written: int  #: bytes it caused to be written to storage
    busy_s: float  #: of the whole machine
    own_s: float  #: of all processes of this run


class Spread(msgspec.Struct, frozen=True):
    """Median, least and greatest of some samples."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.least:.2f}..{self.most:.2f}]"


def spread(samples: Sequence[float]) -> Spread:
    """Of at least one sample."""
    return Spread(median(samples), min(samples), max(samples))


def pairs(subject: Sequence[float], reference: Sequence[float]) -> list[float]:
    """The ratio of each pair: what ran next to each other is compared, never two medians.

    Raises:
        ValueError: the pairs are not complete.
    """
    return [a / b if b else 0.0 for a, b in zip(subject, reference, strict=True)]


def ratios(subject: Sequence[float], reference: Sequence[float]) -> Spread:
    """Median and spread of the ratios of pairs."""
    return spread(pairs(subject, reference))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of ascending samples; 0 where there is none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def read_usage(pid: int, own: Sequence[int]) -> Usage:
    """Read the counters of a process, of all processes of this run, and of the machine."""
    return Usage(time.perf_counter(), cpu_s(pid), written_bytes(pid), _busy_s(), sum(cpu_s(one) for one in own))


def foreign_share(before: Usage, after: Usage) -> float:
    """Processor time that others took meanwhile, in cores."""
    elapsed = after.at - before.at
    return max(0.0, (after.busy_s - before.busy_s) - (after.own_s - before.own_s)) / elapsed if elapsed else 0.0


def cpu_s(pid: int) -> float:
    """Processor time of a process, all its threads; 0 once it is gone. Source: proc_pid_stat(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def tree_cpu_s(pid: int) -> float:
    """The same of a process and all its children, those that have ended included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS + sum(tree_cpu_s(int(child)) for child in children)


def written_bytes(pid: int) -> int:
    """Bytes a process caused to be sent to storage. Source: proc_pid_io(5)."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes")), 0)


def peak_mb(pid: int) -> float:
    """The most memory a process ever had resident. Source: proc_pid_status(5)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _busy_s() -> float:
    # user, nice, system and steal: interrupts belong to no process. Source: proc_stat(5)
    try:
        user, nice, system, *rest = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:])
    except OSError:
        return 0.0
    return (user + nice + system + (rest[4] if len(rest) > 4 else 0)) / TICKS


def sync_ms(folder: Path, times: int = 40) -> float:
    """How long the disk takes to make 4 KB durable, median in milliseconds."""
    path = folder / "sync"
    took: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"\0" * 4096)
            began = time.perf_counter()
            os.fdatasync(file)
            took.append(1000 * (time.perf_counter() - began))
    path.unlink()
    return median(took)
