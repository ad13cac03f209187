"""The daemon under test: its sources and destinations, and its log, which is read as it grows and never held in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.flow.harness import Daemon, Table, destination

HONEST = ("honest", "gated")
NOISY = ("erratic", "erratic-thread", "collector", "braze", "clientsuccess", "freshsuccess", "webhook")
EXPECTED_ERRORS = {"plugin_failed", "loop_held", "config_reload_failed"}
"""Errors of the plugin that fails on purpose, and of the configurations that are broken on purpose."""
STRAY = ("erratic.py", "py.warnings")
"""What shows that a library's line is about a task or a coroutine which that plugin has left behind."""

SHOWS_TRACEBACKS = {"event_dead", "plugin_failed", "loop_held", "plugin_slow"}
EXTRA_SOURCES = """
[[source]]
name = "hooks"
kind = "segment-webhook"
write_key = "wk_hooks"
"""


def destinations(honest: str, gated: str, fake: str, bare: str, seed: int) -> list[Table]:
    """The tables: two honest ones, and those at the vendors that answer anything."""
    patient = {"delivery": {"timeout": "2s", "max_age": "60s"}}
    threaded = {"delivery": {**patient["delivery"], "isolation": "thread"}}
    return [
        destination("honest", "collector", {"base_url": honest}),
        destination("gated", "collector", {"base_url": gated, "gated": True}),
        destination("erratic", "erratic", {"base_url": fake, "seed": seed}, **patient),
        destination("erratic-thread", "erratic", {"base_url": bare, "seed": seed + 1}, **threaded),
        destination("collector", "collector", {"base_url": bare}, **patient),
        destination("braze", "braze", {"base_url": fake, "api_key": "secret-b", "merge_on_alias": True}, **patient),
        destination("clientsuccess", "clientsuccess", {"base_url": bare, "api_key": "secret-c", "project_id": "P"}, **patient),
        destination(
            "freshsuccess", "freshsuccess",
            {"events_base_url": fake, "api_base_url": bare, "event_auth_key": "secret-f", "event_api_key": "secret-g",
             "account_api_key": "secret-h", "session_timeout_minutes": 0.05},
            **patient,
        ),
        destination("webhook", "webhook", {"url": f"{bare}/hook", "shared_secret": "secret-w", "batch": 10}, **patient),
    ]  # fmt: skip


class FuzzedDaemon(Daemon):
    """`events`: how many lines of each name its log has. `faults`: what must not be, one of each kind."""

    patience_s = 180.0  # on a machine that others keep busy

    def __init__(self, folder: Path, destinations: Sequence[Table]) -> None:
        super().__init__(folder, destinations, log={"decisions": "exceptions"})
        self.events: Counter[str] = Counter()
        self.faults: dict[str, str] = {}
        self._starts: dict[str, int] = {}
        self._read = 0

    def write_config(self) -> None:
        """With the sources of the fuzzer."""
        super().write_config()
        with self.config.open("a", encoding="utf-8") as file:
            file.write(EXTRA_SOURCES)

    def read_log(self) -> None:
        """Look at the lines that are new."""
        with self._log.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._judge(line)

    def _judge(self, line: bytes) -> None:
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            self.fault(f"not JSON: {line[:2_000]!r}")
            return
        event = told["event"]
        self.events[f"{event} {told['logger']}" if event == "library_logged" else event] += 1
        if event == "destination_added":
            self._starts[told["destination"]] = told["cursor"]
        if event == "library_logged" and any(word in str(told) for word in STRAY):
            return
        is_expected = event in EXPECTED_ERRORS if told["level"] == "error" else True
        shows_traceback = b"Traceback" in line and event not in SHOWS_TRACEBACKS
        of_a_plugin = event in SHOWS_TRACEBACKS and (b"Traceback" in line or told["level"] == "error")
        is_faulty = told.get("reason") == "plugin_error" and not _is_erratic(told)
        if is_faulty or not is_expected or shows_traceback or (of_a_plugin and not _is_erratic(told)):
            self.fault(json.dumps(told)[:8_000])

    def fault(self, words: str) -> None:
        """Note what must not be. One that ends alike is only counted."""
        kind = words[-200:]
        self.faults.setdefault(kind, words)
        self.events["fault"] += 1

    def assert_no_fault(self) -> None:
        """None so far."""
        self.read_log()
        shown = [fault.replace("\\n", "\n") for fault in self.faults.values()]
        assert not shown, "\n".join([f"{len(shown)} kinds of faults", *shown])

    def assert_alive(self) -> None:
        """It has not ended by itself."""
        assert self.process is not None
        assert self.process.poll() is None, f"it ended by itself with {self.process.returncode}"

    def starts(self) -> dict[str, int]:
        """As the log told."""
        self.read_log()
        return self._starts


def _is_erratic(told: dict[str, Any]) -> bool:
    """Whether the line is about the plugin that fails on purpose."""
    return str(told.get("destination", "")).startswith(("erratic", "passing"))
