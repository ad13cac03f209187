"""Fixtures: JSON files with the calls that come in and the requests that go out.

    @pytest.mark.parametrize("path", fixture_files(Path(__file__).parent / "fixtures"), ids=lambda path: path.stem)
    def test_fixture(path: Path, check_fixture: CheckFixture) -> None:
        check_fixture(Greeter, path)

The keys of a file; `calls` or `until` must be there:

- `case`: what it shows, for people.
- `settings`: of the plugin, in addition to those that the test gives.
- `before`: calls that were taken earlier. What they make is not looked at.
- `calls`: as a library sends them. One without `receivedAt` comes in at 2024-03-01T10:00:00Z or, if later, when the call before did.
- `until`: an instant after the calls. Timers that are due by then are called.
- `expected`: see `came_of`. `pytest --segment-router-update` writes it.
"""

from __future__ import annotations

import base64
import difflib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from router.plugin import JSON, Item, Request, as_instant
from router.testing.rehearsal import Came, Rehearsal

__all__ = ["CheckFixture", "Fixture", "came_of", "fixture_files"]

NOW_MS = int(datetime(2024, 3, 1, 10, tzinfo=UTC).timestamp() * 1000)
KEYS = ("case", "settings", "before", "calls", "until", "expected")
UPDATE = "--segment-router-update"
"""The option of pytest that writes what came."""


def fixture_files(folder: Path) -> list[Path]:
    """The fixtures in a folder, by name, for `pytest.mark.parametrize`. Raises FileNotFoundError if there is none."""
    found = sorted(folder.glob("*.json"))
    if not found:
        raise FileNotFoundError(f"no *.json in {folder}")
    return found


class CheckFixture(Protocol):
    """What the pytest fixture `check_fixture` gives."""

    def __call__(self, plugin: type[Any], path: Path, settings: Mapping[str, JSON] | None = None, **table: Any) -> None:
        """Compare what comes of a fixture with what it expects, or write it with `--segment-router-update`. Raises AssertionError with
        the difference."""
        ...


class Fixture:
    """One file."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError for a file that is none."""
        self.path = path
        self.case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        unknown = [key for key in self.case if key not in KEYS]
        if unknown or not (self.case.get("calls") or "until" in self.case):
            fault = f"unknown key {unknown[0]!r}" if unknown else "no calls"
            raise ValueError(f"{path.name}: {fault}; a fixture has the keys {', '.join(KEYS)}")

    def check(
        self,
        plugin: type[Any],
        settings: Mapping[str, JSON] | None = None,
        *,
        update: bool = False,
        **table: Any,
    ) -> bool:
        """Compare what comes of it with what it expects.

        Args:
            settings: of the plugin; those of the file come on top.
            update: write what comes as what is expected.
            table: as of `Bench`.

        Returns:
            Whether the file was written.

        Raises:
            AssertionError: with the difference.
        """
        whole = {**(settings or {}), **self.case.get("settings", {})}
        rehearsal = Rehearsal(plugin, whole, **table)
        came = played(rehearsal, self.case)
        told = came_of(rehearsal, came)
        if told == self.case.get("expected"):
            return False
        if update:
            text = json.dumps({**self.case, "expected": told}, indent=2, ensure_ascii=False) + "\n"
            self.path.write_text(text, encoding="utf-8")
            return True
        raise AssertionError(self._complaint(told, came))

    def _complaint(self, told: Mapping[str, Any], came: list[Came]) -> str:
        name = f"{self.path.name} ({self.case['case']})" if "case" in self.case else self.path.name
        difference = difflib.unified_diff(
            _lines(self.case.get("expected", {})), _lines(told), "expected", "came", lineterm=""
        )
        details = [one.detail for one in came if one.detail]
        advice = f"If what came is right: pytest {UPDATE}"
        return "\n".join([f"{name}: what came is not what is expected", *difference, *details, advice])


def played(rehearsal: Rehearsal, case: Mapping[str, Any]) -> list[Came]:
    """What came of the `calls` of a fixture, and of the timers until its `until`."""
    rehearsal.clock.ms = NOW_MS
    for call in case.get("before", ()):
        rehearsal.take(call)
    came = [rehearsal.take(call) for call in case.get("calls", ())]
    until = as_instant(case.get("until"))
    return came if until is None else came + rehearsal.wake_until(until)


def came_of(rehearsal: Rehearsal, came: list[Came]) -> dict[str, Any]:
    """What came, as the file has it.

    - `outcome`: of the last call: `sent`, or `skipped: reason`, `held: reason`, `dead: reason`, ...
    - `requests`: each with its `url`, its `method` unless it is POST, its `headers` without `Content-Type: application/json`, and its body:
      `json` for one value, `lines` for one value a line, else `text` or `base64`
    - `items`, in place of requests, of a plugin that has no hook `request`
    - `warnings`: the reasons of each `context.warn`
    """
    calls = [one for one in came if one.event is not None]
    told: dict[str, Any] = {"outcome": calls[-1].outcome} if calls else {}
    if "request" in rehearsal.destination.hooks:
        sent = {"requests": [_shown(request) for one in came for request in one.requests]}
    else:
        sent = {"items": [_item(item) for one in came for item in one.items]}
    told |= sent if any(sent.values()) or not calls else {}
    warnings = [reason for one in came for reason in one.warnings]
    return {**told, "warnings": warnings} if warnings else told


def _item(item: Item) -> dict[str, Any]:
    return {"kind": item.kind, "body": item.body} if item.kind else {"body": item.body}


def _shown(request: Request) -> dict[str, Any]:
    method = {} if request.method == "POST" else {"method": request.method}
    headers = {
        name: value
        for name, value in request.headers.items()
        if (name.lower(), value) != ("content-type", "application/json")
    }
    if request.body and "content-type" not in {name.lower() for name in request.headers}:
        headers["Content-Type"] = ""  # none at all: most vendors refuse that
    return {**method, "url": request.url, **({"headers": headers} if headers else {}), **_body(request.body)}


def _body(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    try:
        if text.endswith("\n"):
            return {"lines": [json.loads(line) for line in text.splitlines()]}
        return {"json": json.loads(text)}
    except ValueError:
        return {"text": text}


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True).split("\n")
