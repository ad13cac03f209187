"""What every page needs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from router.admin.actions import Actions
from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.lookups import Lookups
from router.admin.plots import Plots
from router.admin.trying import Trying
from router.config import ConsoleConfig
from router.console.assets import Assets
from router.console.edits import Edits
from router.console.live_tails import Tails
from router.console.patience import Patience
from router.console.rendered import Rendered
from router.console.saves import Saves
from router.console.sessions import Sessions
from router.console.shared_answer import SharedNumber
from router.console.templating import Templates
from router.console.turns import Turns
from router.logger import Log


class Console:
    """The daemon and its answers and actions, sessions, assets, templates, trials, and the newest events that pages show."""

    def __init__(self, daemon: DaemonPort, token: str | None, log: Log) -> None:
        self.daemon, self.log = daemon, log
        self.answers, self.lookups = Answers(daemon), Lookups(daemon)
        self.plots = Plots(daemon, self.answers)
        self.actions = Actions(daemon, log, "console")
        self.sessions = Sessions(token, lambda: daemon.now_ms)
        self.assets, self.patience = Assets(), Patience()
        self.edits = Edits(lambda: daemon.now_ms, asyncio.get_running_loop().call_later)
        self.saves = Saves()
        self.turns = Turns()
        self.tails = Tails(self.turns)
        self.trouble_count = SharedNumber()
        self.trying = Trying(daemon)
        self.templates = Templates(self.assets)

    @property
    def settings(self) -> ConsoleConfig:
        """`[console]` as it is in force."""
        return self.daemon.config.console

    @property
    def instance(self) -> str:
        """What this router is called on its pages."""
        return self.settings.instance or socket.gethostname()


View = Callable[[Console, web.Request], Awaitable[Rendered | web.StreamResponse]]
"""A page: reads what it needs, and returns what to show, or an answer of its own."""
