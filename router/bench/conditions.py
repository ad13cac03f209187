"""Under which conditions a run was made: asks the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from router import __version__
from router.bench.child import CLIENT_CORE, CORES, SERVER_CORE
from router.bench.measure import sync_ms
from router.bench.plan import Plan
from router.bench.report import Conditions


def conditions(plan: Plan, *, quick: bool) -> Conditions:
    """Of a run that begins now."""
    names = ("aiohttp", "uvloop", "msgspec", "aiosqlite")
    versions = {name: importlib.metadata.version(name) for name in names if _is_installed(name)}
    pinned = (
        f"server on core {SERVER_CORE}, load and sink on {CLIENT_CORE}" if SERVER_CORE is not None else "not pinned"
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Conditions(
        __version__, platform.python_version(), sqlite3.sqlite_version, versions, _processor(), len(CORES), pinned,
        str(plan.folder.parent), sync_ms(plan.folder), quick, plan.seconds, plan.rounds,
        {"held": plan.held, "backlog": plan.backlog, "burst": plan.burst, "drain": plan.drain}, now, (load_average(),) * 2,
    )  # fmt: skip


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    # Source: proc_cpuinfo(5)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
