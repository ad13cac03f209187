"""An installed plugin held against the contract: found, imported, and then every conformance check. For `plugin check`; no pytest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from router.errors import PluginError
from router.plugin_host import FAILED, NOT_CHECKED, OK, find
from router.testing.checking.check import TIERS, Tier
from router.testing.checking.report import BLOCKED, LACKING, Report, Result, Runner
from router.testing.checking.subject import Subject
from router.testing.checks import CHECKS

__all__ = ["Examined", "Line", "Tier", "examine"]


class Line(NamedTuple):
    """One check."""

    name: str
    proves: str
    result: str  #: ok, failed, not_checked or not_applicable
    words: tuple[str, ...]  #: findings, or why it was not made
    theme: str
    tier: str
    why: str = ""
    fix: str = ""
    blocked_by: str = ""  #: the check that failed or could not be made, so that this one was not made


class Examined(NamedTuple):
    """All checks of a plugin."""

    lines: list[Line]
    tier: Tier | None  #: that it has reached
    next_tier: Tier | None
    missing: list[str]  #: the checks that keep it from the next tier, without those that only follow from them

    @property
    def failed(self) -> list[Line]:
        """What failed."""
        return [line for line in self.lines if line.result == FAILED]

    @property
    def is_unsafe(self) -> bool:
        """Whether a check of bronze failed."""
        return any(line.tier == Tier.BRONZE for line in self.failed)

    def reaches(self, tier: Tier) -> bool:
        """Whether it has reached this tier."""
        return self.tier is not None and TIERS.index(self.tier) >= TIERS.index(tier)


IMPORT = "import"
IMPORTS = "The plugin can be imported, and is a class."


def examine(name: str, plugins_dir: Path | None, settings: Mapping[str, Any]) -> Examined:
    """Every check of it.

    Args:
        settings: for its instances. A secret that is required and not given is filled in.

    Raises:
        PluginError: there is no plugin of this name, or more than one.
    """
    there = find(name, plugins_dir)
    try:
        plugin = there.load()
    except PluginError as error:
        return _not_imported(str(error))
    report: Report = Runner(Subject(plugin, settings), CHECKS).report()
    lines = [Line(IMPORT, IMPORTS, OK, (), "form", Tier.BRONZE), *map(_line, report.results)]
    missing = dict.fromkeys(result.cause or result.check.name for result in report.missing)
    return Examined(lines, report.tier, report.next_tier, list(missing))


def _not_imported(words: str) -> Examined:
    failed = Line(IMPORT, IMPORTS, FAILED, tuple(words.splitlines()), "form", Tier.BRONZE)
    why = (f"check {IMPORT} failed: {failed.words[0]}",)
    rest = [_line(Result(check, BLOCKED, why, IMPORT)) for check in CHECKS]
    return Examined([failed, *rest], None, Tier.BRONZE, [IMPORT])


def _line(result: Result) -> Line:
    check = result.check
    told = NOT_CHECKED if result.result in (LACKING, BLOCKED) else result.result
    words, cause = result.words, result.cause
    return Line(check.name, check.proves, told, words, check.theme, check.tier, check.why, check.fix, cause)
