"""`send TYPE`: what goes over the wire, what is refused before, and what happens while the daemon is busy, broken or away."""

from __future__ import annotations

import base64
import json
import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.cli.client import Client, ConnectionLost
from router.cli.endpoint import Failed
from router.cli.upload.post import TRIES, post
from router.config import Listen
from tests.unit.cli.fake_clock import FakeClock
from tests.unit.cli.test_cli import FakeDaemon

OK = (200, {"success": True})
BATCH = "POST /v1/batch"


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon() as daemon:
        daemon.answers[BATCH] = OK
        yield daemon


@pytest.fixture
def config(daemon: FakeDaemon, write_config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_config(f"""
        [server]
        listen = "127.0.0.1:{daemon.port}"
        [[source]]
        name = "old"
        write_key = "old_key"
        enabled = false
        [[source]]
        name = "website"
        write_key = "web_key"
        [[source]]
        name = "backend"
        write_key = {{ env = "NEVER_SET" }}
    """)
    monkeypatch.setenv("SEGMENT_ROUTER_CONFIG", str(path))
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    return path


def login(daemon: FakeDaemon) -> str:
    return base64.b64decode(daemon.asked[-1].headers["authorization"].removeprefix("Basic ")).decode()


# ---------------------------------------------------------------- one call


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            'track --user u1 --event Hello --data \'{"plan": "pro"}\'',
            {"userId": "u1", "event": "Hello", "properties": {"plan": "pro"}},
        ),
        ("page --anonymous a1 --name Docs", {"anonymousId": "a1", "name": "Docs"}),
        ("identify --user u1 --name Ada", {"userId": "u1", "traits": {"name": "Ada"}}),
        (
            "group --user u1 --group g1 --name Acme --data '{\"plan\": 1}'",
            {"userId": "u1", "groupId": "g1", "traits": {"plan": 1, "name": "Acme"}},
        ),
        ("group --group g1", {"groupId": "g1"}),
        ("alias --user u1 --previous a1", {"userId": "u1", "previousId": "a1"}),
        (
            "track --user u1 --group g1 --event Hi",
            {"userId": "u1", "event": "Hi", "context": {"groupId": "g1"}},
        ),
    ],
    ids=["track", "page", "identify", "group", "group without a user", "alias", "track with a group"],
)
def test_one_call_is_made_of_the_options(
    words: str, expected: dict[str, Any], config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    type = words.split()[0]
    daemon.answers[f"POST /v1/{type}"] = OK
    assert main(["send", *shlex.split(words), "--message-id", "m 1"]) == 0
    assert daemon.asked[0].json() == {"type": type, "messageId": "m 1", **expected}
    assert login(daemon) == "web_key:"
    assert capsys.readouterr().out.splitlines() == ["m 1", "./run why 'm 1'"]


def test_a_message_id_is_assigned_and_shown(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answers["POST /v1/track"] = OK
    monkeypatch.delenv("SEGMENT_ROUTER_CONFIG")
    assert main(["send", "track", "--user", "u1", "--event", "E", "--config", str(config)]) == 0
    message_id = daemon.asked[0].json()["messageId"]
    assert len(message_id) == 36
    assert capsys.readouterr().out.splitlines() == [message_id, f"./run why {message_id} --config {config}"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("track --user u1", "event"),
        ("track --event E", "userId or anonymousId"),
        ("group --user u1", "groupId"),
        ("alias --user u1", "previousId"),
        ("track --user u1 --event E --name N", "no name"),
        ("page --user u1 --event E", "no event"),
        ("page --user u1 --previous a", "no previousId"),
        ("alias --user u1 --previous a --data '{\"a\": 1}'", "neither traits nor properties"),
        ("track --user u1 --event E --data [1]", "object"),
        ("track --user u1 --event E --data '{'", "not JSON"),
        ("track --user u1 --event E --data '{\"a\": NaN}'", "NaN"),
        ("trak", "neither a type of call"),
        ("trak --user u1", "none of"),
    ],
)
def test_a_call_that_would_be_discarded_is_wrong_usage(
    words: str, told: str, config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", *shlex.split(words)]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert told in said
    assert daemon.asked == []


def test_the_source_or_its_key_may_be_named(
    config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["POST /v1/track"] = OK
    words = ["send", "track", "--user", "u1", "--event", "E"]
    assert main([*words, "--write-key", "typed"]) == 0
    assert login(daemon) == "typed:"
    monkeypatch.setenv("NEVER_SET", "from_env")
    assert main([*words, "--source", "backend"]) == 0
    assert login(daemon) == "from_env:"
    capsys.readouterr()
    for source, code, told in (("webiste", 2, 'did you mean "website"?'), ("old", 1, "disabled")):
        assert main([*words, "--source", source]) == code
        assert told in capsys.readouterr().err
    monkeypatch.delenv("NEVER_SET")
    assert main([*words, "--source", "backend"]) == 78
    assert "NEVER_SET is not set" in capsys.readouterr().err


def test_a_source_of_webhooks_is_not_what_send_uses_by_itself(
    daemon: FakeDaemon, write_config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    hooks = '[[source]]\nname = "hooks"\nwrite_key = "hook_key"\nkind = "segment-webhook"\nsecrets = ["s3cret"]\n'
    website = '[[source]]\nname = "website"\nwrite_key = "web_key"\n'
    daemon.answers["POST /v1/track"] = OK
    path = write_config(f'[server]\nlisten = "127.0.0.1:{daemon.port}"\n{hooks}{website}')
    words = ["send", "track", "--user", "u1", "--event", "E", "--config", str(path)]
    assert main(words) == 0
    assert login(daemon) == "web_key:"
    path.write_text(path.read_text().replace(website, ""))
    assert main(words) == 1
    assert "no source that takes Segment's calls is enabled" in capsys.readouterr().err


def test_a_refused_call_is_a_failure(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["POST /v1/track"] = (401, {"code": "invalid_write_key", "message": "belongs to no source"})
    assert main(["send", "track", "--user", "u1", "--event", "E"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "refused with status 401: belongs to no source" in said.err


def test_json_gives_the_message_id(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["POST /v1/track"] = OK
    assert main(["send", "track", "--user", "u1", "--event", "E", "--message-id", "m1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"message_id": "m1"}


def test_options_of_files_are_wrong_usage_with_one_call(config: Path, daemon: FakeDaemon) -> None:
    for words in (["--resume"], ["--skip-bad"], ["--rate", "5/s"], ["--format", "csv"]):
        assert main(["send", "track", "--user", "u1", "--event", "E", *words]) == 2
    assert daemon.asked == []


# ---------------------------------------------------------------- waiting


def test_the_wait_is_what_the_daemon_asks_for_and_ends_some_time(daemon: FakeDaemon) -> None:
    clock = FakeClock()
    daemon.answers[BATCH] = [(429, {}, {"Retry-After": "7"}), (503, {}, {"Retry-After": "9999"}), (500, {})]
    with Client(Listen("127.0.0.1", daemon.port), {}) as client, pytest.raises(Failed, match="status 500; given up"):
        post(client, "/v1/batch", b"{}", clock)
    assert clock.waits == [7, 300] + [1] * (TRIES - 3)
    assert len(daemon.asked) == TRIES


def test_a_lost_answer_is_asked_for_again(daemon: FakeDaemon) -> None:
    daemon.answers[BATCH] = [None, None, OK]
    clock = FakeClock()
    with Client(Listen("127.0.0.1", daemon.port), {}) as client:
        assert post(client, "/v1/batch", b"{}", clock).status == 200
    assert len(daemon.asked) == 3
    assert clock.waits == [1, 1]


def test_an_answer_that_never_comes_is_broken_not_missing(daemon: FakeDaemon) -> None:
    daemon.answers[BATCH] = None
    with (
        Client(Listen("127.0.0.1", daemon.port), {}) as client,
        pytest.raises(ConnectionLost, match="no answer from 127"),
    ):
        client.request("POST", "/v1/batch", b"{}")


def test_without_a_daemon_it_says_how_to_start_it(
    write_config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = write_config(f'[server]\nlisten = "127.0.0.1:{port}"\n[[source]]\nname = "web"\nwrite_key = "k"')
    monkeypatch.setenv("SEGMENT_ROUTER_CONFIG", str(path))
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    assert main(["send", "track", "--user", "u1", "--event", "E"]) == 1
    assert f"nothing listens at 127.0.0.1:{port}: start the daemon with: ./run serve" in capsys.readouterr().err
