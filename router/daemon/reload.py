"""Putting a changed config.toml in force while the daemon runs: what changed, what only a restart can change, the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Literal

from router.admin.daemon_port import InForce, Preview, Reloaded, ReloadRefused
from router.config import Config, PrivacyConfig, Proposal, SourceConfig
from router.daemon.supervisor import Supervisor
from router.editing.key_values import KeyChange, key_changes, key_values
from router.errors import CommandRefused, ConfigError, ConfirmationRequired, RestartRequired, StoreError
from router.in_thread import in_thread
from router.ingest.write_key import Sources
from router.judge import SourcePlans
from router.logger import Log
from router.plans import Plan
from router.plugin_host import Destination, read
from router.plugin_host.fault_place import said_by
from router.plugin_host.plugin_threads import PluginThreads, Purpose
from router.plugin_host.time_budgets import MAKE_S
from router.privacy import privacy_of_sources

NEED_RESTART = {
    "server.listen": "server.listen",
    "server.trusted_proxies": "server.trusted_proxies",
    "server.public_url": "server.public_url",
    "admin.listen": "admin.listen",
    "admin.token": "admin.token",
    "store.url": "store.url",
    "store.retention": "store.retention_s",
    "store.dedupe_window": "store.dedupe_window_s",
    "store.min_free": "store.min_free_bytes",
    "store.replicated": "store.is_replicated",
    "cluster.node": "cluster.node",
    "cluster.lease": "cluster.lease_s",
    "consent.follow": "consent.follow",
    "console.enabled": "console.enabled",
    "tracing.endpoint": "tracing.endpoint",
    "tracing.headers": "tracing.headers",
    "tracing.sample": "tracing.sample",
    "log.level": "log.level",
    "log.format": "log.format",
    "log.decisions": "log.decisions",
}
"""Keys that are read once, and the attribute of Config for each: a reload that changes one is refused."""


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


def object_to(old: Config, new: Config, *, is_confirmed: bool) -> None:
    """Raises RestartRequired or ConfirmationRequired where a reload from `old` to `new` is refused."""
    refuse_restart(old, new)
    if not is_confirmed:
        ask_about_the_key(old, new)


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


def refuse_restart(old: Config, new: Config) -> None:
    """Raises RestartRequired with every changed key that the running daemon cannot take."""
    value = {key: attrgetter(attribute) for key, attribute in NEED_RESTART.items()}
    if changed := [key for key in value if value[key](old) != value[key](new)]:
        raise RestartRequired(changed)


def ask_about_the_key(old: Config, new: Config) -> None:
    """Raises ConfirmationRequired where values that were hashed so far get other hashes from now on, or none."""
    if hashes(old) and old.privacy.key != new.privacy.key:
        words = (
            "privacy.key: changed, so every value gets another hash: a user whose id is hashed becomes somebody else, here and in"
            " the tools; nothing was changed. If you want that, run `reload --yes`"
        )
        raise ConfirmationRequired([words])


def hashes(config: Config) -> bool:
    """Whether anything is hashed with `privacy.key`, at a source or at a destination."""
    return any(table.privacy.hash for table in config.sources) or any(
        table.mapping.hash for table in config.destinations
    )


def compare(old: Config, new: Config, there: Mapping[str, Destination], wanted: Mapping[str, Destination]) -> Reloaded:
    """What putting the new configuration in force changes. `there`: the destinations that run."""
    sources_before, sources_after = _sources_of(old), _sources_of(new)
    return Reloaded(
        added=[name for name in wanted if name not in there],
        changed=[name for name in wanted if name in there and has_changed(there[name], wanted[name])],
        removed=[name for name in there if name not in wanted],
        sources=[
            name for name in {**sources_before, **sources_after} if sources_before.get(name) != sources_after.get(name)
        ],
        restart_required=[name for name, destination in wanted.items() if destination.needs_restart],
        warnings=[str(warning) for warning in new.warnings if warning not in old.warnings],
    )


def compare_keys(
    old: Config, new: Config, there: Mapping[str, Destination], wanted: Mapping[str, Destination]
) -> list[KeyChange]:
    """The same, key by key, with what a reload alone cannot change."""
    found = key_changes(key_values(old, there.values()), key_values(new, wanted.values()))
    return [one._replace(needs=_needs(one, old)) for one in found]


def _needs(change: KeyChange, old: Config) -> Literal["", "restart", "confirmation"]:
    if change.key in NEED_RESTART:
        return "restart"
    return "confirmation" if change.key == "privacy.key" and hashes(old) else ""


def _sources_of(config: Config) -> dict[str, tuple[SourceConfig, PrivacyConfig | None, Plan | None]]:
    """Each source with what it hashes with and its tracking plan, by name."""
    return {
        source.name: (source, config.privacy if source.privacy.hash else None, config.plans.get(source.name))
        for source in config.sources
    }


def has_changed(old: Destination, new: Destination) -> bool:
    """Whether a destination needs a new runner: its table differs, the key it hashes with, or its plugin's version."""
    return (old.config, old.plugin_version, old.hasher) != (new.config, new.plugin_version, new.hasher)
