"""Log lines have names from one table, a form for machines or people, and never hold what is private."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import threading
import traceback
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
from pydantic import SecretStr

from router.clock import to_iso
from router.logger import EventIds, Log, event_fields, fields_of_events, library_lines, make_log
from router.logger.events import EVENTS
from router.logger.stream import WRITE_BYTES, WRITE_S
from router.testing.clock import START_MS, FakeClock


class At:
    """A clock that stands still."""

    def now_ms(self) -> int:
        return 1_700_000_000_123

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None: ...


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def json_log(stream: io.StringIO, level: str = "info", decisions: str = "all") -> Log:
    return make_log(level, "json", decisions, clock=At(), stream=stream, environ={})


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def test_a_line_is_one_json_object_led_by_time_level_and_name(stream: io.StringIO) -> None:
    json_log(stream).emit("decision_made", message_id="m1", outcome="held")
    assert stream.getvalue() == (
        '{"timestamp":"2023-11-14T22:13:20.123Z","level":"info","event":"decision_made",'
        '"message_id":"m1","outcome":"held"}\n'
    )


def test_a_name_outside_the_table_is_refused(stream: io.StringIO) -> None:
    with pytest.raises(KeyError):
        json_log(stream).emit("something_happened")


def test_the_table_names_levels_that_exist_and_says_what_each_means() -> None:
    assert {event.level for event in EVENTS.values()} <= {"debug", "info", "warning", "error"}
    assert all(event.meaning.endswith(".") for event in EVENTS.values())


def test_bound_fields_are_on_every_line_of_that_log_only(stream: io.StringIO) -> None:
    log = json_log(stream)
    log.bind(destination="braze").emit("breaker_opened")
    log.emit("store_full")
    assert [line.get("destination") for line in lines(stream)] == ["braze", None]


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    log = json_log(stream, level="warning")
    log.emit("event_accepted")
    log.emit("event_dead")
    assert [line["event"] for line in lines(stream)] == ["event_dead"]
    assert not log.writes("event_accepted")
    assert log.writes("event_dead")


def test_exceptions_leave_out_only_what_simply_goes_through(stream: io.StringIO) -> None:
    log = json_log(stream, decisions="exceptions")
    log.emit("decision_made", outcome="deliver")
    log.emit("event_delivered", outcome="delivered")
    log.emit("event_delivered")
    log.emit("decision_made", outcome="held")
    log.emit("event_dead", reason="rejected")
    assert [line["event"] for line in lines(stream)] == ["decision_made", "event_dead"]


@pytest.mark.parametrize("key", ["traits", "properties", "token", "write_key", "api_key", "authorization", "body"])
def test_private_fields_are_never_written(stream: io.StringIO, key: str) -> None:
    json_log(stream).emit("event_dead", **{key: "hidden", "reason": "rejected"})
    assert "hidden" not in stream.getvalue()
    assert lines(stream)[0]["reason"] == "rejected"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_is_masked_wherever_it_stands(stream: io.StringIO, form: str) -> None:
    make_log("info", form, stream=stream).emit("event_dead", detail=SecretStr("hidden"))
    assert "hidden" not in stream.getvalue()


def test_what_json_cannot_hold_is_written_as_text(stream: io.StringIO) -> None:
    json_log(stream).emit("plugin_warned", path=Path("/x"), number=2**70, words="\ud800", deep={"a": b"\xff"})
    assert lines(stream)[0]["path"] == "/x"


@pytest.mark.parametrize("bound", [{}, {"destination": "braze"}])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reason": "no account", "count": 3, "share": 0.5, "until": None, "names": ["a", "b"], "deep": {"a": True}},
        {"destination": "mail"},
        {"level": 3},
    ],
    ids=["none", "many", "one that may be bound", "one of the log's own"],
)
def test_fields_follow_those_that_are_bound_and_a_later_one_wins(
    stream: io.StringIO, bound: dict[str, Any], fields: dict[str, Any]
) -> None:
    json_log(stream).bind(**bound).emit("plugin_warned", **fields)
    whole = {"timestamp": "2023-11-14T22:13:20.123Z", "level": "warning", "event": "plugin_warned", **bound, **fields}
    assert stream.getvalue() == json.dumps(whole, separators=(",", ":")) + "\n"


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_is_private_is_not_written_where_it_is_bound_either(stream: io.StringIO, form: str) -> None:
    log = make_log("info", form, clock=At(), stream=stream).bind(token="hidden", destination="braze")
    log.emit("event_dead", reason="rejected")
    log.event("event_dead", EVENT, reason="rejected")
    assert "hidden" not in stream.getvalue()


def test_an_exception_is_written_with_its_traceback_on_the_same_line(stream: io.StringIO) -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        json_log(stream).emit("internal_error", exc_info=error)
    (line,) = lines(stream)
    assert line["error"] == "RuntimeError: broken"
    assert "Traceback (most recent call last)" in str(line["exception"])


# ---------------------------------------------------------------- lines about one event

EVENT = event_fields("m1", "website", "user:7", "track")


def test_a_line_about_an_event_has_its_fields_between_those_bound_and_its_own(stream: io.StringIO) -> None:
    json_log(stream).bind(destination="braze").event("decision_made", EVENT, outcome="held", reason="group_unknown")
    assert stream.getvalue() == (
        '{"timestamp":"2023-11-14T22:13:20.123Z","level":"info","event":"decision_made","destination":"braze",'
        '"message_id":"m1","source":"website","user_key":"user:7","type":"track",'
        '"outcome":"held","reason":"group_unknown"}\n'
    )


def test_lines_about_many_events_are_those_about_each(stream: io.StringIO) -> None:
    log = json_log(stream).bind(destination="braze")
    events = [event_fields(f"m{n}", "website", "user:7", "track") for n in range(3)]
    for event in events:
        log.event("event_delivered", event, reason="")
    one_by_one = stream.getvalue()
    log.event_lines("event_delivered", events, reason="")
    assert stream.getvalue() == one_by_one * 2


@pytest.mark.parametrize(
    "id", ["m2", 'a"b\\c', "a\nb\r\x00", "\x7f", "\u00e4\u2028", "a\ud800", "x" * 140, "x" * 300], ids=ascii
)
def test_the_fields_of_many_events_are_those_of_each(id: str) -> None:
    events = [("m1", "web", "user:7", "track"), (id, "web", "user:7", "page"), ("m3", "web", f"user:{id}", "track")]
    assert fields_of_events([EventIds(*one) for one in events]) == [event_fields(*one) for one in events]
    assert fields_of_events([]) == []


def test_no_events_make_no_line(stream: io.StringIO) -> None:
    json_log(stream).event_lines("event_accepted", [])
    assert stream.getvalue() == ""


def test_a_line_about_an_event_may_have_further_fields_and_no_private_ones(stream: io.StringIO) -> None:
    json_log(stream).event("event_retrying", EVENT, reason="timeout", attempt=2, token="hidden")
    assert list(lines(stream)[0])[3:] == ["message_id", "source", "user_key", "type", "reason", "attempt"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_about_an_event_has_a_name_of_the_table(stream: io.StringIO, form: str) -> None:
    log = make_log("info", form, stream=stream)
    with pytest.raises(KeyError):
        log.event("something_happened", EVENT)
    with pytest.raises(KeyError):
        log.event_lines("something_happened", [EVENT])


@pytest.mark.parametrize(
    ("id", "written"),
    [
        ('a"b\\c', 'a"b\\c'),
        ("a\nb\x00", "a\nb\x00"),
        ("\u00e4\u2028\U0001f600", "\u00e4\u2028\U0001f600"),
        ("a\ud800", "a?"),
    ],
    ids=["quotes", "control characters", "not ASCII", "a lone surrogate"],
)
def test_any_id_makes_one_valid_line(stream: io.StringIO, id: str, written: str) -> None:
    json_log(stream).event("event_delivered", event_fields(id, id, id, id), reason=id)
    assert stream.getvalue().count("\n") == 1
    assert set(list(lines(stream)[0].values())[3:]) == {written}


def test_lines_about_events_below_the_level_are_left_out(stream: io.StringIO) -> None:
    log = json_log(stream, level="warning")
    log.event("event_delivered", EVENT)
    log.event_lines("event_delivered", [EVENT])
    log.event("event_dead", EVENT)
    assert [line["event"] for line in lines(stream)] == ["event_dead"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_exceptions_leave_out_lines_about_events_that_simply_go_through(stream: io.StringIO, form: str) -> None:
    log = make_log("info", form, "exceptions", clock=At(), stream=stream)
    for _ in range(2):
        log.event("decision_made", EVENT, outcome="deliver", reason="")
        log.event("event_delivered", EVENT, reason="")
        log.event_lines("event_accepted", [EVENT])
    assert stream.getvalue() == ""
    log.event("decision_made", EVENT, outcome="held", reason="group_unknown")
    log.event_lines("event_duplicate", [EVENT])
    assert [name for name in EVENTS if name in stream.getvalue()] == ["event_duplicate", "decision_made"]


def test_whether_a_line_would_come_out_can_be_asked_for_an_outcome(stream: io.StringIO) -> None:
    log = json_log(stream, decisions="exceptions")
    assert log.writes("decision_made")
    assert log.writes("decision_made", "held")
    assert not log.writes("decision_made", "deliver")
    assert json_log(stream).writes("decision_made", "deliver")


def test_any_number_of_reasons_is_told(stream: io.StringIO) -> None:
    log = json_log(stream)
    for n in range(600):
        log.event("event_dead", EVENT, reason=f"word_{n}")
    assert [line["reason"] for line in lines(stream)] == [f"word_{n}" for n in range(600)]


def test_the_console_shows_lines_about_events_as_all_others(stream: io.StringIO) -> None:
    log = make_log("info", "console", clock=At(), stream=stream).bind(destination="braze")
    log.emit(
        "decision_made", message_id="m1", source="website", user_key="user:7", type="track", outcome="held", reason="r"
    )
    emitted = stream.getvalue()
    log.event("decision_made", EVENT, outcome="held", reason="r")
    log.event_lines("decision_made", [EVENT], outcome="held", reason="r")
    assert stream.getvalue() == emitted * 3


def test_each_line_has_the_time_it_was_written_at(stream: io.StringIO) -> None:
    clock = FakeClock()
    log = make_log("info", "json", clock=clock, stream=stream, environ={})
    for _ in range(3):
        log.event("event_delivered", EVENT)
        log.emit("event_delivered")
        clock.advance(0.001)
    assert [line["timestamp"] for line in lines(stream)] == [to_iso(START_MS + ms) for ms in (0, 0, 1, 1, 2, 2)]


# ---------------------------------------------------------------- forms and streams


def test_the_console_form_is_for_people(stream: io.StringIO) -> None:
    make_log("info", "console", clock=At(), stream=stream).emit("event_dead", destination="braze")
    assert "event_dead" in stream.getvalue()
    assert "destination=braze" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_auto_is_json_where_nobody_watches(stream: io.StringIO) -> None:
    make_log("info", "auto", stream=stream).emit("daemon_ready")
    assert lines(stream)[0]["event"] == "daemon_ready"


def test_under_the_journal_each_line_says_its_priority(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+") as stream:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        log = make_log("debug", "auto", stream=stream, environ=environ)
        for event in ("delivery_attempted", "daemon_ready", "event_dead", "store_full"):
            log.emit(event)
            log.emit(event, token="hidden")
            log.event(event, EVENT)
        log.event_lines("event_delivered", [EVENT, EVENT])
        stream.seek(0)
        first = [line[:4] for line in stream]
        assert first == [*["<7>{"] * 3, *["<6>{"] * 3, *["<4>{"] * 3, *["<3>{"] * 3, "<6>{", "<6>{"]


def test_another_stream_than_the_journals_has_no_priorities(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+") as stream:
        make_log("info", "auto", stream=stream, environ={"JOURNAL_STREAM": "1:2"}).emit("daemon_ready")
        stream.seek(0)
        assert stream.read(1) == "{"


def test_a_stream_that_cannot_be_written_stops_nothing() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    make_log("info", "json", stream=Full()).emit("daemon_ready")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "out").open("w+") as file:
        yield file


def written(file: TextIO) -> list[str]:
    """The names of the lines in a file, which is read without its own buffer."""
    return [json.loads(line)["event"] for line in Path(file.name).read_text().splitlines()]


def test_without_a_loop_a_line_is_written_at_once(file: TextIO) -> None:
    make_log("info", "json", stream=file).emit("daemon_ready")
    assert written(file) == ["daemon_ready"]


async def test_lines_are_written_together_a_moment_later(file: TextIO) -> None:
    log = make_log("info", "json", stream=file)
    for _ in range(2):
        before = written(file)
        log.emit("daemon_ready")
        log.bind(destination="braze").event("event_delivered", EVENT)
        assert written(file) == before
        await asyncio.sleep(2 * WRITE_S)
        assert written(file) == [*before, "daemon_ready", "event_delivered"]


async def test_an_error_is_written_at_once_and_so_is_what_came_before_it(file: TextIO) -> None:
    log = make_log("info", "json", stream=file)
    log.emit("daemon_ready")
    log.emit("internal_error")
    assert written(file) == ["daemon_ready", "internal_error"]


async def test_many_lines_do_not_wait(file: TextIO) -> None:
    make_log("info", "json", stream=file).event_lines("event_accepted", [EVENT] * (WRITE_BYTES // len(EVENT)))
    assert written(file)


async def test_a_line_of_another_thread_is_written_at_once_and_in_order(file: TextIO) -> None:
    log = make_log("info", "json", stream=file)
    thread = threading.Thread(target=log.emit, args=("daemon_stopping",))
    thread.start()
    thread.join()
    assert written(file) == ["daemon_stopping"]


def test_threads_write_whole_lines_and_all_of_them(file: TextIO) -> None:
    log = make_log("info", "json", stream=file)

    def write() -> None:
        for _ in range(500):
            log.event("event_delivered", EVENT)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written(file) == ["event_delivered"] * 2000


def test_what_was_printed_stays_before_the_next_line(file: TextIO) -> None:
    print('{"event": "printed"}', file=file)
    make_log("info", "json", stream=file).emit("daemon_ready")
    assert written(file) == ["printed", "daemon_ready"]


def test_a_full_disk_loses_lines_and_keeps_nothing_for_later() -> None:
    with Path("/dev/full").open("w") as full:
        make_log("info", "json", stream=full).emit("daemon_ready")  # closing would fail if the line were kept


def test_a_line_that_was_cut_does_not_spoil_the_next_one() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with open(write, "w") as stream, open(read, "rb", buffering=0) as end:
        log = make_log("info", "json", stream=stream, environ={})
        log.event_lines("event_accepted", [EVENT] * 2000)  # more than a pipe holds
        assert not end.read(1_000_000).endswith(b"\n")
        log.emit("daemon_ready")
        log.emit("daemon_stopped")
        found = end.read(1_000_000).splitlines()
    assert found[0] == b""
    assert [json.loads(line)["event"] for line in found[1:]] == ["daemon_ready", "daemon_stopped"]


END = """
import asyncio, sys
from router.logger import library_lines, make_log

