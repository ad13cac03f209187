"""Putting a changed config.toml in force while the daemon runs: it is read, compared and refused or exchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from router.admin.daemon_port import InForce, Preview, Reloaded, ReloadRefused
from router.config import Config, Proposal
from router.daemon.config_changes import compare, compare_keys, object_to
from router.daemon.supervisor import Supervisor
from router.errors import CommandRefused, ConfigError, ConfirmationRequired, RestartRequired, StoreError
from router.in_thread import in_thread
from router.ingest.write_key import Sources
from router.judge import SourcePlans
from router.logger import Log
from router.plugin_host import Destination, read
from router.plugin_host.fault_place import said_by
from router.plugin_host.plugin_threads import PluginThreads, Purpose
from router.plugin_host.time_budgets import MAKE_S
from router.privacy import privacy_of_sources

Brings = Callable[[Config, Collection[Destination]], Awaitable[None]]
"""Tells other nodes what is configured here from now on."""

Refusal = (ConfigError, RestartRequired, ConfirmationRequired)
"""What a reload is refused with."""


class Reload:
    """The configuration in force, and how the next one takes its place."""

    def __init__(
        self, path: Path, config: Config, sources: Sources, plans: SourcePlans, threads: PluginThreads, log: Log
    ) -> None:
        self.config = config
        self._path = path
        self._sources = sources
        self._plans = plans
        self._threads = threads
        self._log = log
        self._now_ms: Callable[[], int] = lambda: 0
        self.in_force = InForce(0, "start")
        self.last_refused: ReloadRefused | None = None
        self._previewing = asyncio.Lock()  #: held while plugins are made for a preview: one after another

    def begin(self, now_ms: Callable[[], int]) -> None:
        """The configuration of the start is in force from now on, by this clock."""
        self._now_ms = now_ms
        self.in_force = InForce(now_ms(), "start")

    async def run(
        self, supervisor: Supervisor, is_stopping: Callable[[], bool], bring: Brings, *, is_confirmed: bool, via: str
    ) -> Reloaded:
        """Read config.toml again and put it in force, all of it or nothing.

        A destination whose table changed drains what is in flight with its old settings and goes on with the new ones.

        Args:
            is_confirmed: the operator wants also what cannot be undone.
            via: what asked for it; see InForce.

        Raises:
            ConfigError: the file cannot be used.
            RestartRequired: it changes what only a restart can change.
            ConfirmationRequired: it does what cannot be undone, and nobody confirmed that.
            CommandRefused: the daemon is stopping, or threads of plugins hang (`busy`).
            StoreError: other nodes cannot be told of it now.
        """
        async with supervisor.changing:
            if is_stopping():
                raise CommandRefused("stopping", "the daemon is stopping")
            try:
                config, wanted = await self._read("reload")
                object_to(self.config, config, is_confirmed=is_confirmed)
            except Refusal as error:
                self.last_refused = ReloadRefused(self._now_ms(), via, code_of(error), error.problems)
                for problem in error.problems:
                    self._log.emit("config_reload_failed", detail=problem, via=via)
                raise
            except CommandRefused as error:  # nothing is known of the file, so there is nothing to correct in it
                self._log.emit("config_reload_failed", detail=f"{self._path}: not read: {error}", via=via)
                raise
            done = compare(self.config, config, there(supervisor), wanted)
            try:
                await bring(config, wanted.values())  # before the destinations are opened with it
            except StoreError as error:
                self._log.emit("config_reload_failed", detail=f"{self._path}: not in force: {error}", via=via)
                raise
            await supervisor.exchange(wanted, done.changed, done.added, done.removed)
            self._sources.replace(config.sources, privacy_of_sources(config))
            self._plans.replace(config)
            self.config = config
            self.in_force, self.last_refused = InForce(self._now_ms(), via), None
            self._log.emit("config_reloaded", **done._asdict(), destinations=list(supervisor.runners), via=via)
            return done

    async def preview(self, supervisor: Supervisor, proposal: Proposal | None) -> Preview:
        """What `run` would do and say, without a confirmation. Changes nothing.

        Args:
            proposal: read this in place of what the file holds.
        """
        try:
            async with self._previewing:
                config, wanted = await self._read("preview", proposal)
        except ConfigError as error:
            return Preview(code_of(error), error.problems, None)
        except CommandRefused as error:
            return Preview(error.code, [f"{self._path}: not read: {error}"], None)
        changes = compare(self.config, config, there(supervisor), wanted)
        keys = await in_thread(compare_keys, self.config, config, there(supervisor), wanted)
        try:
            object_to(self.config, config, is_confirmed=False)
        except Refusal as error:
            return Preview(code_of(error), error.problems, changes, keys)
        return Preview("", [], changes, keys)

    async def _read(self, purpose: Purpose, proposal: Proposal | None = None) -> tuple[Config, dict[str, Destination]]:
        config, destinations = await read_in_time(self._threads, purpose, self._path, proposal)
        return config, {destination.name: destination for destination in destinations}


def code_of(error: ConfigError | RestartRequired | ConfirmationRequired) -> str:
    """What programs are told of a reload that was refused."""
    if isinstance(error, ConfigError):
        return "invalid_config"
    return "restart_required" if isinstance(error, RestartRequired) else "confirmation_required"


def there(supervisor: Supervisor) -> dict[str, Destination]:
    """The destinations that run."""
    return {name: runner.destination for name, runner in supervisor.runners.items()}


async def read_in_time(
    threads: PluginThreads, purpose: Purpose, path: Path, proposal: Proposal | None = None
) -> tuple[Config, list[Destination]]:
    """Read config.toml and make its plugins. Raises ConfigError, also where that takes too long; CommandRefused where it cannot begin."""
    try:
        return await threads.run(purpose, lambda: read(path, proposal=proposal))
    except (ConfigError, CommandRefused):
        raise
    except TimeoutError:
        words = f"reading it and making its plugins took longer than {MAKE_S:g} s: does a plugin's __init__ hang?"
        raise ConfigError([f"{path}: {words}"]) from None
    except Exception as error:
        raise ConfigError([f"a plugin: {type(error).__name__}: {said_by(error)}"]) from None
