"""Warnings about sources that drop a trait which a destination waits for: its events would be held until they expire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from router.config import ConfigWarning, DestinationConfig, SourceConfig
from router.config.mapping_paths import within
from router.plugin import Group, UserId


def dropped_needs(
    sources: Iterable[SourceConfig],
    destination: DestinationConfig,
    requires: Mapping[str, tuple[UserId | Group, ...]],
    told_as: Mapping[str, tuple[str, ...]],
) -> Iterator[ConfigWarning]:
    """A warning for each trait that no group call of a source can tell a destination.

    Args:
        requires: what the destination needs first, by call type.
        told_as: the names of such traits in group calls, where its mapping changes them; none: always known.
    """
    groups = [need for needs in requires.values() for need in needs if isinstance(need, Group)]
    traits = dict.fromkeys(trait for group in groups for trait in group.traits)
    for source in sources:
        if not {"*", source.name}.intersection(destination.sources):
            continue
        dropped = [tuple(path.split(".")) for path in source.privacy.drop]
        for trait in traits:
            names = told_as.get(trait, (trait,))
            if names and all(any(within(("traits", name), path) for path in dropped) for name in names):
                words = (
                    f'traits.{names[0]} is dropped, and "{destination.name}" holds events until it knows the {trait} of their group;'
                    " leave it out, hash it, or make sure that another source sends it"
                )
                yield ConfigWarning(source.name, "privacy.drop", words)
