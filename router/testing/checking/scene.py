"""The other end of a plugin that does not send by the Sender: a database, a file, a queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from router.plugin import JSON, Outcome

__all__ = ["Scene"]


class Scene:
    """What a plugin needs on the machine while it is checked. Write a subclass for a plugin whose `deliver` reaches something by
    itself; without one, the checks let it reach nothing.

        class Disk(Scene):
            troubles = {"a folder is in its place": RetryLater}

            @asynccontextmanager
            async def open(self):
                with TemporaryDirectory() as folder:
                    yield {"path": f"{folder}/events.jsonl"}

            @asynccontextmanager
            async def trouble(self, name, settings):
                Path(settings["path"]).mkdir()
                yield

    """

    #: what can go wrong at the other end -> the outcome that items have to get then
    troubles: Mapping[str, type[Outcome]] = {}

    def open(self) -> AbstractAsyncContextManager[Mapping[str, JSON]]:
        """A clean other end, as settings that lead there. They are added to those of the plugin."""
        return _nothing()

    def trouble(self, name: str, settings: Mapping[str, JSON]) -> AbstractAsyncContextManager[None]:
        """The other end that these settings lead to is in this trouble. Called before the plugin's first delivery."""
        raise NotImplementedError(f"this scene does not play {name!r}")


@asynccontextmanager
async def _nothing() -> AsyncIterator[Mapping[str, JSON]]:
    yield {}
