"""An installed plugin held against the contract: found, imported, and then every conformance check, in a process of its own. For
`plugin check`; no pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from router.errors import PluginError
from router.plugin_host import FAILED, NOT_CHECKED, OK, find
from router.plugin_host.apart import Died, apart
from router.testing.checking.check import TIERS, Tier
from router.testing.checking.process_state import Changes
from router.testing.checking.report import BLOCKED, LACKING, Report, Result, Runner
from router.testing.checking.subject import Subject
from router.testing.checking.vendor_function import VendorFault
from router.testing.checking.vendor_place import VendorError, answers_at
from router.testing.checks import CHECKS

__all__ = ["Examined", "Line", "Tier", "VendorError", "examine"]


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

    def reaches(self, tier: Tier) -> bool:
        """Whether it has reached this tier."""
        return self.tier is not None and TIERS.index(self.tier) >= TIERS.index(tier)


IMPORT = "import"
IMPORTS = "The plugin can be imported, and is a class."
_BY_NAME = {check.name: check for check in CHECKS}


def examine(name: str, plugins_dir: Path | None, settings: Mapping[str, Any], vendor: str = "") -> Examined:
    """Every check of it, in a process of its own.

    Args:
        settings: for its instances. A secret that is required and not given is filled in.
        vendor: where the answer of its vendor is; see `vendor_place`.

    Raises:
        PluginError: there is no plugin of this name, or more than one.
        VendorError: there is no such answer.
        VendorFault: it raises.
    """
    find(name, plugins_dir)
    now, results = IMPORT, dict[str, Result]()
    try:
        for kind, *told in apart(_examine, name, plugins_dir, dict(settings), vendor):
            match kind:
                case "refused":
                    raise VendorError(told[0])
                case "faulty answer":
                    raise VendorFault(told[0])
                case "not imported":
                    return _not_imported(told[0])
                case "begun":
                    now = told[0]
                case "result":
                    check, result, words, cause = told
                    results[check] = Result(_BY_NAME[check], result, tuple(words), cause)
    except Died as death:
        words = f'plugin "{name}": the process of the checks {death}, in the check {now}'
        if now == IMPORT:
            return _not_imported(words)
        results[now] = Result(_BY_NAME[now], FAILED, (words,))
    why = (f"check {now} ended the process",)
    report = Report([results.get(check.name) or Result(check, BLOCKED, why, now) for check in CHECKS])
    lines = [Line(IMPORT, IMPORTS, OK, (), "form", Tier.BRONZE), *map(_line, report.results)]
    missing = dict.fromkeys(result.cause or result.check.name for result in report.missing)
    return Examined(lines, report.tier, report.next_tier, list(missing))


def _examine(
    say: Callable[[object], None], name: str, plugins_dir: Path | None, settings: dict[str, Any], vendor: str
) -> None:
    """What the process of the checks does. It says what it does as it does it, since it may end at any time."""
    try:
        answers = answers_at(vendor) if vendor else None
    except VendorError as error:
        say(["refused", str(error)])
        return
    try:
        with Changes() as changes:
            plugin = find(name, plugins_dir).load()
    except PluginError as error:
        say(["not imported", str(error)])
        return
    runner = Runner(
        Subject(plugin, settings, vendor=answers, import_changes=changes),
        CHECKS,
        on_begin=lambda check: say(["begun", check.name]),
        on_result=lambda one: say(["result", one.check.name, one.result, one.words, one.cause]),
    )
    try:
        runner.report()
    except VendorFault as fault:
        say(["faulty answer", str(fault)])


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
