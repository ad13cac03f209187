"""What a plugin says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from router.plugin_host.validation import version_of
from router.testing.checking.check import DoesNotApply, Findings, Tier, check, found
from router.testing.checking.subject import Subject

SINCE: Mapping[str, tuple[int, int]] = {
    "forget": (1, 1),
    "forget_group": (1, 1),
}
"""Hooks -> the version of the contract that added them, where that was not the first."""


@check(
    Tier.GOLD,
    proves="The plugin lists the names that its tool has at Segment, each once.",
    why="Calls that include or exclude a destination in `integrations` use these names. One that is missing sends what was excluded.",
    fix='List all of them: display_names = ("Greeter", "Greeter (Actions)").',
)
def names_listed(subject: Subject) -> Findings:
    names = [name.lower() for name in getattr(subject.destination.instance, "display_names", ())]
    if not names:
        yield found("display_names", "none", "the names of the tool")
    yield from (
        found("display_names", f"{name!r} is there twice", "each once")
        for name in {n for n in names if names.count(n) > 1}
    )


@check(
    Tier.GOLD,
    proves="The plugin names the version of the contract that it was written for.",
    why="A router of a later major version refuses it with both versions. Without one, it takes the plugin for one of version 1.",
    fix="Write api_version = 1, or api_version = (1, 1) if you use what 1.1 added.",
)
def version_named(subject: Subject) -> Findings:
    if getattr(subject.destination.instance, "api_version", None) is None:
        yield found("api_version", "not named", "a version")


@check(
    Tier.SILVER,
    proves="The version that the plugin names has all hooks that it uses.",
    why="An older router takes the plugin, and then misses the hook or refuses its name without saying what to install.",
    fix="Raise api_version to the version that added what is named below.",
)
def version_covers_hooks(subject: Subject) -> Findings:
    destination = subject.destination
    used = {name: since for name, since in SINCE.items() if name in destination.hooks}
    if not used:
        raise DoesNotApply("it uses nothing that was added later")
    named = version_of(getattr(destination.instance, "api_version", 1)) or (1, 0)
    for name, since in used.items():
        if named < since:
            yield found(
                name,
                f"it came with version {since[0]}.{since[1]}, and api_version is {named[0]}.{named[1]}",
                f"api_version = {since}",
            )


@check(
    Tier.SILVER,
    proves="Each call type in `requires` has a hook.",
    why="A requirement without a hook does nothing: most often the type is misspelt, and another one is not held.",
    fix="Implement the hook, or take the type out of `requires`.",
)
def requires_hooked(subject: Subject) -> Findings:
    if not subject.destination.requires:
        raise DoesNotApply("it requires nothing")
    for type in subject.destination.requires:
        if type not in subject.destination.hooks:
            yield found(f"requires[{type!r}]", f"there is no hook {type}", "one")
