"""What a check finds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    UNKNOWN = "unknown"  #: it could not be checked
    WARNING = "warning"  #: the daemon works, and somebody should look at it
    ERROR = "error"  #: it keeps the daemon from working


class Finding(NamedTuple):
    """One thing that was looked at."""

    code: str  #: one of CODES
    level: Level
    sentence: str  #: what is so, with figures
    remedy: str = ""  #: what to do; empty where there is nothing to do


CODES: Mapping[str, str] = {
    "python": "The versions of Python and of segment-router.",
    "sqlite": "The version of SQLite, and whether it has the WAL-reset bug.",
    "configuration": "config.toml, the plugins and the secrets that it names.",
    "store": "Whether the store can be opened by this version.",
    "locked": "Whether another process holds the store locked.",
    "database": "Whether the database of a shared store can be used: its settings, schema, standby and clock.",
    "upgrade": "Whether the disk has room for the upgrade of an older store.",
    "space": "Free bytes on the disk of the store.",
    "inodes": "Free inodes there.",
    "mount": "The file system of the store and its mount options.",
    "sync": "How long the disk takes to sync.",
    "written": "Whether synced bytes can be read again from the disk.",
    "descriptors": "The limit of open files.",
    "clock": "The clock against the newest time in the store.",
    "time_source": "Whether something keeps the clock right.",
    "store_folder": "Whether the service can write the store, its folder and the folder of the last backup.",
    "exposed": "Files that every user of the machine can read.",
    "secrets": "Whether the service can read config.toml and the files with secrets.",
    "credentials": "The credentials that config.toml names, and the files behind them, against the unit of the service.",
    "program": "Whether the user of the service can run the program of the unit.",
    "units": "Installed systemd units against the shipped ones.",
    "dns": "Whether a vendor's name has an address.",
    "connect": "Whether a vendor accepts connections.",
    "tls": "Whether a vendor's certificate is trusted.",
    "certificate": "The time until a certificate expires.",
}
"""What each code is about."""
