"""The admin application: every path of the admin API, and who answers it. Paths and shapes are public."""

from __future__ import annotations

from aiohttp import web

from router.admin.actions import Actions
from router.admin.auth import guard
from router.admin.commands import Commands
from router.admin.configuration import Configuration
from router.admin.daemon_port import DaemonPort
from router.admin.destinations import Destinations
from router.admin.health import Health
from router.admin.index import index
from router.admin.json_io import errors_as_json
from router.admin.left_over import names_removed
from router.admin.messages import Messages
from router.admin.privacy import Privacy
from router.admin.regulations import Regulations
from router.admin.replays import Replays
from router.admin.trials import Trials
from router.admin.violations import Violations
from router.ingest.body import expect_later
from router.logger import Log

ONE = "/api/destinations/{name}"


def make_admin_app(
    daemon: DaemonPort, token: str | None, listen_host: str, log: Log, store: str = "", *, has_console: bool = False
) -> web.Application:
    """The application.

    Args:
        token: None: everybody who reaches the listener may ask.
        store: where this daemon keeps its data, for the command line, which may have another one's config.toml.
        has_console: the pages of the console are added, and the first of them is at `/`.
    """
    app = web.Application(middlewares=[errors_as_json(log), guard(token, listen_host, store), names_removed(daemon)])
    health, configuration, messages = Health(daemon), Configuration(daemon), Messages(daemon)
    actions, privacy = Actions(daemon, log, "api"), Privacy(daemon)
    destinations, regulations = Destinations(daemon, actions), Regulations(daemon, actions)
    if not has_console:
        app.router.add_get("/", index)
    app.router.add_get("/healthz", health.health)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)
    app.router.add_get("/api/troubles", health.troubles)
    app.router.add_get("/api/ledger", destinations.ledger)
    app.router.add_get("/api/series", destinations.series)
    app.router.add_get("/api/events", messages.events)
    app.router.add_get("/api/find", messages.find)
    app.router.add_get("/api/messages/{message_id}", messages.message)
    app.router.add_get("/api/discards", messages.discards)
    app.router.add_get("/api/violations", Violations(daemon).violations)
    app.router.add_get("/api/regulations", regulations.newest)
    app.router.add_post("/api/regulations", regulations.create, expect_handler=expect_later)
    app.router.add_get("/api/regulations/{id}", regulations.one)
    app.router.add_get("/api/suppressions", regulations.suppressions)
    app.router.add_get("/api/copies", regulations.copies)
    app.router.add_delete("/api/copies", regulations.drop_copies)
    app.router.add_get("/api/commands/{id}", Commands(daemon).one)
    app.router.add_get("/api/cluster", configuration.cluster)
    app.router.add_get("/api/sources", configuration.sources)
    app.router.add_get("/api/configuration", configuration.configuration)
    app.router.add_post("/api/try", Trials(daemon).run, expect_handler=expect_later)
    app.router.add_get("/api/privacy/scan", privacy.scan)
    app.router.add_post("/api/reload", configuration.reload, expect_handler=expect_later)
    app.router.add_get("/api/destinations", destinations.destinations)
    _add_one(app.router, destinations, Replays(daemon, actions))
    return app


def _add_one(router: web.UrlDispatcher, destinations: Destinations, replays: Replays) -> None:
    """What is about one destination."""
    router.add_get(ONE, destinations.one)
    router.add_delete(ONE, destinations.forget)
    router.add_get(f"{ONE}/line", destinations.line)
    router.add_get(f"{ONE}/held", destinations.held)
    router.add_post(f"{ONE}/release", destinations.release, expect_handler=expect_later)
    router.add_post(f"{ONE}/pause", destinations.pause, expect_handler=expect_later)
    router.add_post(f"{ONE}/resume", destinations.resume, expect_handler=expect_later)
    router.add_post(f"{ONE}/test", destinations.test, expect_handler=expect_later)
    router.add_get(f"{ONE}/errors", destinations.errors)
    router.add_get(f"{ONE}/dead", replays.dead)
    router.add_post(f"{ONE}/dead/drop", replays.drop, expect_handler=expect_later)
    router.add_get(f"{ONE}/replay", replays.progress)
    router.add_post(f"{ONE}/replay", replays.replay, expect_handler=expect_later)
    router.add_delete(f"{ONE}/replay", replays.stop)
