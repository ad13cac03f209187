"""Which destinations have a thread of their own because their hooks held the event loop of all, and which are paused for that."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from router.daemon.held_marks import HeldMarks
from router.logger import Log
from router.plugin_host import Destination, with_new_instance
from router.plugin_host.hook_watch import Slow
from router.plugin_host.plugin_threads import PluginThreads


class Isolation:
    """Until a reload changes them: the new settings or the new plugin may be better."""

    def __init__(self, marks: HeldMarks, threads: PluginThreads, log: Log) -> None:
        self.why: dict[str, str] = {}  #: by destination
        self.paused: dict[str, str] = {}  #: by destination in shards, which have no threads: why each begins paused
        self._marks, self._threads, self._log = marks, threads, log

    def heed_mark(self, destination: Destination) -> None:
        """Isolate a destination that ended the process before, or pause it if it is split into shards."""
        mark = self._marks.of(destination)
        if mark is None:
            self.unmark([destination.name])
            return
        words = f"plugin {mark.plugin}: hook {mark.hook} held the event loop until the process ended"
        if destination.config.delivery.shards > 1:
            self.paused[destination.name] = words
        else:
            self._begin(destination, mark.hook, mark.message_id, words)

    def unmark(self, names: Collection[str]) -> None:
        """At the next start the hooks of these run in the loop of all again. Their shards begin unpaused from now on."""
        self._marks.drop(names)
        for name in names:
            self.paused.pop(name, None)

    def end(self, names: Collection[str]) -> None:
        """These run in the loop of all again, from now on."""
        for name in names:
            self.why.pop(name, None)
        self.unmark(names)

    async def of_slow(self, destination: Destination, slow: Slow) -> Destination | None:
        """Isolate a destination whose hooks hold the loop. Returns it with an instance of its own; None where that cannot be made."""
        try:
            made = await self._threads.run("move", partial(with_new_instance, destination))
        except Exception as error:
            words = f"it holds up all others, and cannot be moved to a thread of its own: {error!r}"
            name, plugin = destination.name, destination.plugin_name
            self._log.emit("plugin_failed", destination=name, plugin=plugin, hook="__init__", detail=words)
            return None
        last = made.watch.slow.get(slow.hook)
        words = f"plugin {made.plugin_name}: {slow.words}"
        self._begin(made, slow.hook, last.last_message_id if last else "", words)
        return made

    def forget_messages(self) -> None:
        """Name no message any more that held the loop. Raises OSError."""
        self._marks.forget_messages()

    def _begin(self, destination: Destination, hook: str, message_id: str, words: str) -> None:
        self.why[destination.name] = words
        self._log.emit(
            "destination_isolated",
            destination=destination.name,
            plugin=destination.plugin_name,
            hook=hook,
            message_id=message_id,
            detail=f"{words}: the destination runs in its own thread now",
        )
