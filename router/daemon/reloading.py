"""What the daemon does at a reload: here, and at all nodes that share the store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from router.admin.cluster import node_name
from router.admin.daemon_port import Reloaded, ReloadedAt
from router.config import Config
from router.daemon.commands import ReloadOrder, SharedCommands
from router.daemon.fingerprints import fingerprints
from router.daemon.reload import Refusal, Reload, code_of
from router.daemon.reload_everywhere import reload_everywhere
from router.daemon.service_manager import ServiceManager
from router.daemon.shutdown import Shutdown
from router.daemon.supervisor import Supervisor
from router.errors import CommandRefused, StoreError
from router.in_thread import in_thread
from router.plugin_host import Destination
from router.store import Store


class ReloadingDaemon:
    """Works on what `Daemon` has opened."""

    store: Store
    _reload: Reload
    _service: ServiceManager
    _shutdown: Shutdown
    _supervisor: Supervisor
    _commands: SharedCommands | None  #: None: no other process uses the store

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._reload.config

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._shutdown.requested.is_set()

    async def reload(self, *, is_confirmed: bool, via: str) -> Reloaded:
        """Read config.toml again and put it in force. Raises ConfigError, RestartRequired, ConfirmationRequired, CommandRefused or
        StoreError."""
        with self._service.reloading():
            return await self._reload.run(
                self._supervisor, lambda: self.is_stopping, self._bring, is_confirmed=is_confirmed, via=via
            )

    async def reload_everywhere(self, *, is_confirmed: bool, via: str) -> list[ReloadedAt]:
        """The same at each node that lives. Raises StoreError where it is not known that all were asked."""
        order, store = ReloadOrder(is_confirmed, via), self.store
        if self._commands is not None and store.commands is not None and store.cluster is not None:
            return await reload_everywhere(store.commands, self._commands, store.cluster, order)
        here = ReloadedAt(node_name(self.config), "")
        try:
            return [here._replace(done=Reloaded(**await self._reload_here(order)))]
        except CommandRefused as error:
            return [here._replace(code=error.code, problems=str(error).splitlines())]

    async def _reload_here(self, order: ReloadOrder) -> dict[str, Any]:
        """What a reload did. Raises CommandRefused, with a line for each problem."""
        try:
            return (await self.reload(is_confirmed=order.is_confirmed, via=order.via))._asdict()
        except Refusal as error:
            raise CommandRefused(code_of(error), "\n".join(error.problems)) from None
        except StoreError as error:  # it is in the log
            raise CommandRefused("store_away", f"not in force: {error}") from None

    async def _bring(self, config: Config, destinations: Collection[Destination], *, by_hand: bool = True) -> None:
        """Other nodes learn what is configured here from now on."""
        if self.store.cluster is not None:
            configuration = await in_thread(fingerprints, config, destinations)
            await self.store.cluster.configure(configuration, by_hand=by_hand)
