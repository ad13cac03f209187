"""A config.toml that is not written yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Proposal(NamedTuple):
    """What config.toml would hold, and the files of secrets that would be written with it."""

    text: str
    secrets: Mapping[Path, str] = {}  #: by the absolute path of the file
