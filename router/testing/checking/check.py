"""A conformance check as data: what it proves, why that matters, how to correct a plugin that fails it, and the function that looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = [
    "BY_VENDOR",
    "MEANING",
    "SENDING",
    "TIERS",
    "CannotBeMade",
    "Check",
    "DoesNotApply",
    "Findings",
    "Tier",
    "check",
    "found",
    "need_hook",
]


class Tier(StrEnum):
    """How far a plugin keeps the contract. Each tier includes those before it."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


TIERS = tuple(Tier)
"""From the first to the last."""
MEANING: Mapping[Tier, str] = {
    Tier.BRONZE: "safe to load and to run: its form is right, and no call or answer makes it fail",
    Tier.SILVER: "right when something goes wrong: answers, retries, cancellation, restarts; pure where it has to be",
    Tier.GOLD: "everything else: secrets, memory, two instances at once, deletions, and what operators read",
}

Findings = Iterator[str]
"""What is wrong with a plugin: where, what came, and what was expected."""


SENDING = ("exercised", "lifetime_opens", "lifetime_closes")
"""The checks that must have passed before a delivery shows anything."""


BY_VENDOR = "conformance(vendor=...), or plugin check with --vendor FILE:NAME"
"""How an author says what the vendor answers."""


class DoesNotApply(Exception):
    """The plugin has nothing that the check looks at, such as a hook that it may leave out. The words say what."""


class CannotBeMade(Exception):
    """The check lacks something that the plugin's author can give. The words say what."""


@dataclass(frozen=True)
class Check:
    """One check."""

    name: str
    tier: Tier
    proves: str  #: what is so when it passes
    why: str  #: why that matters
    fix: str  #: what to change in a plugin that fails
    find: Callable[[Subject], Findings]  #: raises DoesNotApply or CannotBeMade
    needs: tuple[str, ...] = ()  #: names of checks without which this one says nothing

    @property
    def theme(self) -> str:
        """The module that it is in."""
        return self.find.__module__.rpartition(".")[2]


def check(
    tier: Tier, *, proves: str, why: str, fix: str, needs: tuple[str, ...] = ()
) -> Callable[[Callable[[Subject], Findings]], Check]:
    """Make a check of a function, with its name."""

    def make(find: Callable[[Subject], Findings]) -> Check:
        return Check(find.__name__, tier, proves, why, fix, find, needs)

    return make


def found(where: str, came: str, expected: str) -> str:
    """The words of a finding."""
    return f"{where}: {came}; expected {expected}"


def need_hook(subject: Subject, *names: str) -> None:
    """Raises DoesNotApply where the plugin has none of these hooks."""
    if not subject.destination.hooks.keys() & set(names):
        raise DoesNotApply("it has " + " and ".join(f"no hook {name}" for name in names))
