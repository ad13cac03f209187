"""What an import comes to, while it is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from router.segment_import.pages import Page


@dataclass
class Result:
    """config.toml, the files that it names, and what was not carried over. Files by their path beside config.toml."""

    page: Page = field(default_factory=Page)
    files: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    left: list[str] = field(default_factory=list)  #: one sentence each
    notes: list[str] = field(default_factory=list)  #: what somebody has to look at
    _numbers: dict[str, int] = field(default_factory=dict)  #: the last one that was tried of each name of a secret

    def secret(self, name: str, value: str) -> dict[str, str]:
        """Keep a secret in a file of its own. Returns the table that names it."""
        file, number = f"secrets/{name}", self._numbers.get(name, 1)
        while file in self.secrets:
            number += 1
            file = f"secrets/{name}_{number}"
        self._numbers[name] = number
        self.secrets[file] = value
        return {"file": file}

    def leave(self, kind: str, name: str, why: str) -> None:
        """Something is not carried over."""
        self.left.append(f'{kind} "{name}": {why}' if name else f"{kind}: {why}")
