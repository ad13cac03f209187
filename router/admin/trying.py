"""What would become of events, as the admin API and the console ask for it. Nothing is sent and nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from router.admin.daemon_port import DaemonPort
from router.errors import CommandRefused
from router.event import Call
from router.plugin import Group
from router.plugin_host import Destination, rebuilt
from router.trial import ANSWERS, NOTHING_KNOWN, Intake, Known, TrialThread, asked_of, known_of


class Ask(msgspec.Struct, frozen=True):
    """What is tried."""

    events: Sequence[bytes]  #: calls as JSON
    source: str | None = None  #: None: the first one
    destination: str | None = None  #: None: at all
    known: Known = NOTHING_KNOWN
    answer: str = ""  #: one of ANSWERS; "": what a vendor answers is not asked
    settings: Mapping[str, Any] | None = None  #: in place of those of the destination


def supposed(known: Known, type: str, destinations: Sequence[Destination]) -> Known:
    """The same with a group that has all that these destinations wait for: names in capitals stand for what nobody has told."""
    needs = [need for one in destinations for need in one.requires.get(type, ()) if isinstance(need, Group)]
    missing = {trait: trait.upper() for need in needs for trait in need.traits if trait not in known.group_traits}
    return Known(known.user_traits, known.group_id or "GROUP", {**missing, **known.group_traits})


class Trying:
    """One trial at a time."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon
        self._thread = TrialThread()

    async def run(self, ask: Ask) -> dict[str, Any]:
        """`{"source", "events"}`, as `/api/try` gives it.

        Raises:
            CommandRefused: `not_found`, `invalid_request`, and what a trial raises.
            ConfigError: the settings are faulty.
        """
        source, destinations = self._source(ask.source), await self._destinations(ask)
        if ask.answer and ask.answer not in ANSWERS:
            raise CommandRefused("invalid_request", f"answer: {ask.answer[:80]!r} is none of {', '.join(ANSWERS)}")
        daemon = self._daemon
        suppressions = daemon.store.people.suppressions
        intake = Intake(source, daemon.privacy_of(source), daemon.plan_of(source), suppressions)
        found = await self._thread.run(ask.events, intake, destinations, ask.known, daemon.now_ms, ask.answer)
        return {"source": source, "events": found}

    async def again(self, call: Call, pos: int) -> dict[str, Any]:
        """A stored call at all destinations, with today's settings, and what the directory knows of its user and group."""
        known = await self.known(call, pos)
        destinations = [runner.destination for runner in self._daemon.runners.values()]
        (found,) = await self._thread.run([call], Intake(call.source), destinations, known, call.received_at)
        held = [one for one in destinations if found["destinations"][one.name]["outcome"] == "held"]
        if held:
            group = supposed(known, call.type, held)
            (then,) = await self._thread.run([call], Intake(call.source), held, group, call.received_at)
            words = ", ".join(f"{key} {value}" for key, value in {"id": group.group_id, **group.group_traits}.items())
            for name, told in then["destinations"].items():
                as_it_is = {key: found["destinations"][name][key] for key in ("outcome", "reason", "detail")}
                found["destinations"][name] = {**told, **as_it_is, "supposed": words}
        return found

    async def known(self, call: Call, pos: int) -> Known:
        """What the directory knows of the user and the group of a stored call."""
        return known_of(call, pos, await self._daemon.store.directory.known(*asked_of(call, pos)))

    def _source(self, name: str | None) -> str:
        names = [str(source["name"]) for source in self._daemon.describe_sources()]
        if name is None and names:
            return names[0]
        if name is None or name not in names:
            raise CommandRefused(
                "not_found", f"there is no source {str(name)[:80]!r}; configured are {', '.join(names)}"
            )
        return name

    async def _destinations(self, ask: Ask) -> Sequence[Destination]:
        runners = self._daemon.runners
        if ask.destination is None:
            if ask.settings is not None:
                raise CommandRefused("invalid_request", "`settings` needs a `destination`: of which one are they?")
            return [runner.destination for runner in runners.values()]
        if ask.destination not in runners:
            words = f"there is no destination {ask.destination[:80]!r}; running are {', '.join(runners)}"
            raise CommandRefused("not_found", words)
        if ask.settings is None:
            return [runners[ask.destination].destination]
        return [await asyncio.to_thread(rebuilt, self._daemon.config, ask.destination, ask.settings)]
