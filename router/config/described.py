"""What a source does with its calls before they are stored, as `check`, `sources` and the admin API show it. Without any secret."""

from __future__ import annotations

from typing import Any

from router.config.model import SourceConfig
from router.plans import Plan

ENDING, SHORT_KEY = 2, 8
"""So many characters of a write key are shown. None of a key that has fewer than SHORT_KEY."""


def ending_of(key: str) -> str:
    """The end of a write key, by which operators tell keys apart; "" for a short key."""
    return key[-ENDING:] if len(key) >= SHORT_KEY else ""


def describe_intake(source: SourceConfig, plan: Plan | None, *, follow: bool) -> dict[str, Any]:
    """`{"privacy": {"drop", "hash"}, "plan", "consent": {"follow"}}`; `plan` is None, or has `name`, `files`, `rules` (how many),
    `on_violation` (what does not simply pass, by type of call) and `forward`."""
    return {
        "privacy": source.privacy.model_dump(mode="json"),
        "plan": None if plan is None else _plan(source, plan),
        "consent": {"follow": follow},
    }


def _plan(source: SourceConfig, plan: Plan) -> dict[str, Any]:
    forward = source.forward.model_dump(mode="json")
    return {
        "name": plan.name,
        "files": list(source.plan),
        "rules": len(plan.rules),
        "on_violation": _reactions(source),
        "forward": {what: target for what, target in forward.items() if target},
    }


def _reactions(source: SourceConfig) -> dict[str, dict[str, str]]:
    found = {}
    for type, policy in source.on_violation.policies().items():
        if changed := {key: value for key, value in policy._asdict().items() if value != "allow"}:
            found[type] = changed
    return found
