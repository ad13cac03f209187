"""Runs the checks of a plugin: each at most once, after those that it needs. Results, the tier that they add up to, and words."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from router.testing.checking.check import TIERS, CannotBeMade, Check, DoesNotApply, Tier
from router.testing.checking.process_state import Changes
from router.testing.checking.subject import Subject

__all__ = ["BLOCKED", "FAILED", "LACKING", "NOT_APPLICABLE", "OK", "Report", "Result", "Runner", "tier_of", "words_of"]

OK, FAILED, NOT_APPLICABLE, LACKING, BLOCKED = "ok", "failed", "not_applicable", "lacking", "blocked"
MAX_FINDINGS, MAX_LOOKED_AT = 3, 1000


@dataclass(frozen=True)
class Result:
    """What came of one check."""

    check: Check
    #: OK, FAILED, NOT_APPLICABLE, LACKING (the author can give what it needs) or BLOCKED (by another check)
    result: str
    words: tuple[str, ...] = ()  #: findings, or why it was not made
    cause: str = ""  #: of a BLOCKED one: the check that failed or could not be made


def _ignore(told: object) -> None:
    pass


class Runner:
    """The results of one plugin, as far as they were asked for."""

    def __init__(
        self,
        subject: Subject,
        checks: Sequence[Check],
        on_begin: Callable[[Check], object] = _ignore,
        on_result: Callable[[Result], object] = _ignore,
    ) -> None:
        """
        Args:
            on_begin: called when a check is about to look at the plugin.
            on_result: called with each result, once.

        Raises:
            ValueError: there are no checks.
        """
        if not checks:
            raise ValueError("there are no conformance checks: the installation of segment-router is not whole")
        self.subject, self.checks = subject, checks
        self._on_begin, self._on_result = on_begin, on_result
        self._by_name = {check.name: check for check in checks}
        self._form = tuple(check.name for check in checks if check.theme == "form")
        self._results: dict[str, Result] = {}

    def result(self, check: Check) -> Result:
        """Run a check, unless it was run. Raises VendorFault where the author's answers of the vendor raise."""
        if check.name not in self._results:
            self.subject.good.raise_fault()
            result = self._run(check)
            self.subject.good.raise_fault()
            self._results[check.name] = result
            self._on_result(self._results[check.name])
        return self._results[check.name]

    def report(self) -> Report:
        """Run all of them."""
        return Report([self.result(check) for check in self.checks])

    def _run(self, check: Check) -> Result:
        for name in (*(() if check.theme == "form" else self._form), *check.needs):
            needed = self.result(self._by_name[name])
            if needed.result == BLOCKED:
                return Result(check, BLOCKED, needed.words, needed.cause)
            if needed.result in (FAILED, LACKING):
                what = "failed" if needed.result == FAILED else "could not be made"
                return Result(check, BLOCKED, (f"check {name} {what}: {needed.words[0]}",), name)
        self._on_begin(check)
        try:
            with Changes():  # what this plugin changes of the process is not there for the next one
                findings = list(islice(check.find(self.subject), MAX_LOOKED_AT))
        except DoesNotApply as reason:
            return Result(check, NOT_APPLICABLE, (str(reason),))
        except CannotBeMade as reason:
            return Result(check, LACKING, (str(reason),))
        except Exception:  # a plugin may break whoever looks at it
            last = "".join(traceback.format_exc(limit=-4)).strip()
            return Result(check, FAILED, (f"the check could not be carried through:\n{last}",))
        if not findings:
            return Result(check, OK)
        most = len(findings) if check.theme == "form" else MAX_FINDINGS  # faults of the form are different ones
        more = len(findings) - most
        return Result(check, FAILED, (*findings[:most], *([f"and {more} more"] if more > 0 else [])))


@dataclass(frozen=True)
class Report:
    """All results."""

    results: list[Result]

    @property
    def tier(self) -> Tier | None:
        """The highest tier that the plugin has reached; None for none."""
        return tier_of(self.results)

    @property
    def next_tier(self) -> Tier | None:
        """The one after it."""
        reached = self.tier
        at = 0 if reached is None else TIERS.index(reached) + 1
        return TIERS[at] if at < len(TIERS) else None

    @property
    def missing(self) -> list[Result]:
        """What the next tier lacks."""
        if self.next_tier is None:
            return []
        upto = TIERS[: TIERS.index(self.next_tier) + 1]
        return [one for one in self.results if one.check.tier in upto and not _counts(one)]


def tier_of(results: Sequence[Result]) -> Tier | None:
    """A tier is reached when each check of it, and of those before it, has passed or does not apply to the form of the plugin, and at
    least one of them has passed. A check that could not be made keeps the plugin from it."""
    reached = None
    for tier in TIERS:
        of_tier = [one for one in results if one.check.tier is tier]
        if not all(map(_counts, of_tier)) or not any(one.result == OK for one in of_tier):
            break
        reached = tier
    return reached


def _counts(result: Result) -> bool:
    return result.result in (OK, NOT_APPLICABLE)


def words_of(result: Result) -> Iterator[str]:
    """A result for people, line by line: with what the check proves, why, and what to do, where the plugin has not passed it."""
    check = result.check
    yield f"{check.name} ({check.tier}): {result.result.replace('_', ' ')}"
    if result.result == FAILED:
        yield f"  proves: {check.proves}"
        yield f"  why: {check.why}"
        yield f"  fix: {check.fix}"
    for words in result.words:
        first, *rest = words.splitlines() or [""]
        yield f"  {'found' if result.result == FAILED else 'because'}: {first}"
        yield from (f"    {line}" for line in rest)
