"""The admin API: what operators ask and change. Its paths and shapes are public."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from router.admin.guard import guard, refusal, reply
from router.admin.metrics import CONTENT_TYPE, exposition
from router.admin.replays import Replays
from router.admin.requests import json_body
from router.deliver.runner import Runner
from router.disk import Disk
from router.errors import ConfigError
from router.event import parse_user
from router.metrics import Metrics
from router.store.sqlite import SqliteStore
from router.telemetry import Log

Handler = Callable[[web.Request], Awaitable[web.Response]]


class RestartRequired(Exception):
    """A reload would change what only a restart can change. `problems`: one line for each such key."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"{', '.join(keys)}: changed, which needs a restart; nothing was changed")
        self.problems = [f"{key}: changed, which needs a restart; nothing was changed" for key in keys]


class Reloaded(NamedTuple):
    """What a reload did, by the names of destinations; `sources`: those that were added, changed or removed."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    sources: list[str]
    warnings: list[str]


class Daemon(Protocol):
    """What the API needs of the daemon."""

    store: SqliteStore
    metrics: Metrics
    disk: Disk

    @property
    def runners(self) -> Mapping[str, Runner]:
        """The destinations that run, by name."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        ...

    async def reload(self) -> Reloaded:
        """Read config.toml again and put it in force. Raises ConfigError, RestartRequired or Refused."""
        ...

    def describe_sources(self) -> list[dict[str, Any]]:
        """The configured sources, without their keys."""
        ...

    async def forget(self, name: str) -> dict[str, int]:
        """Drop all that is kept of a destination which is not configured. Raises Refused `configured`, `unknown`."""
        ...

    @property
    def now_ms(self) -> int:
        """Router time."""
        ...


def make_admin_app(daemon: Daemon, token: str | None, listen_host: str, log: Log) -> web.Application:
    """The admin application."""
    app = web.Application(middlewares=[guard(token, listen_host, log)])
    api = _Api(daemon)
    app.router.add_get("/healthz", api.health)
    app.router.add_get("/readyz", api.ready)
    app.router.add_get("/metrics", api.metrics)
    app.router.add_get("/api/ledger", api.ledger)
    app.router.add_get("/api/messages/{message_id}", api.message)
    app.router.add_get("/api/destinations", api.destinations)
    app.router.add_get("/api/sources", api.sources)
    app.router.add_get("/api/discards", api.discards)
    app.router.add_post("/api/reload", api.reload)
    one = "/api/destinations/{name}"
    app.router.add_get(f"{one}/held", api.held)
    app.router.add_delete(one, api.forget)
    app.router.add_post(f"{one}/release", api.release)
    app.router.add_post(f"{one}/pause", api.pause)
    app.router.add_post(f"{one}/resume", api.resume)
    Replays(api.runner, lambda: daemon.store.questions, lambda: daemon.now_ms).add_routes(app.router)
    return app


