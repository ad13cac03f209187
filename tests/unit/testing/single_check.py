"""One conformance check of a plugin of the tests, whatever the others say."""

from __future__ import annotations

from typing import Any

from router.testing.checking.subject import Subject
from router.testing.checks import CHECKS
from tests.unit.testing.bad_plugins.good import Base

BY_NAME = {check.name: check for check in CHECKS}


def findings(plugin: type[Base], name: str, **options: Any) -> list[str]:
    """What the check of this name finds."""
    subject = Subject(plugin, {"token": "a-secret-of-the-test", **plugin.given}, **{**plugin.options, **options})
    return list(BY_NAME[name].find(subject))
