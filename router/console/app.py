"""The pages of the console: every path, and who answers it."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from router.admin.daemon_port import DaemonPort
from router.console import frame
from router.console.console import Console, View
from router.console.guard import needs_login, session_of, set_session
from router.console.rendered import Fragment, Rendered, refused
from router.console.stream import Streams
from router.console.views import dead, destination_actions, held, replays
from router.console.views.cluster import cluster
from router.console.views.destination import destination
from router.console.views.destination_charts import destination_charts
from router.console.views.destination_edit import destination_edit
from router.console.views.destination_new import destination_new
from router.console.views.destination_remove import destination_remove
from router.console.views.errors import errors
from router.console.views.event import event
from router.console.views.find import find
from router.console.views.forget import forget, forget_page
from router.console.views.forget_group import forget_group, forget_group_page
from router.console.views.group import group, show_group
from router.console.views.live import live
from router.console.views.login import login, logout
from router.console.views.not_found import no_page, not_found
from router.console.views.overview import overview
from router.console.views.person import person, show_person
from router.console.views.recent import recent
from router.console.views.review import review
from router.console.views.schema import schema
from router.console.views.series import series
from router.console.views.settings import settings
from router.console.views.source import source
from router.console.views.trying import trying
from router.console.words import path
from router.errors import CommandRefused, StoreAway, StoreError
from router.logger import Log

ONE = "/destinations/{name}"

PAGES: tuple[tuple[str, str, View], ...] = (
    ("overview", "/", overview),
    ("find", "/find", find),
    ("person", "/users/{user}", person),
    ("group", "/groups/{group}", group),
    ("login", "/login", login),
    ("settings", "/settings", settings),
    ("schema", "/settings/schema.json", schema),
    ("review", "/settings/reviews/{id}", review),
    ("destination_new", "/destinations/new", destination_new),
    ("destination_edit", "/destinations/{name}/edit", destination_edit),
    ("destination_remove", "/destinations/{name}/remove", destination_remove),
    ("events", "/events", live),
    ("event", "/events/{message_id}", event),
    ("trial", "/try", trying),
    ("destination_charts", "/destinations/{name}/charts", destination_charts),
    ("series", "/series.json", series),
    ("destination", ONE, destination),
    ("held", f"{ONE}/held", held.held),
    ("release", f"{ONE}/release", held.release_page),
    ("drop_held", f"{ONE}/drop", held.drop_page),
    ("dead", f"{ONE}/dead", dead.dead),
    ("drop_dead", f"{ONE}/dead/drop", dead.drop_page),
    ("errors", f"{ONE}/errors", errors),
    ("replay", f"{ONE}/replay", replays.replay_page),
    ("replays", "/replays", replays.replays),
    ("cluster", "/cluster", cluster),
    ("source", "/sources/{name}", source),
    ("forget", "/users/{user}/forget", forget_page),
    ("forget_group", "/groups/{group}/forget", forget_group_page),
    ("missing", "/{path:(?!api/|metrics|static/).*}", no_page),
)
"""Name, path and view of what a browser can look at. The last one stands for every address that no page has."""

FORMS: tuple[tuple[str, str, View], ...] = (
    ("login", "/login", login),
    ("logout", "/logout", logout),
    ("person", "/users/{user}", show_person),
    ("group", "/groups/{group}", show_group),
    ("settings", "/settings", settings),
    ("review", "/settings/reviews/{id}", review),
    ("destination_new", "/destinations/new", destination_new),
    ("destination_edit", "/destinations/{name}/edit", destination_edit),
    ("destination_remove", "/destinations/{name}/remove", destination_remove),
    ("event", "/events/{message_id}", event),
    ("trial", "/try", trying),
    ("pause", f"{ONE}/pause", destination_actions.pause),
    ("resume", f"{ONE}/resume", destination_actions.resume),
    ("test", f"{ONE}/test", destination_actions.test),
    ("recent", f"{ONE}/recent", recent),
    ("release", f"{ONE}/release", held.release),
    ("drop_held", f"{ONE}/drop", held.drop),
    ("drop_dead", f"{ONE}/dead/drop", dead.drop),
    ("replay", f"{ONE}/replay", replays.start),
    ("stop_replay", f"{ONE}/replay/stop", replays.stop),
    ("drop_destination", f"{ONE}/forget", destination_actions.drop_all),
    ("forget", "/users/{user}/forget", forget),
    ("forget_group", "/groups/{group}/forget", forget_group),
)
"""The same of what a form can ask for."""


def add_console(
    app: web.Application, daemon: DaemonPort, token: str | None, log: Log, sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Add the pages to the admin application. Routes of pages have names that begin with `console.`."""
    console = Console(daemon, token, log)
    streams = Streams(sleep, partial(frame.message, console), console.turns)
    app.on_shutdown.append(streams.close)
    app.on_shutdown.append(console.patience.close)
    app.on_shutdown.append(console.tails.close)
    app.on_cleanup.append(console.saves.close)
    app.router.add_get("/static/{tag}/{name}", console.assets.serve, name="console.static")
    pages = {name: app.router.add_resource(path, name=f"console.{name}") for name, path, _ in PAGES}
    for name, _, view in PAGES:
        pages[name].add_route("GET", _handler(console, streams, view))
    for name, address, view in FORMS:
        resource = pages.get(name) or app.router.add_resource(address, name=f"console.{name}")
        resource.add_route("POST", _handler(console, streams, view))


def _handler(console: Console, streams: Streams, view: View) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if (elsewhere := needs_login(console, request)) is not None:
            return elsewhere
        session = session_of(request) or console.sessions.new_visitor()
        if request.query.get("stream") == "1" and request.method == "GET":
            return await streams.serve(
                request,
                lambda of: _fragment(console, view, of),
                console.sessions.form_token(session),
                lambda: not console.sessions.are_needed or console.sessions.is_known(session),
            )
        found = await _seen(console, view, request)
        if isinstance(found, Rendered):
            found = await frame.whole_page(console, request, found, session)
            if not session_of(request):
                set_session(request, found, session)
        return found

    return answer


async def _seen(console: Console, view: View, request: web.Request) -> Rendered | web.StreamResponse:
    """What a view returns; where it raises, the page that says so."""
    try:
        return await view(console, request)
    except CommandRefused as error:
        return not_found(str(error)) if error.code == "not_found" else refused(str(error), _back(request))
    except web.HTTPNotFound as error:
        return not_found(error.text or "")
    except (web.HTTPClientError, web.HTTPServiceUnavailable) as error:
        return refused(error.text or error.reason, _back(request), error.status)
    except StoreAway as error:
        return refused(str(error), _back(request), 503)
    except Exception:
        _log_fault(console, request)
        words = "this page met a fault of the router itself; its log has the traceback"
        return refused(words, _back(request), 500, "Fault")


async def _fragment(console: Console, view: View, request: web.Request) -> Fragment | None:
    """The page as a stream sends it; None where it cannot be rendered now, so that it stays as it is."""
    try:
        found = await _seen(console, view, request)
        return await frame.fragment(console, request, found) if isinstance(found, Rendered) else None
    except StoreError:  # told of by the store itself; the next look may do
        return None
    except Exception:
        _log_fault(console, request)
        return None


def _log_fault(console: Console, request: web.Request) -> None:
    console.log.emit("internal_error", reason="console", path=request.path, detail=traceback.format_exc())


def _back(request: web.Request) -> str:
    """The way back from a refusal: to the form, or from a page to the one above it."""
    name = request.match_info.get("name") if request.path.startswith("/destinations/") else None
    above = path("destinations", name) if name else "/"
    return request.path if request.method == "POST" or request.path == above else above
