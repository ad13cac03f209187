"""An operator with a restless hand: reload, pause, resume, release, replay, drop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import aiohttp

from tests.flow.fuzz.fuzzed_daemon import HONEST, NOISY, FuzzedDaemon
from tests.flow.fuzz.wire import Tally
from tests.flow.harness import destination, eventually

ALL = (*HONEST, *NOISY)
BROKEN = (
    "",
    "[[destination]]\nname = 7\n",
    "\x00",
    "[server]\nlisten = 'x'\n",
    "[[source]\n",
    "plugins_dir = '/nowhere'\n[[destination]]\nname='a'\nplugin='b'\n",
)
Act = Callable[[], Awaitable[None]]


class Operator:
    """One command after the other; each must be answered, and none with a 500."""

    def __init__(self, daemon: FuzzedDaemon, random: Random, tally: Tally) -> None:
        self._daemon, self._random, self._tally = daemon, random, tally
        self._usual = list(daemon.destinations)
        self._acts: dict[str, Act] = {
            "reload": self._reload,
            "reload, broken": self._reload_broken,
            "pause": self._pause,
            "resume": self._resume_one,
            "resume all": self.resume_all,
            "release": self._release,
            "replay": self._replay,
            "replay stopped": self._stop_replay,
            "letters dropped": self._drop_letters,
            "forget": self._forget,
        }

    async def run(self, gap_s: float) -> None:
        """Act until cancelled."""
        while True:
            kind = self._random.choice(list(self._acts))
            self._tally.tried[f"operator: {kind}"] += 1
            await self._acts[kind]()
            await asyncio.sleep(self._random.expovariate(1 / gap_s))

    async def resume_all(self) -> None:
        """Every destination."""
        for name in ALL:
            await self._post(f"{name}/resume")

    async def restore(self) -> None:
        """Put the usual configuration in force, and let everything run."""
        self._daemon.destinations = list(self._usual)
        self._daemon.write_config()
        await eventually(self._is_reloaded, self._daemon.patience_s, "the usual configuration is in force")
        await self.resume_all()

    async def _is_reloaded(self) -> bool:
        return await self._command("POST", "/api/reload", {}) == 200

    async def _reload(self) -> None:
        """Other concurrency, isolation and mode of noisy destinations, and a destination that comes and goes."""
        tables = []
        for table in self._usual:
            delivery = {**table.get("delivery", {}), "concurrency": self._random.choice((1, 3, 10))}
            changed = {**table, "delivery": delivery} if self._random.random() < 0.2 else dict(table)
            if table["name"] in NOISY and self._random.random() < 0.15:
                changed |= self._random.choice(({"enabled": False}, {"mode": "dry-run"}, {"sources": ["hooks"]}))
            tables.append(changed)
        if self._random.random() < 0.5:
            tables.append(
                destination(
                    "passing", "erratic", {"base_url": "http://127.0.0.1:1", "seed": self._random.randrange(99)}
                )
            )
        self._daemon.destinations = tables
        self._daemon.write_config()
        await self._command("POST", "/api/reload", {})

    async def _reload_broken(self) -> None:
        self._daemon.config.write_text(self._random.choice(BROKEN), encoding="utf-8")
        status = await self._command("POST", "/api/reload", {})
        if status != 409:
            self._daemon.fault(f"a broken config.toml was answered {status}")
        self._daemon.write_config()

    async def _pause(self) -> None:
        await self._post(f"{self._random.choice(ALL)}/pause")

    async def _resume_one(self) -> None:
        await self._post(f"{self._random.choice(ALL)}/resume")

    async def _release(self) -> None:
        name = self._random.choice(("gated", "clientsuccess"))
        try:
            users = (await self._daemon.get(f"/api/destinations/{name}/held"))["users"]
        except (OSError, aiohttp.ClientError):
            return
        if not users:
            return
        user = self._random.choice(users)["user"]
        noise = not user.startswith("user:honest-")
        body = self._random.choice(({}, {"group": {"id": "given", "name": "Given"}}, {"drop": True} if noise else {}))
        await self._post(f"{name}/release", {"user": user, **body})

    async def _replay(self) -> None:
        body = self._random.choice(
            ({"dead": True}, {"since": "1m"}, {"since": "10s"}, {"dead": True, "count_only": True})
        )
        await self._post(f"{self._random.choice(ALL)}/replay", body)

    async def _stop_replay(self) -> None:
        await self._command("DELETE", f"/api/destinations/{self._random.choice(ALL)}/replay", None)

    async def _drop_letters(self) -> None:
        await self._post(
            f"{self._random.choice(NOISY)}/dead/drop",
            self._random.choice(({}, {"reason": "plugin_error"}, {"since": "20s"})),
        )

    async def _forget(self) -> None:
        await self._command(
            "DELETE", f"/api/destinations/{self._random.choice(('passing', 'passing', 'honest', 'nobody'))}", None
        )

    async def _post(self, path: str, body: object = None) -> None:
        await self._command("POST", f"/api/destinations/{path}", {} if body is None else body)

    async def _command(self, method: str, path: str, body: object) -> int:
        try:
            status, answer = await self._daemon.admin(method, path, body)
        except (OSError, aiohttp.ClientError):  # attackers have all connections of the listener
            self._tally.answers["operator: no connection"] += 1
            return 409
        self._tally.answers[f"operator: {status}"] += 1
        if status >= 500 and status != 503:
            self._daemon.fault(f"{method} {path} {body} -> {status} {answer}")
        return status
