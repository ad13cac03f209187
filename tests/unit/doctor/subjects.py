"""Subjects for the checks: config.toml and a store in a folder of the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from router.config import Operator
from router.doctor import Finding, Subject, read_subject

CONFIG = """
[store]
url = "sqlite:router.db"
min_free = "1MB"
[[source]]
name = "website"
write_key = "wk"
"""


def subject_in(folder: Path, more: str = "", **changes: Any) -> Subject:
    """What is examined: `more` is added to config.toml. `changes`: of the Subject."""
    config = folder / "config.toml"
    config.write_text(CONFIG + more, encoding="utf-8")
    config.chmod(0o600)
    store = folder / "router.db"
    return replace(read_subject(config, {}, Operator(), None, store, 1_000_000), **changes)


def levels(found: Iterator[Finding] | list[Finding]) -> list[tuple[str, str]]:
    """Code and level of each."""
    return [(one.code, str(one.level)) for one in found]
