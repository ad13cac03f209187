"""A plugin tried in a process of its own, for `plugin try`: one that ends its process, or leaves a thread in it, is a fault with words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from router.errors import ConfigError, PluginError
from router.event import Call
from router.plugin_host.apart import Died, apart
from router.trial.alone import alone
from router.trial.intake import Intake
from router.trial.known import Known
from router.trial.trial import try_events

__all__ = ["Attempt", "try_in_process"]


class Attempt(NamedTuple):
    """What is tried; see `alone` and `try_events`."""

    plugin: str
    settings: Mapping[str, Any]
    plugins_dir: Path | None
    state_dir: Path
    events: Sequence[bytes | Call]
    known: Known
    now_ms: int
    answer: str


def try_in_process(attempt: Attempt) -> list[dict[str, Any]]:
    """What would become of each event, in order, as `try_events` tells it.

    Raises:
        PluginError: the plugin cannot be used, or the process has ended or hung.
        ConfigError: its settings are faulty.
    """
    told: Any = None
    try:
        for kind, told in apart(_try, attempt):
            if kind == "plugin":
                raise PluginError(told)
            if kind == "settings":
                raise ConfigError(told)
    except Died as death:
        raise PluginError(f'plugin "{attempt.plugin}": the process that tried it {death}') from None
    found: list[dict[str, Any]] = told
    return found


def _try(say: Callable[[object], None], attempt: Attempt) -> None:
    name, settings, plugins_dir, state_dir, events, known, now_ms, answer = attempt
    try:
        destination = alone(name, settings, plugins_dir, state_dir)
    except PluginError as error:
        say(("plugin", str(error)))
        return
    except ConfigError as error:
        say(("settings", error.problems))
        return
    say(("found", asyncio.run(try_events(events, Intake("website"), [destination], known, now_ms, answer))))
