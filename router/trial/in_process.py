"""A plugin tried in a process of its own, for `plugin try`: one that ends its process, or leaves a thread in it, is a fault with words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from router.errors import ConfigError, PluginError, RouterError
from router.event import Call
from router.plugin_host.apart import Died, apart
from router.testing.checking.vendor_function import VendorFault
from router.testing.checking.vendor_place import VendorError, answers_at
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
    vendor: str = ""  #: where its author has written the answers, see `vendor_place`; then `answer` does not matter


def try_in_process(attempt: Attempt) -> list[dict[str, Any]]:
    """What would become of each event, in order, as `try_events` tells it.

    Raises:
        PluginError: the plugin cannot be used, or the process has ended or hung.
        ConfigError: its settings are faulty.
        VendorError: there are no such answers of the vendor.
        VendorFault: they raise.
    """
    told: Any = None
    try:
        for kind, told in apart(_try, attempt):
            if kind in _FAULTS:
                raise _FAULTS[kind](told)
    except Died as death:
        raise PluginError(f'plugin "{attempt.plugin}": the process that tried it {death}') from None
    found: list[dict[str, Any]] = told
    return found


_FAULTS: Mapping[str, Callable[[Any], RouterError]] = {
    fault.__name__: fault for fault in (PluginError, ConfigError, VendorError, VendorFault)
}


def _try(say: Callable[[object], None], attempt: Attempt) -> None:
    name, settings, plugins_dir, state_dir, events, known, now_ms, answer, vendor = attempt
    try:
        given = answers_at(vendor) if vendor else answer
        destination = alone(name, settings, plugins_dir, state_dir)
        say(("found", asyncio.run(try_events(events, Intake("website"), [destination], known, now_ms, given))))
    except ConfigError as error:
        say((ConfigError.__name__, error.problems))
    except (PluginError, VendorError, VendorFault) as error:
        say((type(error).__name__, str(error)))
