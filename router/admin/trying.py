"""What would become of events, as the admin API and the console ask for it. Nothing is sent and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from router.admin.daemon_port import DaemonPort
from router.errors import CommandRefused, PluginError
from router.event import Call, show_user_key
from router.plugin import Group
from router.plugin_host import Destination, rebuilt
from router.plugin_host.time_budgets import MAKE_S
from router.trial import ANSWERS, NOTHING_KNOWN, Intake, Known, Trials, alone, asked_of, judge, known_of


class Ask(msgspec.Struct, frozen=True):
    """What is tried."""

    events: Sequence[bytes]  #: calls as JSON
    source: str | None = None  #: None: the first one
    destination: str | None = None  #: None: at all
    known: Known = NOTHING_KNOWN
    answer: str = ""  #: one of ANSWERS; "": what a vendor answers is not asked
    settings: Mapping[str, Any] | None = None  #: in place of those of the destination; of a plugin, all of them
    plugin: str | None = None  #: in place of a destination: any that is there, configured or not


LAST_POSITION = 2**62
"""Behind every event: what is known by now counts."""


def supposed(known: Known, type: str, destinations: Sequence[Destination]) -> Known:
    """The same with a group that has all that these destinations wait for: names in capitals stand for what nobody has told."""
    needs = [need for one in destinations for need in one.requires.get(type, ()) if isinstance(need, Group)]
    missing = {trait: trait.upper() for need in needs for trait in need.traits if trait not in known.group_traits}
    return Known(known.user_traits, known.group_id or "GROUP", {**missing, **known.group_traits})


class Trying:
    """What is asked for in words, as a trial."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon
        self._trials = Trials(daemon.plugin_threads)

    async def run(self, ask: Ask, destinations: Sequence[Destination]) -> dict[str, Any]:
        """`{"source", "events"}`, as `/api/try` gives it, at what `destinations` gave.

        Raises:
            CommandRefused: `not_found`, `invalid_request`, and what a trial raises.
        """
        source = self._source(ask.source)
        if ask.answer and ask.answer not in ANSWERS:
            raise CommandRefused("invalid_request", f"answer: {ask.answer[:80]!r} is none of {', '.join(ANSWERS)}")
        daemon = self._daemon
        suppressions = daemon.store.people.suppressions
        intake = Intake(source, daemon.privacy_of(source), daemon.plan_of(source), suppressions)
        found = await self._trials.run(ask.events, intake, destinations, ask.known, daemon.now_ms, ask.answer)
        return {"source": source, "events": found}

    async def again(self, call: Call, pos: int) -> dict[str, Any]:
        """A stored call at all destinations, with today's settings, and what the directory knows of its user and group."""
        known = await self.known(call, pos)
        destinations = [runner.destination for runner in self._daemon.runners.values()]
        (found,) = await self._trials.run([call], Intake(call.source), destinations, known, call.received_at)
        held = [one for one in destinations if found["destinations"][one.name]["outcome"] == "held"]
        if held:
            group = supposed(known, call.type, held)
            (then,) = await self._trials.run([call], Intake(call.source), held, group, call.received_at)
            words = ", ".join(f"{key} {value}" for key, value in {"id": group.group_id, **group.group_traits}.items())
            for name, told in then["destinations"].items():
                as_it_is = {key: found["destinations"][name][key] for key in ("outcome", "reason", "detail")}
                found["destinations"][name] = {**told, **as_it_is, "supposed": words}
        return found

    async def known(self, call: Call, pos: int) -> Known:
        """What the directory knows of the user and the group of a stored call."""
        return known_of(call, pos, await self._daemon.store.directory.known(*asked_of(call, pos)))

    async def with_known(self, ask: Ask) -> tuple[Ask, str]:
        """The same with what the directory knows by now of the user of the events, and that user; "" where nothing is known, or the
        events are of several users."""
        source, now_ms = self._source(ask.source), self._daemon.now_ms
        intake = Intake(source, self._daemon.privacy_of(source), None, self._daemon.store.people.suppressions)
        calls = [one for one in judge(ask.events, intake, now_ms) if isinstance(one, Call)]
        if len({call.user_key for call in calls}) != 1:
            return ask, ""
        known = await self.known(calls[0], LAST_POSITION)
        is_known = known.user_traits or known.group_id
        return (msgspec.structs.replace(ask, known=known), show_user_key(calls[0].user_key)) if is_known else (ask, "")

    def _source(self, name: str | None) -> str:
        names = [source.name for source in self._daemon.config.sources]
        if name is None and names:
            return names[0]
        if name is None or name not in names:
            raise CommandRefused(
                "not_found", f"there is no source {str(name)[:80]!r}; configured are {', '.join(names)}"
            )
        return name

    async def destinations(self, ask: Ask) -> Sequence[Destination]:
        """Where it is tried.

        Raises:
            CommandRefused: `not_found`, `invalid_request`, `plugin_error` where the plugin cannot be used, `timeout`.
            ConfigError: the settings are faulty.
        """
        config, runners, settings = self._daemon.config, self._daemon.runners, ask.settings
        if (plugin := ask.plugin) is not None:
            if ask.destination is not None:
                raise CommandRefused("invalid_request", "give `destination` or `plugin`, not both")
            return [
                await self._made(plugin, lambda: alone(plugin, settings or {}, config.plugins_dir, config.state_dir))
            ]
        if ask.destination is None:
            if ask.settings is not None:
                raise CommandRefused("invalid_request", "`settings` needs a `destination`: of which one are they?")
            return [runner.destination for runner in runners.values()]
        if ask.destination not in runners:
            words = f"there is no destination {ask.destination[:80]!r}; running are {', '.join(runners)}"
            raise CommandRefused("not_found", words)
        name = ask.destination
        if settings is None:
            return [runners[name].destination]
        return [await self._made(f"of {name}", lambda: rebuilt(config, name, settings))]

    async def _made(self, which: str, make: Callable[[], Destination]) -> Destination:
        try:
            return await self._daemon.plugin_threads.run("trial", make)
        except PluginError as error:
            raise CommandRefused("plugin_error", str(error)) from None
        except TimeoutError:
            words = f"making the plugin {which} took longer than {MAKE_S:g} s: its __init__ does not return"
            raise CommandRefused("timeout", words) from None
