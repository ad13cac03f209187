"""A tracking plan that was read: its rules by kind, name and version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.plans.schema import Schema

_BY_NAME = {"track": ("TRACK", "event", ""), "page": ("PAGE", "name", "Page Viewed"),
            "screen": ("SCREEN", "name", "Screen Viewed")}  # fmt: skip
_BY_TYPE = {"identify": "IDENTIFY", "group": "GROUP"}


class Rule(msgspec.Struct, frozen=True):
    """What a plan says of one kind of call, in one version."""

    kind: str
    key: str  #: the name of the event or page; "" for a rule of the whole kind
    version: int
    schema: Schema

    @property
    def label(self) -> str:
        """As people see it: `TRACK "Order Completed" version 2`."""
        name = f' "{self.key}"' if self.key else ""
        return f"{self.kind}{name} version {self.version}"


class Plan:
    """All rules of one plan. Two plans are equal if their files are.

    Args:
        digest: of the contents of the files.
    """

    def __init__(self, id: str, name: str, digest: str, rules: list[Rule], warnings: list[str]) -> None:
        self.id, self.name, self.digest, self.rules, self.warnings = id, name, digest, rules, warnings
        self._rules: dict[tuple[str, str], dict[int, Rule]] = {}
        for rule in sorted(rules, key=lambda rule: rule.version):  # the oldest version comes first
            self._rules.setdefault((rule.kind, rule.key), {})[rule.version] = rule

    def rule_for(self, type: str, call: Mapping[str, Any]) -> Rule | None:
        """The rule of a call: of its name where its type has names, and of the version that it asks for."""
        if type in _BY_TYPE:
            return self._version(_BY_TYPE[type], "", call)
        if type not in _BY_NAME:
            return None
        kind, key, viewed = _BY_NAME[type]
        name = call.get(key)
        found = self._version(kind, name, call) if isinstance(name, str) and name else None
        if found is None and viewed:
            found = self._version(kind, "", call) or self._version("TRACK", viewed, call)
        return found

    def common_for(self, call: Mapping[str, Any]) -> Rule | None:
        """The rule of every call but alias."""
        return self._version("COMMON", "", call)

    def _version(self, kind: str, key: str, call: Mapping[str, Any]) -> Rule | None:
        """The version that a call asks for; the oldest where it asks for none, or for one that does not exist."""
        versions = self._rules.get((kind, key))
        if versions is None:
            return None
        oldest = next(iter(versions.values()))
        if len(versions) == 1:
            return oldest
        protocols = call["context"].get("protocols") if isinstance(call.get("context"), dict) else None
        wanted = protocols.get("event_version") if isinstance(protocols, dict) else None
        if isinstance(wanted, bool) or not isinstance(wanted, int | float):
            return oldest
        return next((rule for version, rule in versions.items() if version == wanted), oldest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)
