"""config.toml, the plugins, and the secrets that it names."""

from __future__ import annotations

import os
from collections.abc import Iterator

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.explain.figures import count

SHOWN = 3
"""Problems that are named; `check` has them all."""


def configuration(subject: Subject) -> Iterator[Finding]:
    """What `check` refuses. A daemon that runs goes on with what it read before; one that is stopped would not start.
    A user who cannot see which it is may lack the rights to read what config.toml names."""
    if subject.path.exists() and not os.access(subject.path, os.R_OK):
        words = f"this user cannot read {subject.path}"
        yield Finding("configuration", Level.UNKNOWN, words, "run it as root or as the service's user")
        return
    if not subject.problems:
        words = f"{subject.path} can be used: {count(len(subject.destinations), 'destination')}"
        yield Finding("configuration", Level.OK, words)
        return
    remedy = "correct it; `check` names every problem"
    level = {False: Level.ERROR, True: Level.WARNING, None: Level.UNKNOWN}[subject.is_running]
    told = [*subject.problems[:SHOWN]]
    if len(subject.problems) > SHOWN:
        told.append(count(len(subject.problems) - SHOWN, "more problem"))
    for words in told:
        of_file = words if words.startswith(f"{subject.path}:") else f"{subject.path}: {words}"
        yield Finding("configuration", level, of_file, remedy)
