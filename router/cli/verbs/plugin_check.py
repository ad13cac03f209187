"""`plugin check`: an installed plugin held against the contract, and the tier that it reaches. The checks are in `router/testing/checks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.lazy import lazy
from router.cli.options import AsJson, ConfigFile
from router.cli.output import say, say_json
from router.cli.plugin_settings import PluginName, Settings, Vendor, plugins_dir, settings_of
from router.explain.figures import count

if TYPE_CHECKING:
    from router.testing.checking import examine
    from router.testing.checking.examine import Examined
else:
    examine = lazy("router.testing.checking.examine")

SCOPE = "Nothing was sent: the vendor is made up, and what the tool does with the requests is not checked."
WORDS = {"ok": "ok", "failed": "failed", "not_checked": "not checked", "not_applicable": "not applicable"}
TIERS = ("bronze", "silver", "gold")

TierAsked = Annotated[
    str,
    typer.Option("--tier", metavar="TIER", help="The tier that it has to reach: bronze, silver or gold."),
]


def plugin_check(
    context: typer.Context,
    name: PluginName,
    settings: Settings = None,
    vendor: Vendor = "",
    tier: TierAsked = "bronze",
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Check a plugin against the contract, and show its tier.

    The checks look at its form, and at what its hooks make of events and answers. They need the settings that have no default. They call
    the hooks with sample calls and made-up answers, in a process of its own. Nothing is sent, and the plugin can open no connection and
    write no file meanwhile. The vendor answers every request with 200, unless --vendor says more. Looks for installed packages and the
    files of plugins_dir of config.toml. Needs no daemon. Exit code 1 if the tier is not reached, which is bronze without --tier.

    Examples:
        plugin check braze --settings base_url=https://rest.fra-01.braze.eu
        plugin check webhook --settings url=https://hook.example.com/in --tier gold --json
        plugin check acme-crm --vendor tests/test_destination.py:acme --tier gold
    """
    if tier not in TIERS:
        raise typer.BadParameter(f"{tier!r} is none of {', '.join(TIERS)}", param_hint="--tier")
    given = settings_of(settings)
    try:
        found = examine.examine(name, plugins_dir(context, config), given, vendor)
    except examine.VendorError as error:
        raise typer.BadParameter(str(error), param_hint="--vendor") from None
    passed = found.reaches(examine.Tier(tier))
    if as_json:
        checks = [line._asdict() for line in found.lines]
        following = {"tier": found.next_tier, "missing": found.missing} if found.next_tier else None
        say_json(
            {"name": name, "passed": passed, "scope": SCOPE, "tier": found.tier, "next": following, "checks": checks}
        )
    else:
        say(*_themes(found), *_blocked(found), *_details(found), "", *_summary(name, found))
    if not passed:
        raise typer.Exit(1)


def _themes(found: Examined) -> Iterator[str]:
    """A line for each theme: how many of its checks had which result. `_blocked` counts those that were not made because of others."""
    made = [line for line in found.lines if not line.blocked_by]
    for theme, lines in groupby(made, key=lambda line: line.theme):
        results = [line.result for line in lines]
        counts = [f"{results.count(result)} {words}" for result, words in WORDS.items() if result in results]
        yield f"{theme}: {', '.join(counts)}"


def _details(found: Examined) -> Iterator[str]:
    """What a plugin has not passed, and what to do. What failed is last: a terminal shows the end."""
    for result in ("not_checked", "failed"):
        for line in found.lines:
            if line.result == result and not line.blocked_by:
                yield from ("", f"{WORDS[result].upper()}: {line.name} ({line.tier}): {line.proves}")
                yield from (f"    {words}" for words in "\n".join(line.words).splitlines())
                if result == "failed" and line.fix:
                    yield from (f"    why: {line.why}", f"    fix: {line.fix}")


def _blocked(found: Examined) -> Iterator[str]:
    """A line for each check that kept others from being made."""
    results = {line.name: line.result for line in found.lines}
    for cause, number in Counter(line.blocked_by for line in found.lines if line.blocked_by).items():
        were, what = "was" if number == 1 else "were", "failed" if results[cause] == "failed" else "could not be made"
        yield f"{count(number, 'check')} {were} not made because `{cause}` {what}"


def _summary(name: str, found: Examined) -> Iterator[str]:
    made = sum(line.result in ("ok", "failed") for line in found.lines)
    reached = f"reaches {found.tier}" if found.tier else "reaches no tier"
    yield f"{name} {reached}: {count(made, 'check')} of {len(found.lines)} made, {len(found.failed)} failed. {SCOPE}"
    if found.next_tier:
        yield f"For {found.next_tier}: {_named(found.missing)}."


def _named(names: list[str], most: int = 8) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {count(more, 'other')}" if more > 0 else "")
