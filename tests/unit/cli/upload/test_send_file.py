"""`send FILE`: batches, bad lines, where it stops and how it goes on."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.cli.client import Client
from router.cli.endpoint import Failed
from router.cli.upload import checkpoint
from router.cli.upload.json_lines import json_records
from router.cli.upload.message_id import id_maker
from router.cli.upload.post import TRIES
from router.cli.upload.progress import Progress
from router.cli.upload.run import Upload
from router.cli.upload.user_order import CONNECTIONS
from router.cli.upload.windows import Position, Reader, Window, windows
from router.config import Listen
from router.ingest.limits import MAX_BATCH_ITEMS
from tests.unit.cli.fake_clock import FakeClock
from tests.unit.cli.test_cli import FakeDaemon

OK = (200, {"success": True})
BATCH = "POST /v1/batch"


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon() as daemon:
        daemon.answers[BATCH] = OK
        yield daemon


@pytest.fixture(autouse=True)
def in_a_folder(
    daemon: FakeDaemon, write_config: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command runs in a folder of its own, whose config.toml names the fake daemon."""
    write_config(f"""
        [server]
        listen = "127.0.0.1:{daemon.port}"
        [[source]]
        name = "website"
        write_key = "web_key"
    """)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGMENT_ROUTER_CONFIG", raising=False)
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")


def sent(daemon: FakeDaemon) -> list[list[dict[str, Any]]]:
    """The batches that the daemon was sent."""
    return [asked.json()["batch"] for asked in daemon.asked]


def names(daemon: FakeDaemon) -> list[str]:
    """The events of all calls that the daemon was sent."""
    return [call["event"] for batch in sent(daemon) for call in batch]


def call(n: int, **fields: Any) -> str:
    return json.dumps({"type": "track", "userId": "u1", "event": f"E{n}", **fields})


def write(*lines: str | bytes, name: str = "calls of today.jsonl") -> str:
    Path(name).write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return name


def go_on(said: str) -> list[str]:
    """The words of the line to go on with."""
    (line,) = [line for line in said.splitlines() if line.startswith("go on with: ./run ")]
    return shlex.split(line.removeprefix("go on with: ./run "))


# ---------------------------------------------------------------- batches


