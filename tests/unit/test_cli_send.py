"""`send`: what goes over the wire, what is refused before, and what happens while the daemon is busy, broken or away."""

from __future__ import annotations

import base64
import io
import json
import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.cli.client import Broken, Client
from router.cli.place import Failed
from router.cli.upload import TRIES, Progress, Upload, post, with_message_id
from router.config import Listen
from tests.unit.test_cli import FakeDaemon

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


class FakeClock:
    """Time that passes only by waiting for it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits: list[float] = []

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds


def login(daemon: FakeDaemon) -> str:
    return base64.b64decode(daemon.asked[-1].headers["authorization"].removeprefix("Basic ")).decode()


def batches(daemon: FakeDaemon) -> list[list[dict[str, Any]]]:
    return [asked.json()["batch"] for asked in daemon.asked]


def write_lines(folder: Path, *lines: str | bytes) -> str:
    path = folder / "calls of today.jsonl"
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return str(path)


def call(n: int) -> str:
    return json.dumps({"type": "track", "userId": "u1", "event": f"E{n}", "messageId": f"m{n}"})


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
    for source, code, told in (("webiste", 1, 'did you mean "website"?'), ("old", 1, "disabled")):
        assert main([*words, "--source", source]) == code
        assert told in capsys.readouterr().err
    monkeypatch.delenv("NEVER_SET")
    assert main([*words, "--source", "backend"]) == 78
    assert "NEVER_SET is not set" in capsys.readouterr().err


def test_a_refused_call_is_a_failure(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["POST /v1/track"] = (401, {"code": "invalid_write_key", "message": "belongs to no source"})
    assert main(["send", "track", "--user", "u1", "--event", "E"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "refused with status 401: belongs to no source" in said.err


# ---------------------------------------------------------------- a file


def test_a_file_goes_in_batches_of_100_in_its_order(
    config: Path, daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", write_lines(tmp_path, *(call(n) for n in range(250)), "")]) == 0
    assert [len(batch) for batch in batches(daemon)] == [100, 100, 50]
    assert [item["event"] for batch in batches(daemon) for item in batch] == [f"E{n}" for n in range(250)]
    assert capsys.readouterr().out == "250 calls acknowledged\n"


def test_a_batch_stays_below_the_limit_in_bytes(config: Path, daemon: FakeDaemon, tmp_path: Path) -> None:
    large = json.dumps({"type": "track", "userId": "u", "event": "E", "properties": {"text": "x" * 30_000}})
    assert main(["send", write_lines(tmp_path, *[large] * 40)]) == 0
    assert sum(len(batch) for batch in batches(daemon)) == 40
    assert all(len(asked.body) < 512 * 1024 for asked in daemon.asked)


def test_bad_lines_are_told_by_number_and_left_out(
    config: Path, daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (
        b"\xef\xbb\xbf" + call(1).encode(),
        "",
        "{not json",
        "[1]",
        '{"type": "track", "userId": "u1"}',
        '{"type": "trak", "userId": "u1", "event": "E"}',
        '{"type": "track", "event": "E"}',
        b'{"type": "track", "userId": "\xff", "event": "E"}',
        call(2) + "," + call(3),
        json.dumps({"type": "track", "userId": "u", "event": "x" * 40_000}),
        '{"type": "track", "userId": "u", "event": "E", "properties": ' + '{"a": ' * 200 + "1" + "}" * 201,
        call(4),
    )
    assert main(["send", write_lines(tmp_path, *lines)]) == 1
    said = capsys.readouterr()
    assert [item["event"] for item in batches(daemon)[0]] == ["E1", "E4"]
    assert [line.split(":")[0] for line in said.err.splitlines()] == [f"line {n}" for n in range(3, 12)]
    assert "line 5: a track call needs event" in said.err
    assert said.out == "2 calls acknowledged; 9 bad lines left out\n"


def test_a_call_without_a_message_id_gets_one_and_is_otherwise_untouched(
    config: Path, daemon: FakeDaemon, tmp_path: Path
) -> None:
    line = '{"type":"track","userId":12345678901234567890123,"event":"\\u00e9","n":1.10,"messageId":""}'
    assert main(["send", write_lines(tmp_path, line, call(2))]) == 0
    body = daemon.asked[0].body
    assert b'"userId":12345678901234567890123,"event":"\\u00e9","n":1.10,"messageId":"' in body
    first, second = batches(daemon)[0]
    assert len(first["messageId"]) == 36
    assert second["messageId"] == "m2"
    assert with_message_id(call(1).encode()) == call(1).encode()


def test_standard_input_is_a_file_too(config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(call(1).encode())))
    assert main(["send", "-"]) == 0
    assert [item["event"] for item in batches(daemon)[0]] == ["E1"]


def test_a_busy_daemon_is_asked_again_with_the_same_batch(
    config: Path, daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = (503, {"message": "the disk is full"}, {"Retry-After": "0"})
    daemon.answers[BATCH] = [(429, {}, {"Retry-After": "0"}), busy, OK]
    assert main(["send", write_lines(tmp_path, '{"type": "track", "userId": "u1", "event": "E"}')]) == 0
    assert len(daemon.asked) == 3
    assert len({asked.body for asked in daemon.asked}) == 1
    assert "status 503, the disk is full; once more in 0 s" in capsys.readouterr().err


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
    with Client(Listen("127.0.0.1", daemon.port), {}) as client, pytest.raises(Broken, match="no answer from 127"):
        client.request("POST", "/v1/batch", b"{}")


def test_without_a_daemon_it_says_how_to_start_it_and_how_far_it_came(
    write_config: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = write_config(f'[server]\nlisten = "127.0.0.1:{port}"\n[[source]]\nname = "web"\nwrite_key = "k"')
    monkeypatch.setenv("SEGMENT_ROUTER_CONFIG", str(path))
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    assert main(["send", "track", "--user", "u1", "--event", "E"]) == 1
    assert f"nothing listens at 127.0.0.1:{port}: start the daemon with: ./run serve" in capsys.readouterr().err
    name = write_lines(tmp_path, call(1))
    assert main(["send", name]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"nothing listens at 127.0.0.1:{port}",
        "start the daemon with: ./run serve",
        "0 calls acknowledged",
        f"the rest, once it can be sent: tail -n +1 '{name}' | ./run send -",
    ]


def test_what_is_refused_half_way_tells_where_to_go_on(
    config: Path, daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers[BATCH] = [OK, (401, {"message": "no such key"})]
    assert main(["send", write_lines(tmp_path, "{", *(call(n) for n in range(150)))]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "the lines behind 101 are refused: status 401, no such key" in said.err
    assert "100 calls acknowledged; 1 bad line left out" in said.err
    assert "tail -n +102 " in said.err


def test_a_long_upload_tells_every_five_seconds_how_far_it_is(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [call(n).encode() + b"\n" for n in range(300)]
    daemon.answers[BATCH] = [OK, (503, {}, {"Retry-After": "6"}), OK]
    clock = FakeClock()
    with (
        Client(Listen("127.0.0.1", daemon.port), {}) as client,
        Progress(clock, sum(len(line) for line in lines)) as progress,
    ):
        Upload(client, clock, progress).run(lines)
    told = [line for line in capsys.readouterr().err.splitlines() if "acknowledged" in line]
    assert told == ["200 calls acknowledged, 33/s, 66 % of the file"]


def test_on_a_terminal_there_is_a_bar(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # how rich is told that it writes to a terminal
    clock = FakeClock()
    with Client(Listen("127.0.0.1", daemon.port), {}) as client, Progress(clock, None) as progress:
        Upload(client, clock, progress).run([call(1).encode()])
    assert "1 calls" in capsys.readouterr().err
