"""What checking a call against its plan came to: what is noted of it, and what is taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

CONTAINERS = ("properties", "traits")
"""The objects of a call of which something may be taken out."""

KeyPath = list[str]
"""Keys from the call down to what is taken out of it, the container first: `["properties", "address", "zip"]`."""


class Violation(msgspec.Struct, frozen=True, array_like=True):
    """One rule that a call breaks. Its words never hold a value of the call."""

    type: str  #: "Required", "Invalid Type", ...
    field: str  #: dotted path from the call, places of a list as numbers; "(root)" for the call itself
    description: str


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """Stored in the envelope of the call where there is something to say, so its keys are short."""

    source: str = msgspec.field(default="", name="s")  #: whose plan it is
    violations: list[Violation] = msgspec.field(default=[], name="n")
    omitted: list[str] = msgspec.field(default=[], name="o")  #: unplanned names, without their container
    taken: list[KeyPath] = msgspec.field(default=[], name="t")  #: what was taken out because of a violation
    is_blocked: bool = msgspec.field(default=False, name="b")

    @property
    def says_nothing(self) -> bool:
        """Whether the call passes as it is, and nothing is noted."""
        return not (self.violations or self.omitted or self.taken or self.is_blocked)

    @property
    def omitted_on_violation(self) -> list[str]:
        """Dotted paths without their container."""
        return [".".join(path[1:]) for path in self.taken]

    def told(self) -> dict[str, Any]:
        """As `context.protocols` has it: only what there is."""
        found: dict[str, Any] = {"sourceId": self.source}
        if self.violations:
            found["violations"] = [msgspec.structs.asdict(violation) for violation in self.violations]
        if self.omitted:
            found["omitted"] = self.omitted
        if self.taken:
            found["omitted_on_violation"] = self.omitted_on_violation
        return found

    def apply(self, call: dict[str, Any], container: str) -> None:
        """Take out of a decoded call what was omitted, and add `context.protocols`. The call is changed in place.

        Args:
            container: "properties" or "traits": where the unplanned names of this type of call were.
        """
        for name in self.omitted:
            take_out(call, (container, name))
        for path in self.taken:
            take_out(call, path)
        context = call["context"]
        own = context.get("protocols")
        context["protocols"] = {**(own if isinstance(own, dict) else {}), **self.told()}


PASSED = Verdict()
"""Nothing was noted, and the call goes on as it is."""


def take_out(call: dict[str, Any], path: Sequence[str]) -> bool:
    """Remove what stands at a path; the object it stood in stays, also an empty one. False: it was not there."""
    inner: Any = call
    for key in path[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or path[-1] not in inner:
        return False
    del inner[path[-1]]
    return True
