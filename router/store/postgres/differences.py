"""Where nodes that share a store are not alike, as this one sees it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from router.store.cluster_rows import of_destinations
from router.store.postgres.in_force import InForce
from router.vocabulary import Problem


class Alike(NamedTuple):
    """What must be the same at all nodes."""

    name: str
    version: str
    configuration: Mapping[str, str]  #: by subject a hash; empty before it knows


def problems(this: Alike, others: Sequence[Alike], in_force: InForce) -> list[Problem]:
    """One problem of each kind at most."""
    found = []
    if differing := [*_files(this, others), *_not_in_force(this, in_force)]:
        words = f"{'; '.join(differing)}: give all nodes the same file, then reload each"
        found.append(Problem("config_differs", words))
    if versions := [f"node {one.name} runs version {one.version}" for one in others if one.version != this.version]:
        words = f"{', '.join(versions)}, this one {this.version}: bring all to one version"
        found.append(Problem("versions_differ", words))
    return found


def _files(this: Alike, others: Sequence[Alike]) -> Iterator[str]:
    ours = this.configuration
    for other in others:
        theirs = other.configuration
        subjects = sorted({*theirs, *ours}) if theirs and ours else ()
        if differing := [subject for subject in subjects if theirs.get(subject) != ours.get(subject)]:
            yield f"config.toml of node {other.name} says something else of {', '.join(differing)}"


def _not_in_force(this: Alike, in_force: InForce) -> Iterator[str]:
    ours = of_destinations(this.configuration)
    stale = [name for name, hash in ours.items() if not in_force.has(name, hash)]
    given_up = [name for name in ours if in_force.is_given_up(name)]
    if silent := [name for name in stale if name not in given_up]:
        yield f"config.toml of this node is not active for {', '.join(silent)}, so it does not deliver there"
    if given_up:
        yield f"no node that lives has the active configuration of {', '.join(given_up)}, so any node delivers there with its own"
