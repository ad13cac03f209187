"""`doctor`: what is wrong with the machine, the installation and the way to the vendors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from router.cli.endpoint import locate, operator_of
from router.cli.lazy import lazy
from router.cli.options import DEFAULT, AsJson, ConfigFile
from router.cli.output import say, say_json, say_wrapped
from router.cli.style import BAD, BUSY, DIM, GOOD
from router.errors import ConfigError
from router.explain.figures import count

if TYPE_CHECKING:
    from router import doctor as examination
    from router.doctor import Finding, Subject
else:
    examination = lazy("router.doctor")

MARKS = {"error": ("!", BAD), "warning": ("-", BUSY), "unknown": ("?", BUSY), "ok": ("+", GOOD)}
"""How a line of each level begins, the gravest first."""


def doctor(config: ConfigFile = Path(DEFAULT), as_json: AsJson = False) -> None:
    """Examine the machine, the installation and the way to vendors.

    Each finding has a remedy. Works while the daemon runs and while it is stopped. What this user may not see is reported as not
    checked: run it as root for all of it. No event is read or sent; vendors see a connection. Exit code 1 if something keeps the daemon
    from working (lines with !). What only somebody should look at (lines with -) does not change the exit code.

    Examples:
        doctor
        doctor --config /etc/segment-router/config.toml
        doctor --json | jq '.findings[] | select(.level != "ok")'
    """
    subject = _subject(config)
    found = examination.examine(subject, examination.checks_of(subject))
    works = all(finding.level != "error" for finding in found)
    if as_json:
        say_json({"works": works, "running": subject.is_running, "findings": [one._asdict() for one in found]})
    else:
        _show(subject, found)
    raise typer.Exit(0 if works else 1)


def _subject(config: Path) -> Subject:
    environ, operator = operator_of(config)
    try:
        at = locate(config)
    except ConfigError:  # which is a finding
        return examination.read_subject(config, os.environ, operator, None, None, 0)
    store = None if at.database else at.store
    return examination.read_subject(config, environ, operator, at.running, store, at.min_free_bytes)


def _show(subject: Subject, found: Sequence[Finding]) -> None:
    running = {
        True: ("is running", GOOD),
        False: ("is not running", BUSY),
        None: ("may run: this user cannot see it", BUSY),
    }
    words, style = running[subject.is_running]
    say(f"segment-router {words}", style=style)
    say(f"config {subject.path}", "")
    for level, (mark, style) in MARKS.items():
        for finding in found:
            if finding.level == level:
                say_wrapped(f"{mark} {finding.sentence}", style)
                if finding.remedy:
                    say_wrapped(f"  to do: {finding.remedy}")
    numbers = {level: sum(finding.level == level for finding in found) for level in MARKS}
    say(
        "",
        f"{count(numbers['error'], 'error')}, {count(numbers['warning'], 'warning')}, {numbers['unknown']} not checked, {numbers['ok']} ok",
    )
    if numbers["error"]:
        say("! keeps the daemon from working", style=DIM)
