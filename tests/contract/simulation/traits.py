"""What makes a seed's story special. Drawn apart from the story itself, so that what a seed told before it still tells."""

from __future__ import annotations

from random import Random

import msgspec

from tests.contract.simulation.scenes import FEW_USERS, GATED_ONLY, SCENES, TRIMMED

SLIPS = "a plugin makes wrongly typed outcomes"
NOT_YET: frozenset[str] = frozenset()
"""What the router does not get right yet. No story has it, but for the test that waits until it does; then it is taken out here."""


class Traits(msgspec.Struct, frozen=True):
    """users: many, hot (one of them has most of the traffic) or few (`few` of them). slips: the plugin makes wrongly typed
    outcomes. trims: the log is trimmed. beside: another destination runs on the same log. scene: what is played at the end."""

    users: str = "many"
    few: int = 2
    slips: bool = False
    trims: bool = False
    beside: bool = False
    scene: str = ""
    gated: bool = False  #: it must be


def draw(seed: int) -> Traits:
    """The traits of a seed."""
    r = Random(f"{seed} traits")
    users = r.choices(("many", "hot", "few"), (65, 20, 15))[0]
    few, slips, trims, beside = r.choice((1, 2)), r.random() < 0.2, r.random() < 0.15, r.random() < 0.12
    scene = r.choice(sorted(SCENES)) if r.random() < 0.25 else ""
    traits = Traits(users, few, slips and SLIPS not in NOT_YET, trims, beside)
    return with_scene(traits, scene if scene not in NOT_YET else "")


def only(trouble: str, seed: int) -> Traits:
    """A story with one of the things that the router does not get right yet."""
    few = 1 + seed % 2
    return Traits(few=few, slips=True) if trouble == SLIPS else with_scene(Traits(few=few), trouble)


def with_scene(traits: Traits, scene: str) -> Traits:
    """The traits with this scene, and what it needs."""
    users = "few" if scene in FEW_USERS else traits.users
    trims = traits.trims or scene in TRIMMED
    return msgspec.structs.replace(traits, scene=scene, users=users, trims=trims, gated=scene in GATED_ONLY)
