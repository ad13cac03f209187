"""The conformance checks as tests of pytest: `conformance` parametrises over them. The checks themselves need no pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from router.plugin import JSON
from router.testing.checking.check import TIERS, Check, Tier
from router.testing.checking.report import BLOCKED, LACKING, NOT_APPLICABLE, OK, Runner, words_of
from router.testing.checking.scene import Scene
from router.testing.checking.subject import Subject
from router.testing.checks import CHECKS
from router.testing.replies import Answers

__all__ = ["conformance"]


def conformance(
    plugin: type[Any],
    settings: Mapping[str, JSON] | None = None,
    *,
    vendor: Answers | None = None,
    calls: Iterable[Mapping[str, JSON] | bytes] = (),
    scene: Scene | str | None = None,
    tier: str = Tier.GOLD,
    **table: Any,
) -> Callable[..., None]:
    """A test for each conformance check: `test_conformance = conformance(MyPlugin, {"url": "http://127.0.0.1/in"})`.

    Nothing is sent anywhere: the vendor is made up.

    Args:
        settings: of `[destination.settings]`. A secret that is required and not given is filled in.
        vendor: what the vendor answers to what it takes, if that is not any 200: a Reply, or a function of a request. If that
            raises, the tests say so: it is no fault of the plugin.
        calls: more calls, as a library sends them, of which the plugin makes items.
        scene: what the plugin reaches otherwise than by the Sender; or the name of the pytest fixture that gives it.
        tier: the one that the plugin is held to. What only a higher tier asks for is skipped where it fails.
        table: other keys of `[[destination]]`: `delivery={"isolation": "thread"}`.

    Raises:
        TypeError, ValueError: `plugin` is no class, or there is no such tier.
    """
    if not isinstance(plugin, type):
        raise TypeError(f"conformance() got {type(plugin).__name__}: want the class of the plugin")
    held_to = TIERS[: TIERS.index(Tier(tier)) + 1]
    subject = Subject(
        plugin, settings, vendor=vendor, calls=calls, scene=None if isinstance(scene, str) else scene, **table
    )
    runner = Runner(subject, CHECKS)

    @pytest.mark.parametrize("conformance_check", CHECKS, ids=lambda check: check.name)
    def test(conformance_check: Check, request: pytest.FixtureRequest) -> None:
        if isinstance(scene, str):
            subject.scene = request.getfixturevalue(scene)
        result = runner.result(conformance_check)
        words = "\n".join(words_of(result))
        if result.result == OK:
            return
        if result.result in (NOT_APPLICABLE, BLOCKED):
            pytest.skip(f"{result.result.replace('_', ' ')}: {'; '.join(result.words)}")
        if conformance_check.tier not in held_to:
            pytest.skip(f"for {conformance_check.tier}, above {tier}: {result.words[0]}")
        if result.result == LACKING:
            words += f"\n  proves: {conformance_check.proves}"
        pytest.fail(words, pytrace=False)

    return test
