"""Log lines have names from one table, a form for machines or people, and never hold what is private."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from router.telemetry import EVENTS, Log, library_lines, make_log


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
    return [json.loads(line) for line in stream.getvalue().splitlines()]


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


def test_an_exception_is_written_with_its_traceback_on_the_same_line(stream: io.StringIO) -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        json_log(stream).emit("internal_error", exc_info=error)
    (line,) = lines(stream)
    assert line["error"] == "RuntimeError: broken"
    assert "Traceback (most recent call last)" in str(line["exception"])


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
        stream.seek(0)
        assert [line[:4] for line in stream] == ["<7>{", "<6>{", "<4>{", "<3>{"]


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
    assert "router.telemetry" in sys.modules
    assert not any(type(handler).__name__ == "_LibraryHandler" for handler in logging.getLogger().handlers)