class _Api:
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def health(self, request: web.Request) -> web.Response:
        """The process serves."""
        return reply({"status": "ok", "problems": self._problems()})

    async def ready(self, request: web.Request) -> web.Response:
        """Events can be stored; destinations in trouble are named but do not make it 503."""
        store = self._daemon.store
        trouble = {n: d.status.reason or d.status.state for n, d in self._daemon.runners.items() if _in_trouble(d)}
        if self._daemon.is_stopping or store.writer.broken or not store.writer.has_room():
            return reply({"status": "not ready", "problems": self._problems(), "destinations": trouble}, 503)
        return reply({"status": "ready", "problems": self._problems(), "destinations": trouble})

    def _problems(self) -> list[str]:
        writer = self._daemon.store.writer
        problems = ["the daemon is stopping"] if self._daemon.is_stopping else []
        if writer.broken:
            problems.append(f"the store cannot write: {writer.broken}")
        if not writer.has_room():
            problems.append("the disk has less free room than store.min_free: events are answered with 503")
        if self._daemon.disk.problem:
            problems.append(self._daemon.disk.problem)
        return problems

    async def metrics(self, request: web.Request) -> web.Response:
        """What Prometheus scrapes."""
        runners, store = self._daemon.runners, self._daemon.store
        ledger = await store.questions.ledger(list(runners))
        states = {name: (runner.status.state, runner.status.reason) for name, runner in runners.items()}
        used = await store.questions.used_bytes()
        body = exposition(ledger, states, self._daemon.metrics, store, used)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def ledger(self, request: web.Request) -> web.Response:
        """Counts that add up."""
        answer = await self._daemon.store.questions.ledger(list(self._daemon.runners))
        for name, counts in answer["destinations"].items():
            runner = self._daemon.runners[name]
            counts["mode"] = runner.destination.config.mode
            if not runner.destination.config.enabled:
                counts["state"] = "disabled"
        return reply(answer)

    async def message(self, request: web.Request) -> web.Response:
        """The fate of one message."""
        message_id = request.match_info["message_id"]
        questions = self._daemon.store.questions
        answer = await questions.message(message_id, request.query.get("source"), list(self._daemon.runners))
        if answer is None:
            words = f"no message {message_id!r} is known; `discards` tells of calls that could not be used"
            return refusal(404, "unknown_message", words)
        return reply(answer)

    async def destinations(self, request: web.Request) -> web.Response:
        """What is configured and how it is."""
        ledger = await self._daemon.store.questions.ledger(list(self._daemon.runners))
        described = [
            {
                **runner.describe(),
                **_waiting(ledger["destinations"].get(name, {})),
                "waiting": await runner.waiting.describe(),
            }
            for name, runner in self._daemon.runners.items()
        ]
        removed = await self._daemon.store.questions.left_over(list(self._daemon.runners))
        return reply({"destinations": described, "removed": [{"name": n, **kept} for n, kept in removed.items()]})

    async def forget(self, request: web.Request) -> web.Response:
        """Drop all that is kept of a destination that is configured no more."""
        return reply({"dropped": await self._daemon.forget(request.match_info["name"])})

    async def sources(self, request: web.Request) -> web.Response:
        """Who may send."""
        return reply({"sources": self._daemon.describe_sources()})

    async def discards(self, request: web.Request) -> web.Response:
        """Why events with a 200 are nowhere."""
        return reply(await self._daemon.store.questions.discards())

    async def held(self, request: web.Request) -> web.Response:
        """Who waits for which group."""
        runner = self.runner(request)
        user = request.query.get("user")
        key = parse_user(user) if user else None
        answer = await self._daemon.store.questions.held(runner.destination.name, key, request.query.get("after", ""))
        max_age_ms = int(runner.destination.config.hold.max_age_s * 1000)
        return reply(with_expiry(answer, max_age_ms))

    async def release(self, request: web.Request) -> web.Response:
        """Let a user's held events go, by hand on behalf of a group, or drop them."""
        runner, body = self.runner(request), await json_body(request)
        user, group = body.get("user"), body.get("group")
        if not isinstance(user, str) or not user:
            return refusal(400, "invalid_request", 'name the user: {"user": "u1"}')
        if group is not None and not (isinstance(group, dict) and isinstance(group.get("id"), str) and group["id"]):
            return refusal(400, "invalid_request", 'a group is {"id": "...", "name": "..."}')
        key = parse_user(user)
        if body.get("drop") is True:
            return reply({"dropped": await runner.drop(key)})
        return reply({"released": await runner.release(key, group)})

    async def pause(self, request: web.Request) -> web.Response:
        """Send nothing until resumed."""
        runner = self.runner(request)
        await runner.pause()
        return reply({"state": runner.status.state, "state_reason": runner.status.reason})

    async def resume(self, request: web.Request) -> web.Response:
        """Run, whatever it was paused for."""
        runner = self.runner(request)
        await runner.resume()
        return reply({"state": runner.status.state, "state_reason": runner.status.reason})

    async def reload(self, request: web.Request) -> web.Response:
        """Read config.toml again; all or nothing."""
        try:
            done = await self._daemon.reload()
        except ConfigError as error:
            return reply({"error": "config.toml is faulty", "code": "invalid_config", "errors": error.problems}, 409)
        except RestartRequired as error:
            return reply({"error": str(error), "code": "restart_required", "errors": error.problems}, 409)
        return reply({"reloaded": True, **done._asdict()})

    def runner(self, request: web.Request) -> Runner:
        """The destination that the path names. Raises HTTPNotFound."""
        name = request.match_info["name"]
        runner = self._daemon.runners.get(name)
        if runner is None:
            known = ", ".join(sorted(self._daemon.runners)) or "none"
            raise web.HTTPNotFound(text=f"no destination {name!r}; configured: {known}")
        return runner


def with_expiry(held: dict[str, Any], max_age_ms: int) -> dict[str, Any]:
    """Add when each user's oldest held event is given up."""
    from datetime import datetime, timedelta

    for user in held["users"]:
        expires = datetime.fromisoformat(user["since"]) + timedelta(milliseconds=max_age_ms)
        user["expires_at"] = expires.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return held


def _waiting(counts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: counts.get(name, 0) for name in ("held", "retrying", "queued", "dead", "oldest_queued_s")}


def _in_trouble(runner: Runner) -> bool:
    return runner.status.state in ("paused", "breaker_open")
