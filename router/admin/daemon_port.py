"""What the admin API needs of the daemon. The daemon stands above and implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from router.config import Config, Proposal
from router.counts import Counted, Counts
from router.deliver.runner_port import DestinationRunner
from router.editing.key_values import KeyChange
from router.judge import SourcePlan
from router.metrics import Metrics
from router.plugin_host.plugin_threads import PluginThreads
from router.privacy import SourcePrivacy
from router.source_activity import Active
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


class ReloadedAt(NamedTuple):
    """What a reload came to at one node. `code`: why it was refused, as in ReloadRefused, or `busy`; `no_answer`: the node did not take it;
    `under_way`: it has taken it, and is not done with `command`; empty where it is done."""

    node: str
    id: str  #: empty where the store is a file
    done: Reloaded | None = None
    code: str = ""
    problems: Sequence[str] = ()
    command: int = 0


class ClockJump(NamedTuple):
    """The wall clock has jumped; below 0 for one that was set back."""

    at_ms: int
    seconds: float


class InForce(NamedTuple):
    """Since when the configuration is in force, and what put it there."""

    since_ms: int
    via: str  #: start, signal, api (the command line, too) or console


class ReloadRefused(NamedTuple):
    """A reload that changed nothing."""

    at_ms: int
    via: str
    code: str  #: invalid_config, restart_required or confirmation_required
    problems: list[str]


class Preview(NamedTuple):
    """What a reload would do. `code`: why it would be refused, as in ReloadRefused, or `busy`: the file could not be read now; empty if it would be taken."""

    code: str
    problems: list[str]
    changes: Reloaded | None  #: None where the file is faulty
    keys: Sequence[KeyChange] = ()  #: the same key by key


class DaemonPort(Protocol):
    """The running daemon."""

    metrics: Metrics
    plugin_threads: PluginThreads  #: for what operators ask of plugins

    @property
    def store(self) -> Store:
        """What it has opened."""
        ...

    @property
    def config(self) -> Config:
        """The configuration in force. A reload replaces it: read it once for an answer."""
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

    async def is_exchanged(self, name: str, former: DestinationRunner) -> bool:
        """Wait until another runner has taken the place of this one. False: none does in time, or the daemon ends."""
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

    @property
    def started_ms(self) -> int:
        """When this process has started to serve."""
        ...

    @property
    def listens(self) -> str:
        """Where sources send their calls."""
        ...

    @property
    def loop_lags_s(self) -> Mapping[str, float]:
        """How late each event loop was at most in the last minute, by destination; that of all others by the empty name."""
        ...

    @property
    def standing_s(self) -> Mapping[str, float]:
        """For how long the cursor of a destination has not moved, though there are events above it; without those that move."""
        ...

    @property
    def clock_jump(self) -> ClockJump | None:
        """The newest jump of the wall clock, of the last hour."""
        ...

    def activity_of(self, source: str) -> Active:
        """How much a source sends, and whether it is silent for longer than usual."""
        ...

    def unwritten_counts(self) -> tuple[int, Mapping[Counted, Counts]]:
        """What was counted since the counts were written to the store last, and when that was (ms)."""
        ...

    def unmark(self, name: str) -> None:
        """A destination was resumed: at the next start its hooks run in the loop of all again."""
        ...

    async def reload(self, *, is_confirmed: bool, via: str) -> Reloaded:
        """Read config.toml again and put it in force. Raises ConfigError, RestartRequired, ConfirmationRequired or CommandRefused.

        Args:
            via: what asked for it; see InForce.
        """
        ...

    async def reload_everywhere(self, *, is_confirmed: bool, via: str) -> list[ReloadedAt]:
        """The same at each node that shares the store and lives, with its own file. Raises StoreError where it is not known that all were
        asked."""
        ...

    async def preview(self, proposal: Proposal | None = None) -> Preview:
        """What a reload now would do: the same checks, and nothing is changed. `proposal`: of this in place of what the file holds."""
        ...

    @property
    def in_force(self) -> InForce:
        """Since when the configuration is in force."""
        ...

    @property
    def last_refused(self) -> ReloadRefused | None:
        """The last reload, where it was refused."""
        ...

    async def drop(self, name: str) -> dict[str, int]:
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
