"""What is wrong now, as the notifier sees it: the same troubles that the pages show."""

from __future__ import annotations

from typing import NamedTuple

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.lookups import Lookups
from router.admin.pauses import IN_TROUBLE
from router.admin.troubles import troubles_now
from router.explain.troubles import Trouble


class Seen(NamedTuple):
    """One look."""

    troubles: list[Trouble]
    starting: frozenset[str]  #: destinations that stood still when they ran last, and have not taken that up yet


class Sight:
    """Asks the answers of the admin API."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._answers, self._lookups = daemon, Answers(daemon), Lookups(daemon)

    async def look(self) -> Seen:
        """Raises StoreError where the store cannot be read."""
        stored = (await self._answers.ledger())["destinations"]
        running = {name for name, runner in self._daemon.runners.items() if runner.status.state not in IN_TROUBLE}
        starting = {name for name, row in stored.items() if name in running and row["state"] in IN_TROUBLE}
        return Seen(await troubles_now(self._daemon, self._answers, self._lookups), frozenset(starting))
