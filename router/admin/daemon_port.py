"""What the admin API needs of the daemon. The daemon stands above and implements it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from router.deliver.runner_port import DestinationRunner
from router.judge import SourcePlan
from router.metrics import Metrics
from router.privacy import SourcePrivacy
from router.store import Demand, Regulation, Store


class Reloaded(NamedTuple):
    """What a reload did, by the names of destinations; `sources`: those that were added, changed or removed;
    `restart_required`: those of whose plugin another version is installed than runs; `warnings`: those that config.toml did not
    give before."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    sources: list[str]
    restart_required: list[str]
    warnings: list[str]


class DaemonPort(Protocol):
    """The running daemon."""

    metrics: Metrics

    @property
    def store(self) -> Store:
        """What it has opened."""
        ...

    @property
    def runners(self) -> Mapping[str, DestinationRunner]:
        """The destinations that run, by name. A reload replaces this mapping and never changes it: read it once for an answer."""
        ...

    @property
    def disk_problem(self) -> str:
        """The warning that the store uses half of its disk budget; empty while it does not."""
        ...

    @property
    def backup_problem(self) -> str:
        """That there is no backup which is young enough; empty while there is one, or nobody wants to know."""
        ...

    @property
    def last_backup_ms(self) -> int:
        """When the last backup was made; 0 where none is known."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        ...

    @property
    def now_ms(self) -> int:
        """Router time."""
        ...

    @property
    def isolated(self) -> Mapping[str, str]:
        """Destinations whose hooks held the event loop, so that each has a thread of its own now; and why."""
        ...

    def unmark(self, name: str) -> None:
        """A destination was resumed: at the next start its hooks run in the loop of all again."""
        ...

    async def reload(self, *, is_confirmed: bool) -> Reloaded:
        """Read config.toml again and put it in force. Raises ConfigError, RestartRequired, ConfirmationRequired or CommandRefused."""
        ...

    async def forget(self, name: str) -> dict[str, int]:
        """Drop all that is kept of a destination which is not configured. Raises CommandRefused `configured`, `unknown`."""
        ...

    def privacy_of(self, source: str) -> SourcePrivacy | None:
        """What a source takes from its calls; None where it takes nothing."""
        ...

    def plan_of(self, source: str) -> SourcePlan | None:
        """The tracking plan of a source; None: it has none."""
        ...

    async def regulate(self, demand: Demand) -> Regulation:
        """Forget or suppress people; returns when nothing of them is sent any more. Raises CommandRefused `busy`, `store_full`."""
        ...

    def describe_sources(self) -> list[dict[str, Any]]:
        """The configured sources, without their keys."""
        ...
