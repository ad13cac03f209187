"""A row for each look at the daemon, and the CSV file of all rows."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.flow.soak.daemon import SoakedDaemon
from tests.flow.soak.driver import Driver

MB = 1_000_000


class Sample(NamedTuple):
    """One look."""

    at: float  #: seconds since 1970
    sent: int
    restarts: int  #: so far: each begins another process
    rss_mb: float
    descriptors: int
    threads: int
    database_mb: float
    wal_mb: float
    log_mb: float
    ingest_p50_s: float  #: of the answers since the last look
    ingest_p99_s: float
    oldest_undelivered_s: float
    held: int
    retrying: int


async def look(daemon: SoakedDaemon, driver: Driver, restarts: int) -> Sample:
    """Look now. The daemon must be up."""
    destinations = (await daemon.ledger())["destinations"].values()
    database, wal, log = daemon.sizes()
    times = sorted(driver.times)
    driver.times.clear()
    return Sample(
        at=time.time(),
        sent=driver.sent,
        restarts=restarts,
        rss_mb=daemon.memory_kb()["VmRSS"] * 1024 / MB,
        descriptors=daemon.descriptors(),
        threads=daemon.threads(),
        database_mb=database / MB,
        wal_mb=wal / MB,
        log_mb=log / MB,
        ingest_p50_s=_share(times, 0.5),
        ingest_p99_s=_share(times, 0.99),
        oldest_undelivered_s=max(counts["oldest_queued_s"] for counts in destinations),
        held=sum(counts["held"] for counts in destinations),
        retrying=sum(counts["retrying"] for counts in destinations),
    )


def write_csv(path: Path, samples: Iterable[Sample]) -> None:
    """All rows, below the names of the columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(Sample._fields)
        rows.writerows(
            [f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in _dated(samples)
        )


def _dated(samples: Iterable[Sample]) -> Iterable[Sequence[object]]:
    return ([time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(sample.at)), *sample[1:]] for sample in samples)


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
