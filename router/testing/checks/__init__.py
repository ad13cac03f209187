"""The conformance checks, one file per theme. `router.testing.checking` has the machinery that runs them.

form        what a daemon refuses before it starts
settings    what operators write, and how it is refused
facts       what a plugin says of itself
mapping     hooks that make items: with any event, always the same, nothing changed
purity      what those hooks must not do
state       keyed state and timers
requests    what carries the items
batches     several items in one request: all of them, in order, each with its own result
outcomes    what hooks that send give: outcomes of the right number and form
answers     what becomes of items after each answer of a vendor
delivering  `deliver` and `check`: cancelled, twice at once, never blocking
lifetime    opened, closed, opened again, and nothing left behind
instances   two of them at once, and their memory
secrets     seen nowhere
tokens      got at run time: renewed, and kept private
deletions   `forget` and `forget_group`

A new check is a function with `@check` in its theme; its name is the id of its test. `tests/unit/testing/bad_plugins` needs one that
only this check catches.
"""

from __future__ import annotations

from types import ModuleType

from router.testing.checking.check import Check
from router.testing.checks import (
    answers,
    batches,
    deletions,
    delivering,
    facts,
    form,
    instances,
    lifetime,
    mapping,
    outcomes,
    purity,
    requests,
    secrets,
    settings,
    state,
    tokens,
)

__all__ = ["CHECKS", "THEMES"]

THEMES: tuple[ModuleType, ...] = (
    form, settings, facts, mapping, purity, state, requests, batches, outcomes, answers, delivering, lifetime, instances, secrets, tokens, deletions,
)  # fmt: skip

CHECKS: tuple[Check, ...] = tuple(
    value for theme in THEMES for value in vars(theme).values() if isinstance(value, Check)
)
"""All of them, theme by theme."""
