"""The test kit for authors of plugins (the extra `testing`). Only the roof (demo, bench, verbs), trials, new packages and tests use it.

`samples` has well-made calls, `oddities` what real traffic holds beside them. `rehearsal` maps calls without a loop, `fixtures` compares
what comes with JSON files, `sender` sends once by the router's own Sender, `bench` has the whole worker. `vendor` is a real server that
answers by a script of `replies`, `clock` the time of a test. `pytest_plugin` has the fixtures of pytest. `checks` has the conformance
checks, `checking` what runs them, `pytest_conformance` makes tests of them.

Inside: `around` makes the destination, `intake` takes calls, `learned_directory` knows users and groups, `bench_life` has a worker
from a start to its end, `new_store` lays an empty store, `deletions` has people forgotten, `detour` leads requests to the fake vendor,
`batching` fills requests, `rest` tells when nothing moves, `ports` holds ports for daemons.

The names below are imported when they are first asked for: pytest loads this package in every project of an environment.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from router.testing.bench import Bench, Fate
    from router.testing.checking.scene import Scene
    from router.testing.clock import FakeClock
    from router.testing.fixtures import CheckFixture, Fixture, fixture_files
    from router.testing.oddities import ODDITIES, REFUSED, every_call, every_event
    from router.testing.pytest_conformance import conformance
    from router.testing.rehearsal import Came, Rehearsal
    from router.testing.replies import (
        Answers,
        Garbage,
        Hang,
        Received,
        Redirect,
        Reply,
        Reset,
        ShortBody,
        Slow,
        once_only,
        per_item,
    )
    from router.testing.samples import CALLS, GROUP, RECEIVED_AT, USER, SampleContext, sample_context, sample_event
    from router.testing.sender import PluginSender, open_sender
    from router.testing.vendor import FakeVendor

_PLACES = {
    "bench": ("Bench", "Fate"),
    "checking.scene": ("Scene",),
    "clock": ("FakeClock",),
    "fixtures": ("CheckFixture", "Fixture", "fixture_files"),
    "oddities": ("ODDITIES", "REFUSED", "every_call", "every_event"),
    "pytest_conformance": ("conformance",),
    "rehearsal": ("Came", "Rehearsal"),
    "replies": (
        "Answers",
        "Garbage",
        "Hang",
        "Received",
        "Redirect",
        "Reply",
        "Reset",
        "ShortBody",
        "Slow",
        "once_only",
        "per_item",
    ),
    "samples": ("CALLS", "GROUP", "RECEIVED_AT", "USER", "SampleContext", "sample_context", "sample_event"),
    "sender": ("PluginSender", "open_sender"),
    "vendor": ("FakeVendor",),
}
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "CALLS",
    "GROUP",
    "ODDITIES",
    "RECEIVED_AT",
    "REFUSED",
    "USER",
    "Answers",
    "Bench",
    "Came",
    "CheckFixture",
    "FakeClock",
    "FakeVendor",
    "Fate",
    "Fixture",
    "Garbage",
    "Hang",
    "PluginSender",
    "Received",
    "Redirect",
    "Rehearsal",
    "Reply",
    "Reset",
    "SampleContext",
    "Scene",
    "ShortBody",
    "Slow",
    "conformance",
    "every_call",
    "every_event",
    "fixture_files",
    "once_only",
    "open_sender",
    "per_item",
    "sample_context",
    "sample_event",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