def test_a_file_goes_in_large_batches_in_its_order(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", write(*(call(n) for n in range(6000)), "")]) == 0
    assert [len(batch) for batch in sent(daemon)] == [MAX_BATCH_ITEMS, MAX_BATCH_ITEMS, 1000]
    assert names(daemon) == [f"E{n}" for n in range(6000)]
    assert capsys.readouterr().out.startswith("6,000 calls acknowledged in ")


def test_a_batch_stays_below_500_kb(daemon: FakeDaemon) -> None:
    assert main(["send", write(*[call(n, properties={"text": "x" * 30_000}) for n in range(40)])]) == 0
    assert len(names(daemon)) == 40
    assert all(len(asked.body) <= 500_000 for asked in daemon.asked)
    assert len(daemon.asked) < 5


def test_csv_gzip_and_both_are_files_too(daemon: FakeDaemon) -> None:
    text = b"type,userId,event\ntrack,u1,A\ntrack,u1,B\n"
    Path("a.csv").write_bytes(text)
    Path("b.csv.gz").write_bytes(gzip.compress(text))
    Path("c.gz").write_bytes(gzip.compress(call(1).encode()))
    for name in ("a.csv", "b.csv.gz", "c.gz"):
        assert main(["send", name]) == 0
    assert names(daemon) == ["A", "B", "A", "B", "E1"]


def test_standard_input_is_a_file_too(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(write("type,userId,event", "track,u1,A")) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["send", "-", "--format", "csv"]) == 0
    assert names(daemon) == ["A"]


def test_a_second_try_has_the_ids_of_the_first(daemon: FakeDaemon) -> None:
    name = write(call(1), call(1))
    assert [main(["send", name]) for _ in range(2)] == [0, 0]
    first, second = sent(daemon)
    assert [item["messageId"] for item in first] == [item["messageId"] for item in second]
    assert len({item["messageId"] for item in first}) == 2


def test_a_rate_is_kept_and_batches_are_as_small_as_it(daemon: FakeDaemon) -> None:
    clock = FakeClock()
    with Upload(connector(daemon), clock, lambda window: None, per_second=10) as upload:
        upload.run(cut(*(call(n) for n in range(35)), most_calls=10))
    assert [len(batch) for batch in sent(daemon)] == [10, 10, 10, 5]
    assert clock.waits == [1.0, 1.0, 1.0]


def connector(daemon: FakeDaemon) -> Callable[[], Client]:
    """Makes connections to the fake daemon."""
    return lambda: Client(Listen("127.0.0.1", daemon.port), {})


def cut(*lines: str, most_calls: int | None = None) -> Iterator[Window]:
    """The windows of these lines."""
    raw = [line.encode() + b"\n" for line in lines]
    return windows(json_records(raw, id_maker("x")), Reader(), skip_bad=False, most_calls=most_calls)


def in_bodies(window: Window) -> list[list[dict[str, Any]]]:
    """The calls of each batch of a window."""
    return [json.loads(body)["batch"] for body in window.bodies]


def test_blank_lines_without_end_do_not_gather_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.cli.upload.windows.WINDOW_LINES", 50)
    lines = [b"\n"] * 200
    found = list(windows(json_records(lines, id_maker("x")), Reader(), skip_bad=False))
    assert [window.calls for window in found] == [0] * 4
    assert found[-1].end.line == 200


# ---------------------------------------------------------------- the order of each user


def test_users_are_spread_over_the_connections_and_each_stays_on_one() -> None:
    (window,) = cut(*(call(n, userId=f"u{n % 100}") for n in range(4000)))
    bodies = in_bodies(window)
    assert len(bodies) == CONNECTIONS
    assert all(450 < len(body) < 550 for body in bodies)
    where = {(c["userId"], place) for place, body in enumerate(bodies) for c in body}
    assert len(where) == 100
    for body in bodies:
        for user in {c["userId"] for c in body}:
            ns = [int(c["event"][1:]) for c in body if c["userId"] == user]
            assert ns == sorted(ns)


@pytest.mark.parametrize(
    "same",
    [
        [{"anonymousId": "a"}, {"anonymousId": "a", "userId": "u"}, {"userId": "u"}],
        [{"userId": 7}, {"userId": "7"}, {"userId": 7.0}, {"userId": " 7 "}, {"userId": "\u0037"}],
        [{"userId": "old"}, {"previousId": "old", "userId": "new"}, {"userId": "new"}],
        [{"groupId": "g"}, {"groupId": "g"}],
    ],
    ids=["anonymousId", "spelling", "alias", "group"],
)
def test_calls_of_one_user_under_several_ids_go_on_one_connection(same: list[dict[str, Any]]) -> None:
    lines = [json.dumps({"type": "group", "groupId": "g", **ids, "traits": {"n": n}}) for n, ids in enumerate(same)]
    others = [call(n, userId=f"other {n}") for n in range(50)]
    (window,) = cut(*(line for pair in zip(lines, others, strict=False) for line in pair), *others)
    marked = [[c["traits"]["n"] for c in body if c["type"] == "group"] for body in in_bodies(window)]
    assert [ns for ns in marked if ns] == [list(range(len(same)))]


def test_a_call_of_a_user_whose_earlier_calls_are_on_two_connections_waits_for_both() -> None:
    lines = [call(1, userId="u"), call(2, userId=None, anonymousId="a"), call(3, userId="u", anonymousId="a"), call(4)]
    first, second = cut(*lines)
    assert [[c["event"] for c in body] for body in in_bodies(first)] == [["E1"], ["E2"]]
    assert [[c["event"] for c in body] for body in in_bodies(second)] == [["E3"], ["E4"]]
    assert first.end.line == 2


def test_a_window_goes_out_when_all_of_the_one_before_is_acknowledged(daemon: FakeDaemon) -> None:
    daemon.answers[BATCH] = [(503, {}, {"Retry-After": "0"}), OK]
    assert main(["send", write(*(call(n, userId=f"u{n % 8}") for n in range(2500 * 9)))]) == 0
    told = [{c["messageId"] for c in batch} for batch in sent(daemon)]
    first = set[str]().union(*told[: CONNECTIONS + 1])
    assert len(first) == 2500 * 8 - 7  # the first connection is full
    assert not any(batch & first for batch in told[CONNECTIONS + 1 :])
    assert sum(len(batch) for batch in told[CONNECTIONS + 1 :]) == 2500 + 7


def test_nothing_from_a_bad_line_on_is_sent_on_any_connection(daemon: FakeDaemon) -> None:
    lines = [call(n, userId=f"u{n}") for n in range(20)]
    assert main(["send", write(*lines[:11], "{", *lines[11:])]) == 1
    assert sorted(names(daemon)) == sorted(f"E{n}" for n in range(11))


# ---------------------------------------------------------------- bad lines

BAD = (
    "{not json",
    "[1]",
    '{"type": "track", "userId": "u1"}',
    '{"type": "trak", "userId": "u1", "event": "E"}',
    '{"type": "track", "event": "E"}',
    b'{"type": "track", "userId": "\xff", "event": "E"}',
    call(2) + "," + call(3),
    json.dumps({"type": "track", "userId": "u", "event": "x" * 40_000}),
    '{"type": "track", "userId": "u", "event": "E", "properties": ' + '{"a": ' * 200 + "1" + "}" * 201,
)


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_nothing_from_a_bad_line_on_is_sent(
    bad: str | bytes, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", write(call(1), "", bad, call(4))]) == 1
    assert names(daemon) == ["E1"]
    said = capsys.readouterr()
    assert said.err.startswith("line 3")
    assert "correct that line, or add --skip-bad" in said.err
    assert "stopped behind line 2 of calls of today.jsonl: 1 call acknowledged" in said.err
    assert said.out == ""


def test_a_line_that_was_corrected_goes_on_from_there(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", write(call(1), "{", call(3))]) == 1
    words = go_on(capsys.readouterr().err)
    write(call(1), call(2), call(3))
    assert main(words) == 0
    assert names(daemon) == ["E1", "E2", "E3"]
    assert ", 1 by earlier runs" in capsys.readouterr().out


def test_skipped_lines_are_kept_as_they_were_in_a_file_of_their_own(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(call(1), *BAD, call(4))
    assert main(["send", name, "--skip-bad"]) == 0
    said = capsys.readouterr()
    assert names(daemon) == ["E1", "E4"]
    assert [line.split(":")[0].split(",")[0] for line in said.err.splitlines()] == [f"line {n}" for n in range(2, 11)]
    assert "line 4: a track call needs event" in said.err
    assert said.out.endswith(f"; 9 bad lines in {name}.rejected\n")
    kept = Path(f"{name}.rejected").read_bytes()
    assert kept == b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in BAD)


def test_skipped_rows_of_csv_stand_under_the_same_first_row(daemon: FakeDaemon) -> None:
    name = write("type,userId,event", "track,u1,A", "track,u1,", "track,u1,B", name="x.csv")
    assert main(["send", name, "--skip-bad"]) == 0
    assert names(daemon) == ["A", "B"]
    assert Path("x.csv.rejected").read_text() == "type,userId,event\ntrack,u1,\n"


def test_the_skipped_lines_of_an_earlier_run_are_not_written_over(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write("{")
    Path(f"{name}.rejected").write_text("mine\n")
    assert main(["send", name, "--skip-bad"]) == 1
    assert "is there from an earlier run" in capsys.readouterr().err
    assert Path(f"{name}.rejected").read_text() == "mine\n"


# ---------------------------------------------------------------- stopping and going on


def test_what_is_refused_half_way_goes_on_behind_the_last_acknowledged_batch(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(*(call(n) for n in range(7000)))
    daemon.answers[BATCH] = [OK, (401, {"message": "no such key"})]
    assert main(["send", name, "--rate", "2500/s"]) == 1
    said = capsys.readouterr().err
    assert "refused with status 401, no such key" in said
    assert "stopped behind line 2,500 of calls of today.jsonl: 2,500 calls acknowledged" in said
    assert go_on(said) == ["send", name, "--rate", "2500/s", "--resume"]
    daemon.answers[BATCH], before = OK, len(daemon.asked)
    assert main(["send", name, "--resume"]) == 0
    assert names(daemon)[:2500] + [c["event"] for batch in sent(daemon)[before:] for c in batch] == [
        f"E{n}" for n in range(7000)
    ]


def test_a_run_after_a_finished_one_says_that_everything_was_sent(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(call(1), "{", call(3), name="x.jsonl")
    assert main(["send", name, "--skip-bad"]) == 0
    asked = len(daemon.asked)
    capsys.readouterr()
    assert main(["send", name, "--resume"]) == 0
    words = "all of x.jsonl was sent before: 2 calls acknowledged, nothing is left to send; 1 bad line was left out\n"
    assert capsys.readouterr().out == words
    assert main(["send", name, "--resume", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["finished"], told["acknowledged"], told["acknowledged_now"], told["line"]) == (True, 2, 0, 3)
    assert len(daemon.asked) == asked, "nothing was sent"


def test_lines_that_were_added_to_a_finished_file_are_sent(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(call(1), "", name="x.jsonl")
    assert main(["send", name]) == 0
    write(call(1), call(2), name=name)
    assert main(["send", name, "--resume"]) == 0
    assert names(daemon) == ["E1", "E2"]
    assert ", 1 by earlier runs" in capsys.readouterr().out


def test_a_finished_file_is_sent_again_from_its_first_line_without_a_warning(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(call(1))
    assert [main(["send", name]) for _ in range(2)] == [0, 0]
    assert names(daemon) == ["E1", "E1"]
    assert capsys.readouterr().err == ""
    daemon.answers[BATCH] = (401, {})
    assert main(["send", name]) == 1
    assert go_on(capsys.readouterr().err) == ["send", name], "there is nothing to resume"


def test_two_runs_of_one_file_at_once_leave_a_whole_checkpoint(tmp_path: Path) -> None:
    kept = checkpoint.Checkpoint(tmp_path / "calls.jsonl")

    def write_often(n: int) -> None:
        for _ in range(40):
            kept.write(Position(n, n, "d" * n), acknowledged=n, bad=0)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write_often, (1, 300)))
    assert kept.read() in (checkpoint.Progressed(n, n, "d" * n, n, 0) for n in (1, 300))
    assert [file.name for file in tmp_path.glob("*checkpoint*")] == ["calls.jsonl.checkpoint"]


def test_ids_after_going_on_are_those_of_one_run(daemon: FakeDaemon) -> None:
    name = write(*(call(n) for n in range(3000)), name="x.jsonl")
    daemon.answers[BATCH] = [OK, (401, {}), OK]
    assert main(["send", name]) == 1
    assert main(["send", name, "--resume"]) == 0
    _, lost, again = sent(daemon)
    assert lost == again


def test_csv_goes_on_under_its_first_row(daemon: FakeDaemon) -> None:
    rows = [f'track,u1,"E\n{n}"' for n in range(3000)]
    name = write('type,userId,"event"', *rows, name="x.csv")
    daemon.answers[BATCH] = [OK, (401, {}), OK]
    assert main(["send", name]) == 1
    assert main(["send", name, "--resume"]) == 0
    _, lost, again = sent(daemon)
    assert lost == again
    assert again[0]["event"] == "E\n2500"


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_changed_before_that_point_is_not_gone_on_with(
    packed: bool, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [call(n) for n in range(3000)]
    name = write(*lines)
    daemon.answers[BATCH] = [OK, (401, {})]
    assert main(["send", name]) == 1
    changed = "\n".join([call(7), *lines[1:]]).encode()
    Path(name).write_bytes(gzip.compress(changed) if packed else changed)
    assert main(["send", name, "--resume"]) == 1
    assert "has changed before line 2,501, where the last run stopped" in capsys.readouterr().err
    Path(name).write_text("\n".join(lines[:100]))
    assert main(["send", name, "--resume"]) == 1
    assert len(daemon.asked) == 2


def test_there_must_be_something_to_go_on_with(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(call(1))
    assert main(["send", name, "--resume"]) == 1
    assert "there is nothing to go on with" in capsys.readouterr().err
    Path(f"{name}.checkpoint").write_text("{")
    assert main(["send", name, "--resume"]) == 1
    assert "send the file without --resume" in capsys.readouterr().err
    assert main(["send", "-", "--resume"]) == 2
    assert daemon.asked == []


def test_ctrl_c_says_where_it_stopped_and_how_to_go_on(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(*(call(n) for n in range(5000)))
    told = Progress.show

    def interrupted(self: Progress, calls: int) -> None:
        told(self, calls)
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "show", interrupted)
    assert main(["send", name, "--write-key", "secret"]) == 130
    said = capsys.readouterr().err
    assert said.startswith("interrupted\nstopped behind line 2,500 of calls of today.jsonl: 2,500 calls acknowledged")
    assert go_on(said) == ["send", name, "--write-key", "KEY", "--resume"]


def test_a_daemon_that_goes_away_is_waited_for_then_given_up(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = FakeClock()
    daemon.answers[BATCH] = [OK, None]
    with (
        Upload(connector(daemon), clock, lambda window: None) as upload,
        pytest.raises(Failed, match=f"given up after {TRIES} tries"),
    ):
        upload.run(cut(*(call(n) for n in range(3000))))
    assert upload.acknowledged == 2500
    assert clock.waits == [1.0] * (TRIES - 1)


def test_a_daemon_that_ends_before_its_first_answer_is_waited_for_too(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]

        def end_while_it_reads() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            listener.close()
            connection.close()

        ending = stack.enter_context(ThreadPoolExecutor(1)).submit(end_while_it_reads)
        upload = stack.enter_context(Upload(lambda: Client(Listen("127.0.0.1", port), {}), clock, lambda window: None))
        with pytest.raises(Failed, match=f"nothing listens at 127.0.0.1:{port}; given up after {TRIES} tries"):
            upload.run(cut(call(1)))
        ending.result()
    assert clock.waits == [1.0] * (TRIES - 1)
    assert "no answer from" in capsys.readouterr().err


def test_without_a_daemon_it_stops_at_once(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("config.toml").read_text()
    Path("config.toml").write_text(text.replace(str(daemon.port), "1"))
    name = write(call(1))
    assert main(["send", name]) == 1
    assert capsys.readouterr().err.splitlines()[:2] == [
        "nothing listens at 127.0.0.1:1",
        "start the daemon with: ./run serve",
    ]


def test_a_busy_daemon_is_asked_again_with_the_same_batch(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = (503, {"message": "the disk is full"}, {"Retry-After": "0"})
    daemon.answers[BATCH] = [(429, {}, {"Retry-After": "0"}), busy, OK]
    assert main(["send", write(call(1))]) == 0
    assert len(daemon.asked) == 3
    assert len({asked.body for asked in daemon.asked}) == 1
    assert "status 503, the disk is full; once more in 0 s" in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_beside_the_file_is_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    kept = checkpoint.Checkpoint(Path("/read/only/calls.jsonl"))
    kept.write(Position(3, 30, "d"), acknowledged=2, bad=1)
    assert kept.path.parent == tmp_path / "state/segment-router"
    assert kept.read() == checkpoint.Progressed(3, 30, "d", 2, 1)


# ---------------------------------------------------------------- what it tells


def test_duplicates_are_counted_as_the_daemon_tells_them(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers[BATCH] = [
        (*OK, {"Segment-Router-Duplicates": "7"}),
        OK,
        (*OK, {"Segment-Router-Duplicates": "1200"}),
    ]
    name = write(*(call(n) for n in range(2 * MAX_BATCH_ITEMS + 1)))
    assert main(["send", name]) == 0
    assert ", 1,207 duplicates among them" in capsys.readouterr().out
    assert main(["send", write(call(1), name="one.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["duplicates_now"] == 1200


def test_json_has_what_became_of_the_file(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(call(1), "{", call(3))
    assert main(["send", name, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["finished"], found["acknowledged"], found["line"]) == (False, 1, 1)
    assert found["go_on"] == f"./run send '{name}' --resume"
    assert found["error"].startswith("line 2, column 2: ")
    assert main(["send", name, "--resume", "--skip-bad", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["finished"], found["acknowledged"], found["acknowledged_now"], found["bad"]) == (True, 2, 1, 1)
    assert found["rejected"] == f"{name}.rejected"


def test_a_long_upload_tells_every_five_seconds_how_far_it_is(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers[BATCH] = [OK, (503, {}, {"Retry-After": "6"}), OK]
    clock = FakeClock()
    with (
        Progress(clock, 100, lambda: 66) as progress,
        Upload(connector(daemon), clock, lambda window: progress.show(upload.acknowledged)) as upload,
    ):
        upload.run(cut(*(call(n) for n in range(300)), most_calls=100))
    told = [line for line in capsys.readouterr().err.splitlines() if "acknowledged" in line]
    assert told == ["200 calls acknowledged, 33/s, 66 % of the file"]


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # how rich is told that it writes to a terminal
    with Progress(FakeClock(), None, lambda: 0) as progress:
        progress.show(1)
    assert "1 calls" in capsys.readouterr().err