async def main(log):
    log.emit("daemon_ready")
    {end}

log = make_log("info", "json")
with library_lines(log), asyncio.Runner() as runner:
    runner.run(main(log))
"""


@pytest.mark.parametrize(
    ("end", "code", "last"),
    [("return", 0, "}"), ("sys.exit(3)", 3, "}"), ("raise RuntimeError('fault')", 1, "RuntimeError: fault")],
)
def test_lines_are_written_before_the_process_ends_and_before_its_traceback(end: str, code: int, last: str) -> None:
    command = [sys.executable, "-c", END.format(end=end)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == code
    first, *rest = done.stdout.splitlines()
    assert json.loads(first)["event"] == "daemon_ready"
    assert [first, *rest][-1].endswith(last)


def test_an_exception_that_no_caller_can_catch_is_a_line_without_secrets(stream: io.StringIO) -> None:
    class Odd:
        def __del__(self) -> None:
            raise RuntimeError("odd s3cret")

    def fails() -> None:
        raise ValueError("no s3cret")

    log = make_log("info", "json", stream=stream)
    with library_lines(log, lambda text: text.replace("s3cret", "***")):
        odd: Odd | None = Odd()
        odd = None  # noqa: F841
        for target in (fails, sys.exit):
            thread = threading.Thread(target=target, name="worker-1")
            thread.start()
            thread.join()
    finaliser, thread_line = map(json.loads, stream.getvalue().splitlines())
    assert (finaliser["error"], finaliser["level"]) == ("RuntimeError: odd ***", "error")
    assert (thread_line["message"], thread_line["error"]) == ("exception in thread worker-1", "ValueError: no ***")
    assert "Traceback" in thread_line["exception"]
    assert "s3cret" not in stream.getvalue()


async def test_lines_are_written_when_the_log_of_libraries_ends(file: TextIO) -> None:
    log = make_log("info", "json", stream=file)
    with library_lines(log):
        log.emit("daemon_ready")
    assert written(file) == ["daemon_ready"]


# ---------------------------------------------------------------- what libraries log


def test_what_libraries_log_comes_out_in_the_same_form(stream: io.StringIO) -> None:
    with library_lines(json_log(stream)):
        logging.getLogger("aiohttp.server").warning("odd %s", "request")
        logging.getLogger("asyncio").debug("Using selector")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"], line["message"]) == (
        "library_logged",
        "warning",
        "aiohttp.server",
        "odd request",
    )


def test_a_warning_of_python_is_a_line_like_those_of_libraries(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with library_lines(json_log(stream)):
            warnings.warn("nobody awaits it", RuntimeWarning, stacklevel=1)
    (line,) = lines(stream)
    assert (line["event"], line["logger"]) == ("library_logged", "py.warnings")
    assert "RuntimeWarning: nobody awaits it" in str(line["message"])


@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_library_below_warning_is_not_written_at_any_level(stream: io.StringIO, level: str) -> None:
    with library_lines(json_log(stream, level=level)):
        logging.getLogger("aiosqlite").debug("executing %s", "INSERT ... secret traits")
        logging.getLogger("aiohttp").info("hello")
    assert lines(stream) == []


def test_lines_of_the_router_and_its_plugins_count_from_the_level_of_the_log_on(stream: io.StringIO) -> None:
    with library_lines(json_log(stream, level="info"), own=lambda: {"router", "acme"}):
        for name in ("router.ingest", "acme.plugin", "acmeother"):
            logging.getLogger(name).info("told")
            logging.getLogger(name).debug("whispered")
    assert [(line["logger"], line["message"]) for line in lines(stream)] == [
        ("router.ingest", "told"),
        ("acme.plugin", "told"),
    ]


def test_what_others_log_is_redacted_with_its_traceback(stream: io.StringIO) -> None:
    with library_lines(json_log(stream), lambda text: text.replace("s3cret", "***")):
        try:
            raise ValueError("token s3cret")
        except ValueError:
            logging.getLogger("plugins.acme").exception("with %s", "s3cret")
    assert "s3cret" not in stream.getvalue()
    (line,) = lines(stream)
    assert (line["message"], line["error"]) == ("with ***", "ValueError: token ***")
    assert "Traceback" in str(line["exception"])


STEERING = "a\x1b[31m\x07\x00\r\n\t\x7f\x9b31m\u200e\u061c\u2028\u2029\u202a\u202e\u2066\u2069b"


def steers(text: str) -> list[str]:
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")]


def test_nothing_in_a_line_for_people_steers_the_terminal_or_begins_a_line(stream: io.StringIO) -> None:
    log = make_log("info", "console", stream=stream)
    log.emit("event_discarded", message_id=STEERING, detail=[STEERING], **{STEERING: 1})
    log.event("event_accepted", event_fields(STEERING, "web", "user:" + STEERING, "track"))
    with library_lines(log):
        logging.getLogger("x").warning(STEERING)
    shown = stream.getvalue()
    assert shown.count("\n") == 3
    assert steers(shown) == []
    assert r"a\x1b[31m\x07\x00\x0d\x0a\x09\x7f\x9b31m\u200e\u061c\u2028\u2029\u202a\u202e\u2066\u2069b" in shown


def test_a_traceback_for_people_is_set_in_so_that_it_forges_no_line(stream: io.StringIO) -> None:
    log = make_log("info", "console", stream=stream)
    try:
        raise ValueError("x\n2026-01-01T00:00:00Z [info] daemon_ready\x1b[2J\u2028y")
    except ValueError as error:
        log.emit("internal_error", exc_info=error)
        log.emit("internal_error", detail="".join(traceback.format_exception(error)))
    assert steers(stream.getvalue()) == []
    rows = stream.getvalue().splitlines()
    assert len([row for row in rows if not row.startswith("    ")]) == 2
    assert len([row for row in rows if row.startswith("    2026-01-01T00:00:00Z [info]")]) == 2


def test_a_json_line_has_every_such_character_escaped_and_says_the_same(stream: io.StringIO) -> None:
    log = json_log(stream)
    log.event("event_accepted", event_fields(STEERING, "web", "user:é", "track"))
    log.emit("event_discarded", detail=STEERING)
    assert steers(stream.getvalue()) == []
    first, second = (json.loads(line) for line in stream.getvalue().split("\n")[:2])
    assert (first["message_id"], first["user_key"], second["detail"]) == (STEERING, "user:é", STEERING)


@pytest.mark.parametrize("letter", ["x", "é", "\x1b"])
def test_an_id_is_bounded_in_a_line(letter: str) -> None:
    fields = json.loads(b"{%b}" % event_fields(letter * 200, "web", "user:" + letter * 32_000, "track"))
    assert fields["message_id"] == letter * 200
    assert fields["user_key"] == "user:" + letter * 194 + "…"


def test_a_library_line_that_cannot_be_formatted_is_written_as_it_is(stream: io.StringIO) -> None:
    record = logging.LogRecord("x", logging.CRITICAL, __file__, 1, "%d items", ("no number",), None)
    with library_lines(json_log(stream)):
        logging.getLogger().handlers[-1].handle(record)
    assert (lines(stream)[0]["level"], lines(stream)[0]["message"]) == ("error", "%d items")


def test_afterwards_logging_is_as_it_was(stream: io.StringIO) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with library_lines(json_log(stream)):
        assert (root.level, list(root.handlers)) != before
    assert (root.level, list(root.handlers)) == before


def test_an_exception_nobody_awaited_comes_out_in_the_same_form(stream: io.StringIO) -> None:
    async def lose_one() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": ValueError("x")})

    with library_lines(json_log(stream)):
        asyncio.run(lose_one())
    assert [line["error"] for line in lines(stream) if line["logger"] == "asyncio"] == ["ValueError: x"]


def test_importing_it_changes_nothing() -> None:
    assert "router.logger" in sys.modules
    assert not any(type(handler).__name__ == "_LibraryHandler" for handler in logging.getLogger().handlers)
