"""The verbs that ask and change a running daemon: what they send to its admin API, what they say, how they exit."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

from router.cli import main
from router.cli.endpoint import locate, program
from router.cli.verbs import status
from router.cli.verbs.send import CALLS
from router.event import TYPES
from router.runtime_file import Running

AT = "2026-01-02T03:04:05.678Z"
SEVEN = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")


class Asked(NamedTuple):
    """One request to the fake daemon."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class FakeDaemon:
    """An HTTP server in a thread with the answers it is given: (status, body[, headers]) by "METHOD /path".

    A list of answers is gone through one by one, its last staying. An answer of None ends the connection instead.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Any] = {"GET /healthz": (200, {"status": "ok", "problems": []})}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def changes(self) -> list[tuple[str, Any]]:
        """The POST requests: path and body."""
        return [(asked.path, asked.json()) for asked in self.asked if asked.method == "POST"]

    def take(self, asked: Asked) -> Any:
        self.asked.append(asked)
        found = self.answers.get(f"{asked.method} {asked.path}", (404, {"error": "nothing here", "code": "not_found"}))
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        daemon = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = daemon.take(Asked(self.command, self.path, headers, body))
                if answer is None:
                    self.close_connection = True
                    return
                status, value, *more = answer
                text = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, held in {"Content-Length": str(len(text)), **(more[0] if more else {})}.items():
                    self.send_header(name, held)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon() as daemon:
        yield daemon


@pytest.fixture
def config(daemon: FakeDaemon, write_config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config.toml whose two listeners are the fake daemon, named by the environment."""
    path = write_config(f"""
        [server]
        listen = "0.0.0.0:{daemon.port}"
        [admin]
        listen = "127.0.0.1:{daemon.port}"
        token = {{ env = "TOKEN_OF_THIS_TEST" }}
        [[source]]
        name = "old"
        write_key = "old_key"
        enabled = false
        [[source]]
        name = "website"
        write_key = "web_key"
        [[destination]]
        name = "crm"
        plugin = "clientsuccess"
        settings = {{ project_id = "PID", api_key = {{ env = "NOT_IN_AN_OPERATORS_SHELL" }} }}
    """)
    monkeypatch.setenv("SEGMENT_ROUTER_CONFIG", str(path))
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("STATE_DIRECTORY", "SEGMENT_ROUTER_URL", "SEGMENT_ROUTER_TOKEN", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return path


def counts(**numbers: Any) -> dict[str, Any]:
    """A destination's part of the ledger."""
    state = {"state": "running", "state_reason": "", "state_since": AT, "mode": "live"}
    return {**dict.fromkeys(SEVEN, 0), **state, **numbers}


def ledger(accepted: int = 3, **destinations: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"accepted": accepted, "duplicates": 1, "discarded": 2, "destinations": destinations}


def message(**destinations: Any) -> tuple[int, dict[str, Any]]:
    event = {"message_id": "m/1", "source": "website", "type": "page", "user_id": "u1", "anonymous_id": None}
    told = {name: {"reason": "", "at": AT, "attempts": [], **fate} for name, fate in destinations.items()}
    return 200, {**event, "received_at": AT, "destinations": told}


# ---------------------------------------------------------------- usage and start-up


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    verbs = (
        "serve demo check send status why ledger held release pause resume reload discards sources destinations bench"
    )
    assert [verb for verb in verbs.split() if f" {verb} " not in said] == []


def test_help_imports_neither_the_daemon_nor_the_http_stack_nor_the_configuration() -> None:
    code = (
        "import sys; from router.cli import main; assert main(['why', '--help']) == 0;"
        "bad = {'aiohttp', 'router.daemon', 'router.config', 'aiosqlite', 'msgspec'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_can_be_run() -> None:
    command = [sys.executable, "-W", "error", "-m", "router", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("segment-router ")


@pytest.mark.parametrize(
    "words",
    [["frobnicate"], ["why"], ["why", "m1", "--colour"], ["release", "crm"], ["send"], ["pause"]],
    ids=lambda words: " ".join(words),
)
def test_wrong_usage_is_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert f"Usage: {program()}" in told
    assert f"Try '{program()} " in told, "a line that can be pasted"


def test_the_types_of_calls_are_those_of_the_router() -> None:
    assert set(CALLS) == TYPES


# ---------------------------------------------------------------- bad configuration


@pytest.mark.parametrize("verb", ["status", "check", "ledger", "reload", "send track --user u --event E", "serve"])
def test_a_missing_configuration_is_exit_code_78(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--config", str(tmp_path / "none.toml")]) == 78
    assert "none.toml: there is no such file" in capsys.readouterr().err


def test_check_tells_every_problem_on_a_line_of_its_own(
    write_config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config("""
        [server]
        listne = "127.0.0.1:8080"
        [[destination]]
        name = "crm"
        plugin = "clientsucces"
        [[destination]]
        name = "mail"
        plugin = "braze"
        settings = { api_key = { env = "NEVER_SET" } }
    """)
    assert main(["check", "--config", str(path)]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 3
    assert lines[0] == 'server.listne: unknown key "listne"; did you mean "listen"?'
    assert any("NEVER_SET is not set" in line for line in lines)
    assert any('did you mean "clientsuccess"?' in line for line in lines)


def test_check_shows_what_is_configured_and_warns(
    write_config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config("""
        [[source]]
        name = "website"
        write_key = ["first", "second"]
        [[destination]]
        name = "crm"
        plugin = "clientsuccess"
        mode = "dry-run"
        settings = { project_id = "PID", api_key = { env = "NEVER_SET" } }
        mapping = { rename = { "group.title" = "group.name" }, set = { "properties.product" = "shop" } }
    """)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["check", "--config", str(path)]) == 0
    said = capsys.readouterr()
    assert "crm          rename   group.title         group.name" in said.out
    assert 'crm          set      properties.product  "shop"' in said.out
    assert "warning: crm: settings.api_key: the environment variable NEVER_SET is not set: not needed" in said.err
    needs = said.out.partition("calls        need\n")[2].splitlines()
    assert [line.split() for line in needs[:2]] == [
        ["crm", "identify", "user.id"],
        ["crm", "track,", "page", "user.id,", "group.id,", "group.name"],
    ]
    assert main(["check", "--json", "--config", str(path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sources"] == [
        {
            "name": "website",
            "enabled": True,
            "write_keys": 2,
            "strict": False,
            "privacy": {"drop": [], "hash": []},
            "plan": None,
            "consent": {"follow": False},
        }
    ]
    assert [(d["name"], d["mode"], d["requires"]["page"]) for d in found["destinations"]] == [
        ("crm", "dry-run", ["user.id", "group.id", "group.name"])
    ]
    assert found["destinations"][0]["mapping"] == {
        "rename": {"group.title": "group.name"},
        "drop": [],
        "set": {"properties.product": "shop"},
        "type": {},
        "default": {},
        "max_length": {},
        "hash": [],
        "only": [],
        "event_names": {},
    }
    assert [(warning["where"], warning["event"]) for warning in found["warnings"]] == [("crm", "secret_missing")]


def test_the_shipped_configuration_is_good(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(shipped)]) == 0
    assert "freshsuccess" in capsys.readouterr().out


def test_verbs_ask_for_no_secret_of_a_destination(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/ledger"] = ledger()
    assert main(["check"]) == 78
    assert main(["ledger"]) == 0


# ---------------------------------------------------------------- reading


def test_the_configuration_may_be_named_behind_the_verb(
    config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENT_ROUTER_CONFIG", "/nowhere.toml")
    daemon.answers["GET /api/ledger"] = ledger()
    assert main(["ledger", "--config", str(config)]) == 0


def test_the_token_of_the_configuration_is_sent(
    config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_THIS_TEST", "s3cret")
    daemon.answers["GET /api/ledger"] = ledger()
    assert main(["ledger"]) == 0
    assert {asked.headers["authorization"] for asked in daemon.asked} == {"Bearer s3cret"}


def test_a_wanted_token_is_explained(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["GET /api/ledger"] = (401, {"error": "no", "code": "unauthorized"})
    assert main(["ledger"]) == 1
    assert "admin.token" in capsys.readouterr().err


def test_ledger_says_that_it_adds_up(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["GET /api/ledger"] = ledger(3, crm=counts(delivered=1, held=2), new=counts(delivered=1))
    assert main(["ledger"]) == 0
    said = capsys.readouterr().out
    assert "crm: the seven states add up to the 3 accepted events" in said
    assert "new: the seven states add up to the 1 event accepted since it began; 2 events came before" in said
    assert "every destination" not in said


@pytest.mark.parametrize("wrong", [{"delivered": 4}, {"delivered": 4, "queued": -1}])
def test_ledger_fails_when_it_does_not_add_up(
    wrong: dict[str, int], config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/ledger"] = ledger(3, crm=counts(**wrong))
    assert main(["ledger"]) == 1
    said = capsys.readouterr()
    assert "crm: the seven states DO NOT add up" in said.err
    assert "the seven states add up" not in said.out


def test_an_answer_that_nests_too_deep_to_be_read_is_no_traceback(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/ledger"] = (200, b"[" * 100_000 + b"]" * 100_000)
    assert main(["ledger"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_json_is_what_the_admin_api_said(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {
        "ledger": ("GET /api/ledger", ledger(3, crm=counts(delivered=3))),
        "why m/1": ("GET /api/messages/m%2F1", message(crm={"state": "delivered"})),
        "destinations": ("GET /api/destinations", (200, {"destinations": []})),
        "sources": ("GET /api/sources", (200, {"sources": []})),
        "discards": ("GET /api/discards", (200, {"since": AT, "counts": {}, "items": []})),
        "errors crm": ("GET /api/destinations/crm/errors", (200, {"items": [], "looked_at": 0, "is_all": True})),
        "held crm": ("GET /api/destinations/crm/held", (200, {"held": 0, "users": [], "next": None})),
    }
    for verb, (request, answer) in answers.items():
        daemon.answers[request] = answer
        assert main([*verb.split(), "--json"]) == 0
        said = capsys.readouterr()
        assert (json.loads(said.out), said.err) == (answer[1], "")


def test_status_shows_a_daemon_and_a_destination_in_trouble(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = {"status": "not ready", "problems": ["the disk is full"], "destinations": {"crm": "credentials"}}
    daemon.answers["GET /readyz"] = (503, problems)
    paused = counts(queued=3, state="paused", state_reason="credentials")
    daemon.answers["GET /api/ledger"] = ledger(3, crm=paused, mail=counts(mode="dry-run", delivered=3))
    waits = {"crm": {"group_unknown": {"events": 1200, "users": 1, "oldest_s": 100_000.0}}, "mail": {}}
    rows = [{"name": name, "waiting": waiting} for name, waiting in waits.items()]
    daemon.answers["GET /api/destinations"] = (200, {"destinations": rows})
    silent = {
        "code": "source_silent",
        "subject": "web",
        "text": "source web is silent for 2 h",
        "next_step": "check the app",
    }
    known = {"code": "credentials", "subject": "crm", "text": "paused", "next_step": "reload"}
    full = {"code": "disk_full", "subject": "router", "text": "the disk is full", "next_step": "free room on the disk"}
    daemon.answers["GET /api/troubles"] = (200, {"troubles": [full, known, silent]})
    assert main(["status"]) == 1
    said = capsys.readouterr().out
    assert "segment-router is running" in said
    assert "! web: source web is silent for 2 h; check the app" in said
    assert said.count("crm is paused") == 1, "each trouble once"
    assert "problem: the disk is full; free room on the disk" in said
    assert "crm is paused because the vendor refused our key" in said
    assert 'mail: dry-run: nothing is sent; set mode = "live" in config.toml' in said
    assert "crm: 1,200 events of 1 user wait for a group call of theirs, the oldest for 27 h" in said
    assert main(["status", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["waiting"] == waits
    assert [one["code"] for one in found["troubles"]] == ["disk_full", "credentials", "source_silent"]
    assert (found["running"], found["status"], found["ledger"]["accepted"]) == (True, "not ready", 3)


def test_check_shows_filters_and_marks_the_place_of_a_mistake(
    write_config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    tables = """
        [[source]]
        name = "website"
        write_key = "k"
        [[destination]]
        name = "out"
        plugin = "file"
        filter = "type = 'track'"
        filters = [{ title = "Few", if = "event = 'A'", actions = [{ type = "SAMPLE", percent = 0.1 }] }]
        settings = { path = "out.jsonl" }
        mapping = { event_names = { "A" = "B", "N" = false }, default = { "properties.p" = false } }
    """
    path = write_config(tables)
    assert main(["check", "--config", str(path)]) == 0
    said = capsys.readouterr().out
    assert "out          filter         type = 'track'" in said
    assert "out          SAMPLE  Few    event = 'A'" in said
    assert "out          event_names  N             (dropped)" in said
    assert "out          default      properties.p  false" in said
    path = write_config(tables.replace("type = 'track'", "type == 'track'"))
    assert main(["check", "--config", str(path)]) == 78
    first, line, mark = capsys.readouterr().err.splitlines()
    assert first == 'destination[0] (out).filter: line 1, column 6: FQL has no "=="; write ='
    assert (line, mark) == ("    type == 'track'", "         ^")


def test_why_tells_a_fate_for_each_destination(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/messages/m%2F1?source=website"] = message(
        crm={"state": "held", "reason": "group_name_unknown"},
        mail={"state": "skipped", "reason": "unsupported"},
        slow={"state": "queued", "reason": "in_flight"},
    )
    row = {"user": "user:u1", "waiting_for": "group_name_unknown", "group_id": "g7", "events": 1, "since": AT}
    lane = {"held": 1, "users": [{**row, "expires_at": AT}], "next": None}
    daemon.answers["GET /api/destinations/crm/held?user=user%3Au1"] = (200, lane)
    slow = counts(queued=1, state="paused", state_reason="by_hand")
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(), mail=counts(), slow=slow, late=counts())
    assert main(["why", "m/1", "--source", "website"]) == 0
    said = capsys.readouterr().out
    assert "m/1: page of user:u1, from website, accepted 2026-01-02 03:04:05 UTC" in said
    assert "crm: held since 2026-01-02 03:04:05 UTC: waits for the name of group g7\n    expires 2026" in said
    assert "mail: skipped 2026-01-02 03:04:05 UTC: its plugin has no use for page calls" in said
    assert "slow: queued: it waits for its turn or for the vendor's answer\n    slow is paused by an operator" in said
    assert "late: began after this event was accepted" in said


def test_why_names_the_trace_of_an_events_request(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = message(crm={"state": "delivered"})
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts())
    for trace, line in (({}, ""), ({"trace_id": "0af7651916cd43dd"}, "\n    trace 0af7651916cd43dd\n")):
        daemon.answers["GET /api/messages/m1"] = (status, {**told, **trace})
        assert main(["why", "m1"]) == 0
        said = capsys.readouterr().out
        assert line in said
        assert ("trace" in said) == bool(trace)


def test_why_shows_the_request_of_a_dry_run_and_failed_attempts(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {"method": "POST", "url": "https://v/x?key=***", "headers": {"A": "b"}, "body": '{"n":1}\n'}
    dry = {"at": AT, "duration_ms": 0, "status": None, "error": "", "reason": "dry_run", "request": request}
    tried = {"at": AT, "duration_ms": 12, "status": 503, "error": "busy", "reason": "status_503"}
    lost = {"at": AT, "duration_ms": 99, "status": None, "error": "", "reason": "timeout"}
    daemon.answers["GET /api/messages/m1"] = message(
        crm={"state": "delivered", "reason": "dry_run", "attempts": [dry]},
        mail={"state": "retrying", "reason": "status_503", "attempts": [tried] * 11 + [lost]},
    )
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(), mail=counts())
    assert main(["why", "m1"]) == 0
    said = capsys.readouterr().out
    assert 'would send:\n        POST https://v/x?key=***\n        A: b\n        {"n":1}\n' in said
    assert "mail: retrying since 2026-01-02 03:04:05 UTC: the vendor answered with status 503" in said
    assert "2 earlier attempts" in said
    assert "status 503 after 12 ms; busy" in said
    assert "timeout after 99 ms" in said


def test_why_of_an_unknown_message_is_a_failure(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/messages/m9"] = (404, {"error": "no", "code": "unknown_message"})
    assert main(["why", "m9"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip().startswith("no message 'm9' is known; ")
    assert said.err.strip().endswith("./run discards")


def test_why_prints_a_traceback_on_lines_of_its_own_and_every_attempt_with_its_status(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    detail = "Traceback (most recent call last):\n  File x\nKeyError: 'plan'\n"
    refused = {"at": AT, "duration_ms": 12, "status": 401, "error": "status 401: Unauthorized", "reason": "credentials"}
    good = {"at": AT, "duration_ms": 35, "status": 200, "error": "", "reason": ""}
    daemon.answers["GET /api/messages/m1"] = message(
        crm={"state": "dead", "reason": "plugin_error", "detail": detail},
        mail={"state": "delivered", "attempts": [refused, good]},
        shop={"state": "skipped", "reason": "no_products"},
    )
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(), mail=counts())
    assert main(["why", "m1"]) == 0
    said = capsys.readouterr().out
    assert (
        "the plugin failed on it: Traceback (most recent call last):\n          File x\n        KeyError: 'plan'\n"
        in said
    )
    at = "2026-01-02 03:04:05 UTC"
    assert f"mail: delivered {at}\n    2 attempts\n" in said
    assert "    the developers of the app that sends: send `properties.products` as a list, each" in said
    assert f"    attempt {at}: status 401 after 12 ms; Unauthorized\n    attempt {at}: status 200 after 35 ms\n" in said


def test_why_tells_of_a_released_event_behind_a_pause_what_ends_it(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/messages/m1"] = message(crm={"state": "queued", "reason": "released"})
    state = {"state": "paused", "state_reason": "credentials", "state_detail": "status 401: no", "state_until": AT}
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(queued=1, **state))
    assert main(["why", "m1"]) == 0
    queued, pause = capsys.readouterr().out.splitlines()[-2:]
    assert queued == "crm: queued: its group is known, so it was released; it goes out in its turn"
    at = "2026-01-02 03:04:05 UTC"
    assert pause == (
        f"    crm is paused because the vendor refused our key (status 401: no), since {at}; nothing is lost: correct the key,"
        f" then `reload`; otherwise it tries again {at}"
    )


def test_status_tells_apart_what_was_a_dry_run_what_a_replay_sent_and_which_timers_are_set(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = counts(delivered=12, skipped=2, dry_run=5, replayed=23, timers=1, next_timer_at=AT)
    isolated = {"crm": "plugin p: hook track held the event loop for 30 s"}
    daemon.answers["GET /readyz"] = (200, {"status": "ready", "problems": [], "destinations": {}, "isolated": isolated})
    daemon.answers["GET /api/ledger"] = ledger(12, crm=numbers)
    daemon.answers["GET /api/destinations"] = (200, {"destinations": [{"name": "crm", "waiting": {}}]})
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "- crm runs in its own thread (plugin p: hook track held the event loop" in said
    assert "crm: also 2 skipped" in said
    assert "crm: of 12 delivered, 5 events only in a dry run: never sent" in said
    assert "crm: beside the table, of events that a replay sent" in said
    assert "crm: 1 timer of the plugin is set, to send something later; the next is due 2026-01-02 03:04:05 UTC" in said


def test_one_destination_is_shown_with_its_last_requests(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {
        "method": "POST",
        "url": "https://v/x",
        "headers": {"Authorization": "***"},
        "body": "abc",
        "body_bytes": 9_000,
    }
    answer = {"status": 401, "headers": {"server": "x"}, "body": "no\n", "body_bytes": 3}
    failed = {"at": AT, "duration_ms": 12, "status": 401, "error": "", "request": request, "answer": answer}
    row = {
        "name": "crm", "plugin": "webhook", "mode": "live", "sources": ["*"], "waiting": {},
        "last": {"delivered": None, "failed": failed}, **counts(queued=3, state="paused", state_reason="by_hand"),
    }  # fmt: skip
    daemon.answers["GET /api/destinations/crm"] = (200, row)
    for words in (["destinations", "crm"], ["destinations", "show", "crm"]):
        assert main(words) == 0
        said = capsys.readouterr().out
        assert "crm: plugin webhook, live, sources *; paused" in said
        assert "`resume crm` ends it" in said
        assert "no request has been delivered since it was started or changed" in said
        assert "the last request that failed, 2026-01-02 03:04:05 UTC: status 401 after 12 ms" in said
        assert (
            "    Authorization: ***\n    abc\n    ... (9,000 bytes in all)\n  answer:\n    server: x\n    no\n" in said
        )
    assert main(["destinations", "crm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == row


def test_held_names_the_group_call_that_the_vendor_refused(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {"message_id": "g1", "reason": "rejected", "at": AT}
    row = {"user": "user:u1", "waiting_for": "group_unknown", "group_id": None, "events": 1, "since": AT}
    page = {"held": 1, "users": [{**row, "refused": refused}], "next": None}
    daemon.answers["GET /api/destinations/crm/held"] = (200, page)
    assert main(["held", "crm"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "user:u1: group call g1 does not count here (the vendor refused it, 2026-" in said


def filtered_call(user: str, message_id: str = "g1") -> dict[str, Any]:
    """A user of `held` whose group call did not pass the filter."""
    call = {"message_id": message_id, "state": "filtered", "reason": "filter", "detail": None, "at": AT}
    row = {"user": user, "waiting_for": "group_unknown", "group_id": None, "events": 1, "since": AT}
    return {**row, "refused": call}


def test_held_names_the_group_call_that_was_filtered_and_the_line_that_sends_it_again(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    users = [filtered_call("user:u1"), filtered_call("user:u2", "it's")]
    daemon.answers["GET /api/destinations/crm/held"] = (200, {"held": 2, "users": users, "next": None})
    assert main(["held", "crm"]) == 0
    said = capsys.readouterr().out
    one_line = " ".join(said.split())
    assert "user:u1: group call g1 was filtered here (the destination's `filter` is not true for it, 2026-" in one_line
    assert one_line.count("if it should go, change `filter`, reload, and replay") == 1
    lines = [line for line in said.splitlines() if "replay crm --message-id" in line]
    assert lines == [f"    {program()} replay crm --message-id {id}" for id in ("g1", """'it'"'"'s'""")]


def test_a_group_call_that_must_not_be_sent_comes_with_no_line_that_sends_it(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    row = filtered_call("user:u1")
    row["refused"] |= {"reason": "consent"}
    daemon.answers["GET /api/destinations/crm/held"] = (200, {"held": 1, "users": [row], "next": None})
    assert main(["held", "crm"]) == 0
    said = capsys.readouterr().out
    assert "nothing to do: it must not be sent" in said
    assert "replay" not in said


def test_why_names_the_group_call_that_was_filtered_and_the_line_that_sends_it_again(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/messages/m1"] = message(crm={"state": "held", "reason": "group_unknown"})
    page = {"held": 1, "users": [filtered_call("user:u1")], "next": None}
    daemon.answers["GET /api/destinations/crm/held?user=user%3Au1"] = (200, page)
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts())
    assert main(["why", "m1"]) == 0
    said = capsys.readouterr().out
    assert "    group call g1 was filtered here (the destination's `filter` is not true for it, 2026-" in said
    assert f"change `filter`, reload, and replay: {program()} replay crm --message-id g1\n" in said


def test_what_comes_from_outside_cannot_steer_the_terminal(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    fate = {"state": "dead", "reason": "rejected", "detail": "\x1b[2Jgone\r\n"}
    daemon.answers["GET /api/messages/m1"] = message(crm=fate)
    row = {"user": "user:\x1b]0;x\x07", "waiting_for": "group_unknown", "group_id": None, "events": 1, "since": AT}
    daemon.answers["GET /api/destinations/crm/held"] = (200, {"held": 1, "users": [row], "next": None})
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts())
    assert main(["why", "m1"]) == 0
    assert main(["held", "crm"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "the vendor refused it: \\x1b[2Jgone\\r\n" in said


def test_held_asks_every_destination_unless_one_is_named(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"user": "user:u1", "waiting_for": "group_unknown", "group_id": None, "events": 2, "since": AT}
    page = {"held": 2, "users": [{**row, "expires_at": AT}], "next": "u:u1"}
    daemon.answers["GET /api/ledger"] = ledger(2, crm=counts(held=2), mail=counts())
    daemon.answers["GET /api/destinations/crm/held"] = (200, page)
    daemon.answers["GET /api/destinations/mail/held"] = (200, {"held": 0, "users": [], "next": None})
    assert main(["held"]) == 0
    said = capsys.readouterr().out
    assert "  a group call  " in said
    assert "2026-01-02 03:04\n" in said, "when it expires"
    assert "what is still held when it expires becomes a dead letter (hold_expired)\n" in said
    assert "to send those again: ./run replay crm --dead --reason hold_expired\n" in said
    assert "more: ./run held crm --after u:u1\n" in said
    daemon.answers["GET /api/destinations/crm/held?user=u1&after=u%3Au1"] = (200, {**page, "users": [], "next": None})
    assert main(["held", "crm", "--user", "u1", "--after", "u:u1"]) == 0
    assert "nothing is held for u1 at crm" in capsys.readouterr().out
    assert main(["held", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["destinations"]) == {"crm", "mail"}
    assert main(["held", "--after", "u:u1"]) == 2


def test_an_unknown_destination_is_a_failure_in_the_daemons_words(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "no destination 'crn'; configured: crm"
    daemon.answers["GET /api/destinations/crn/held"] = (404, {"error": words, "code": "not_found"})
    assert main(["held", "crn"]) == 1
    assert capsys.readouterr().err.strip() == words


def test_sources_are_a_table_and_what_was_mended_in_their_calls_is_a_sentence(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"name": "website", "kind": "segment", "enabled": True, "strict": False, "origins": ["*"]}
    row["privacy"] = {"drop": ["context.ip"], "hash": []}
    row["keys"] = [{"ending": "te", "last_used_at": AT}, {"ending": "", "last_used_at": None}]
    warnings = {"timestamp": {"unreadable": 3}, "body": {"not_a_number": 1}}
    daemon.answers["GET /api/sources"] = (200, {"sources": [{**row, "warnings": warnings}]})
    assert main(["sources"]) == 0
    said = capsys.readouterr().out
    assert "website  segment  …te, ***    yes" in said
    assert "website  drop     context.ip" in said
    assert "website: timestamp could not be read, so it counted as absent, 3 times" in said
    assert "website: body had NaN or Infinity in it, read as null, 1 time" in said


def test_discards_say_of_each_code_who_can_act_and_how(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = {
        "website": {"id_required": 7, "invalid_json": 1},
        "": {"invalid_write_key": 2},
        "app": {"id_required": 1},
    }
    daemon.answers["GET /api/discards"] = (200, {"since": AT, "counts": counted, "days": [], "items": []})
    assert main(["discards"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    sender = "the developers of the app that sends"
    assert said.count(f"id_required: neither userId nor anonymousId; {sender}: send a userId, or an anonymousId") == 1
    assert f"invalid_json: the body is no valid JSON; {sender}: send JSON in UTF-8" in said
    assert "invalid_write_key: the write key belongs to no source; whoever operates the router: compare the key" in said


def test_discards_of_a_source_that_there_is_not_are_wrong(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = (200, {"since": AT, "counts": {}, "days": [], "items": []})
    daemon.answers["GET /api/sources"] = (200, {"sources": [{"name": "website"}]})
    for source in ("nosuch", "website"):
        daemon.answers[f"GET /api/discards?source={source}"] = nothing
    assert main(["discards", "--source", "nosuch"]) == 1
    assert capsys.readouterr().err == "no source 'nosuch'; configured: website\n"
    assert main(["discards", "--source", "website"]) == 0
    assert "nothing was discarded of website" in capsys.readouterr().out


def test_destinations_and_discards_are_tables(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    described = {"name": "crm", "plugin": "clientsuccess", "mode": "live", "enabled": True, "sources": ["*"]}
    trouble = {"state": "breaker_open", "state_reason": "status_503", "state_detail": "busy", "state_since": AT}
    numbers = {"held": 1234, "retrying": 1, "queued": 2, "dead": 0, "mapped": 1200, "warnings": {"names_quota": 3}}
    waiting = {"waiting": {"group_name_unknown": {"events": 1, "users": 1, "oldest_s": 300_000.0}}}
    daemon.answers["GET /api/destinations"] = (200, {"destinations": [{**described, **trouble, **numbers, **waiting}]})
    assert main(["destinations"]) == 0
    said = capsys.readouterr().out
    assert "1,237" in said
    waits = "1 event of 1 user waits for a group call with the name of their group, the oldest for 3 days"
    assert f"crm: {waits} (who: `held crm`)" in said
    assert "crm fails again and again (the vendor answered with status 503)" in said
    assert "crm warned of names_quota 3 times while it mapped 1,200 events (0.2%)" in said
    item = {"at": AT, "source": "website", "code": "id_required", "message": "the call needs userId"}
    items = [{**item, "message_id": "m5", "type": "track", "excerpt": "{}"}]
    days = [
        {"day": f"2026-01-{n:02}", "source": "website", "code": "id_required", "entries": n} for n in range(31, 0, -1)
    ]
    daemon.answers["GET /api/discards"] = (
        200,
        {"since": AT, "counts": {"website": {"id_required": 7}}, "days": days, "items": items},
    )
    assert main(["discards"]) == 0
    said, warned = capsys.readouterr()
    assert "2026-01-31  website  id_required       31\n" in said
    assert "2026-01-01" not in said
    assert warned == "the first 30 of 31 rows by day; --json has all\n"
    assert said.startswith("discarded since 2026-01-02 03:04:05 UTC, when the store was made:\n")
    assert "id_required" in said
    assert "the call needs userId" in said
    daemon.answers["GET /api/discards?source=website&since=24h"] = (200, {"since": AT, "counts": {}, "items": []})
    daemon.answers["GET /api/sources"] = (200, {"sources": [{"name": "website"}]})
    assert main(["discards", "--source", "website", "--since", "24h"]) == 0
    assert capsys.readouterr().out == "nothing was discarded of website since 2026-01-02 03:04:05 UTC\n"
    daemon.answers["GET /api/discards"] = (200, {"since": None, "counts": {}, "items": []})
    assert main(["discards"]) == 0
    assert capsys.readouterr().out == "nothing was discarded since the store was made\n"


def test_status_has_the_pid_and_the_line_that_stops_the_daemon(
    config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/ledger"] = ledger(0)
    daemon.answers["GET /api/destinations"] = (200, {"destinations": []})
    daemon.answers["GET /readyz"] = (200, {"status": "ready", "problems": [], "destinations": {}})
    daemon.answers["GET /api/troubles"] = (200, {"troubles": []})
    found = locate(config)
    running = Running(4711, f"http://{found.admin}", f"http://{found.ingest}", "", 0, 0)
    monkeypatch.setattr(status, "locate", lambda path: replace(found, running=running))
    assert main(["status"]) == 0
    assert "\npid 4711; to stop it: kill 4711\n" in capsys.readouterr().out


@pytest.mark.parametrize("has_trouble", [True, False])
def test_status_names_dead_events_also_where_they_are_no_trouble_of_now(
    has_trouble: bool, config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    trouble = {"code": "dead", "subject": "crm", "text": "1 dead event in the last hour", "next_step": "replay"}
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(dead=1))
    daemon.answers["GET /api/destinations"] = (200, {"destinations": []})
    daemon.answers["GET /readyz"] = (200, {"status": "ready", "problems": [], "destinations": {}})
    daemon.answers["GET /api/troubles"] = (200, {"troubles": [trouble] if has_trouble else []})
    assert main(["status"]) == 0
    mark = "!" if has_trouble else "-"
    assert f"{mark} crm: 1 dead event (why: `dead crm`)" in capsys.readouterr().out


def test_something_else_at_the_address_is_said(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /healthz"] = (200, b"<html>hello</html>")
    assert main(["status"]) == 1
    assert "is no segment-router" in capsys.readouterr().err


# ---------------------------------------------------------------- changing


@pytest.mark.parametrize(
    ("words", "body", "answer", "said"),
    [
        (["--user", "u1"], {"user": "u1"}, {"released": 3}, "released 3 events of u1"),
        (
            ["--user", "anonymous:a", "--group", "g", "--name", "G"],
            {"user": "anonymous:a", "group": {"id": "g", "name": "G"}},
            {"released": 1},
            "released 1 event of anonymous:a",
        ),
        (["--user", "u1", "--drop"], {"user": "u1", "drop": True}, {"dropped": 2}, "dropped 2 events of u1"),
    ],
    ids=["asks the gate again", "on behalf of a group", "drops"],
)
def test_release_sends_what_was_asked_for(
    words: list[str],
    body: dict[str, Any],
    answer: dict[str, int],
    said: str,
    config: Path,
    daemon: FakeDaemon,
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon.answers["POST /api/destinations/crm/release"] = (200, answer)
    assert main(["release", "crm", *words]) == 0
    assert daemon.changes() == [("/api/destinations/crm/release", body)]
    assert daemon.asked[-1].headers["content-type"] == "application/json"
    assert said in capsys.readouterr().out


def test_release_refuses_what_contradicts_itself(config: Path, daemon: FakeDaemon) -> None:
    assert main(["release", "crm", "--user", "u1", "--drop", "--group", "g"]) == 2
    assert main(["release", "crm", "--user", "u1", "--name", "G"]) == 2
    assert daemon.asked == []


def test_a_refused_release_says_what_it_waits_for_and_what_else_can_be_done(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    waits = {"error": "still waiting for a group call for user:u1", "code": "requirements_missing"}
    nothing = {"error": "nothing is held for user:u1", "code": "not_held"}
    daemon.answers["POST /api/destinations/crm/release"] = [(409, waits), (404, nothing)]
    assert main(["release", "crm", "--user", "u1"]) == 1
    words = "still waiting for a group call for user:u1; or use --group ID --name NAME, or --drop"
    assert capsys.readouterr().err.strip() == words
    assert main(["release", "crm", "--user", "u1"]) == 1
    assert capsys.readouterr().err.strip() == "nothing is held for user:u1"


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("resume", "running")])
def test_pause_and_resume_say_how_it_is_now(
    verb: str, state: str, config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers[f"POST /api/destinations/crm/{verb}"] = (200, {"state": state, "state_reason": ""})
    assert main([verb, "crm"]) == 0
    assert daemon.changes() == [(f"/api/destinations/crm/{verb}", {})]
    assert capsys.readouterr().out.strip() == f"crm is {state}"


@pytest.mark.parametrize(
    ("was", "words"),
    [
        ("breaker_open", "is running: its breaker is closed, and what waits is sent now"),
        ("paused", "is running: what waits is sent now"),
        ("running", "is running: it was not paused"),
        ("disabled", "is disabled in config.toml and sends nothing"),
    ],
)
def test_resume_says_what_happens_now(
    was: str, words: str, config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"state": "running", "state_reason": "", "was": was}
    daemon.answers["POST /api/destinations/crm/resume"] = (200, answer)
    assert main(["resume", "crm"]) == 0
    assert capsys.readouterr().out.startswith(f"crm {words}")


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("paused", "credentials", "it was paused again at once: crm is paused because the vendor refused our key"),
        ("breaker_open", "network", "its breaker opened again at once: crm fails again and again"),
    ],
)
def test_resume_waits_for_the_first_answers_and_fails_where_the_destination_stands_still_again(
    state: str, reason: str, words: str, config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"state": "running", "state_reason": "", "was": state}
    stands = {"state": state, "state_reason": reason, "state_since": AT, "state_detail": "status 401"}
    row = {"name": "crm", **counts(queued=1), "last": {"delivered": None, "failed": None}}
    daemon.answers["POST /api/destinations/crm/resume"] = (200, answer)
    for as_json in (False, True):
        rows = [row | stands, row | answer, row | answer, row | stands]
        daemon.answers["GET /api/destinations/crm"] = [(200, one) for one in rows]
        assert main(["resume", "crm", *(["--json"] if as_json else [])]) == 1
    told = capsys.readouterr()
    assert told.err.startswith(words)
    assert told.err.count("`reload`") == 1
    assert json.loads(told.out) == {"state": state, "state_reason": reason, "was": state}


@pytest.mark.parametrize(
    ("later", "has_more"), [({"last": {"delivered": {"at": AT}}}, False), ({"queued": 0}, False), ({}, True)]
)
def test_resume_waits_no_longer_than_until_something_is_delivered_or_nothing_is_left(
    later: dict[str, Any],
    has_more: bool,
    config: Path,
    daemon: FakeDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("router.cli.verbs.resume.WATCHED_S", 0.3 if has_more else 60.0)
    row = {"name": "crm", **counts(queued=1), "state": "running", "last": {"delivered": None, "failed": None}}
    daemon.answers["POST /api/destinations/crm/resume"] = (
        200,
        {"state": "running", "state_reason": "", "was": "paused"},
    )
    daemon.answers["GET /api/destinations/crm"] = [(200, row | {"state": "paused"}), (200, row), (200, row | later)]
    assert main(["resume", "crm"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("crm is running: what waits is sent now\n")
    assert ("no answer yet" in told) == has_more


def test_a_daemon_with_another_store_is_not_asked_and_not_changed(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two checkouts have the same port: each command is for the daemon of its own config.toml."""
    theirs = {"Segment-Router-Store": "/elsewhere/router.db"}
    daemon.answers["POST /api/destinations/crm/pause"] = (200, {"state": "paused"}, theirs)
    daemon.answers["GET /api/ledger"] = (200, ledger(0)[1], theirs)
    for words in (["pause", "crm"], ["ledger"]):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert "another daemon answers at" in said
        assert "its store is /elsewhere/router.db" in said


def test_reload_says_what_it_did_and_shows_warnings_or_every_problem(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["POST /api/reload"] = [
        (200, {"reloaded": True, "warnings": ["crm: no key"]}),
        (200, {"reloaded": True, "added": ["a", "b"], "changed": [], "removed": ["c"], "sources": ["web"]}),
        (409, {"error": "faulty", "code": "invalid_config", "errors": ["one", "two"]}),
        (409, {"error": "restart", "code": "restart_required", "errors": ["store.url changed"]}),
        (409, {"error": "sure?", "code": "confirmation_required", "errors": ["privacy.key: run `reload --yes`"]}),
        (200, {"reloaded": True}),
    ]
    assert main(["reload"]) == 0
    said = capsys.readouterr()
    assert said.err.strip() == "warning: crm: no key"
    assert said.out.endswith(": no source or destination has changed\n")
    daemon.answers["GET /api/ledger"] = ledger(25, a=counts(delivered=2), b=counts(delivered=25))
    assert main(["reload"]) == 0
    told, kept, earlier = capsys.readouterr().out.splitlines()
    assert told.endswith(" in force: added a, b; removed c; sources web")
    assert kept.startswith("c: what it holds and its dead letters are kept")
    assert kept.endswith("./run destinations drop c")
    assert earlier.startswith("a: 23 events were accepted before it began; to send it those of a week: ")
    assert earlier.endswith("./run replay a --since 7d")
    assert main(["reload"]) == 78
    assert capsys.readouterr().err.splitlines() == ["one", "two", "nothing was changed"]
    assert main(["reload"]) == 1
    assert capsys.readouterr().err.strip() == "store.url changed"
    assert main(["reload"]) == 1
    assert capsys.readouterr().err.strip() == "privacy.key: run `reload --yes`"
    assert main(["reload", "--yes"]) == 0
    assert [body for path, body in daemon.changes() if path == "/api/reload"][-2:] == [{"yes": False}, {"yes": True}]


@pytest.mark.parametrize("verb", ["pause crm", "resume crm", "reload", "release crm --user u1"])
def test_without_a_daemon_a_changing_verb_says_how_to_start_it(
    verb: str, write_config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    monkeypatch.delenv("SEGMENT_ROUTER_CONFIG", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = write_config(f'[admin]\nlisten = "127.0.0.1:{port}"')
    assert main([*verb.split(), "--config", str(path)]) == 1
    said = capsys.readouterr().err
    assert f"daemon is not running at 127.0.0.1:{port}" in said
    assert f"./run serve --config {path}" in said


# ---------------------------------------------------------------- serve


def test_serve_gives_the_daemons_exit_code(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from router import daemon
    from router.errors import StartError

    started: list[Path] = []

    def run(path: Path) -> int:
        started.append(path)
        return 1

    def cannot(path: Path) -> int:
        raise StartError("port in use")

    monkeypatch.setattr(daemon, "run", run)
    assert main(["serve"]) == 1
    assert started == [config]
    monkeypatch.setattr(daemon, "run", cannot)
    assert main(["serve"]) == 1
    assert capsys.readouterr().err.strip() == "port in use"
