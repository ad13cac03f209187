"""How it looks: tables as wide as the terminal, colours where they are wanted, one style of help, errors for programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from router.cli import app, main
from router.cli.output import say_table, say_wrapped
from router.cli.style import Styled, shows_colours
from router.cli.verbs import status as status_verb
from tests.flow.harness import environment
from tests.unit.cli.test_cli import AT, FakeDaemon, config, counts, daemon, ledger

__all__ = ["config", "daemon"]  # fixtures

WELL = (200, {"status": "ready", "problems": [], "destinations": {}})


def answer_status(daemon: FakeDaemon, **destinations: Any) -> None:
    daemon.answers["GET /readyz"] = WELL
    daemon.answers["GET /api/ledger"] = ledger(3, **destinations)
    rows = [{"name": name, "waiting": {}} for name in destinations]
    daemon.answers["GET /api/destinations"] = (200, {"destinations": rows})


# ---------------------------------------------------------------- tables


def test_a_table_is_as_wide_as_the_terminal_names_are_cut_and_sentences_wrapped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    row = ["x" * 30, "a sentence with more words than there is room for beside it", 1234, "an-id-that-stays-whole"]
    say_table(["name", "why", "n", "id"], [row], cut=["name"], wrap=["why"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].split() == ["name", "why", "n", "id"]
    assert "…" in lines[1]
    assert lines[1].endswith("1,234  an-id-that-stays-whole")
    start = lines[0].index("why")
    words = " ".join(line[start : lines[0].index("n", start) - 4].strip() for line in lines[1:])
    assert words == "a sentence with more words than there is room for beside it"


def test_names_stay_whole_where_a_table_does_not_fit_with_them_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    say_table(["user", "id"], [["user:somebody", "an-id-that-stays-whole"]], cut=["user"])
    assert "user:somebody  an-id-that-stays-whole" in capsys.readouterr().out


def test_wide_letters_take_two_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    say_table(["name", "n"], [["日本語日本語日本語日本語日本語日本語", 1], ["plain", 2]], cut=["name"])
    _, first, second = capsys.readouterr().out.splitlines()
    assert first == "日本語日本語日本語日本語日…  1"
    assert second.endswith(" 2")


def test_a_sentence_is_wrapped_with_its_later_lines_indented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    say_wrapped("! crm is paused because the vendor refused our key")
    assert capsys.readouterr().out == "! crm is paused because the\n  vendor refused our key\n"


# ---------------------------------------------------------------- colours


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
    ids=["piped", "forced", "forbidden"],
)
def test_colours_are_for_terminals_and_for_whoever_wants_them(
    environ: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert shows_colours() is expected
    say_table(["state"], [[Styled("dead", "31")]])
    assert ("\x1b[31mdead\x1b[0m" in capsys.readouterr().out) is expected


# ---------------------------------------------------------------- status


def test_status_fits_80_columns_with_troubles_first(
    config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    paused = counts(queued=123_456, state="paused", state_reason="by_hand", state_since=AT, dead=7)
    answer_status(daemon, clientsuccess=paused, mail=counts(delivered=1_234_567, dead=3))
    late = {"code": "dead", "subject": "clientsuccess", "text": "7 dead events in the last hour", "next_step": ""}
    daemon.answers["GET /api/troubles"] = (200, {"troubles": [late]})
    assert main(["status"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if not line.startswith("store /")) <= 80
    trouble, dead = (next(n for n, line in enumerate(lines) if words in line) for words in ("paused by an", "7 dead"))
    table = next(n for n, line in enumerate(lines) if line.startswith("destination"))
    assert trouble < dead < table
    assert "! mail: 3 dead" not in "\n".join(lines), "they are from before, or were dropped"
    assert lines[trouble].startswith("! clientsuccess is paused by an operator")


@pytest.mark.parametrize(
    ("state", "problems", "code"),
    [("running", [], 0), ("disabled", [], 0), ("paused", [], 1), ("breaker_open", [], 1), ("running", ["full"], 1)],
)
def test_status_exits_1_when_something_is_in_trouble(
    state: str, problems: list[str], code: int, config: Path, daemon: FakeDaemon
) -> None:
    answer_status(daemon, crm=counts(state=state))
    daemon.answers["GET /readyz"] = (200, {**WELL[1], "problems": problems})
    assert main(["status"]) == code
    assert main(["status", "--json"]) == code


class TwoLooks:
    """A clock for --watch: at the second look the daemon is away, then the operator presses Ctrl-C."""

    waits = 0
    daemon: FakeDaemon

    async def sleep(self, seconds: float) -> None:
        TwoLooks.waits += 1
        if TwoLooks.waits == 2:
            raise KeyboardInterrupt
        self.daemon.answers["GET /healthz"] = None


@pytest.mark.parametrize("terminal", [False, True])
def test_watch_shows_the_screen_again_in_place_and_outlives_a_daemon_that_is_away(
    terminal: bool,
    config: Path,
    daemon: FakeDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer_status(daemon, crm=counts(delivered=3))
    TwoLooks.waits, TwoLooks.daemon = 0, daemon
    monkeypatch.setattr(status_verb, "SystemClock", TwoLooks)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert main(["status", "--watch"]) == 130
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.count("segment-router is running") == 1
    assert f"no answer from 127.0.0.1:{daemon.port}" in told.out
    assert told.out.count("\x1b[H") == (3 if terminal else 0)
    assert main(["status", "--watch", "--json"]) == 2


def test_watch_shows_no_more_lines_than_the_terminal_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "4")
    screen = status_verb._in_place("one\ntwo\nthree\nfour\n")
    assert screen == "\x1b[Hone\x1b[K\ntwo\x1b[K\nthree\x1b[K\x1b[J"


# ---------------------------------------------------------------- help, version, completion


def commands() -> list[list[str]]:
    group: Any = typer.main.get_command(app)
    return [[name] for name in group.commands] + [["destinations", "test"], ["destinations", "drop"]]


@pytest.mark.parametrize("verb", commands(), ids=" ".join)
def test_help_has_one_style(
    verb: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*verb, "--help"]) == 0
    told = capsys.readouterr().out
    lines = told.splitlines()
    assert lines[0].startswith(f"Usage: segment-router {' '.join(verb)} ")
    assert "{" not in lines[0]
    assert "\nOptions:\n" in told
    assert "-h, --help" in told
    assert "<bool>" not in told
    assert "<str>" not in told
    assert max(map(len, lines)) <= 80
    examples = told.partition("\nExamples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith(f"  ./run {' '.join(verb[:1])}") for line in examples if line)


def test_the_list_of_verbs_cuts_no_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Options:")[2]


def test_each_verb_has_one_line_in_a_list_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    group: Any = typer.main.get_command(app)
    lists = [name for name, command in group.commands.items() if hasattr(command, "commands")]
    assert len(lists) > 3
    for words in ([], *([name] for name in lists)):
        assert main([*words, "--help"]) == 0
        told = capsys.readouterr().out.partition("\nOptions:\n")[2].partition("\n\n")[2].partition("\nExamples:\n")[0]
        assert [line for line in told.splitlines() if line.startswith("     ")] == [], words


def test_the_list_of_verbs_has_examples(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    assert main(["--help"]) == 0
    assert "\nExamples:\n  ./run serve\n  ./run send track" in capsys.readouterr().out


def test_the_version_is_a_verb_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("segment-router ")
    assert main(["version", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"version", "python", "sqlite"}


@pytest.mark.long
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_the_shell_is_made_and_its_questions_are_answered(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_SEGMENT_ROUTER_COMPLETE=complete_{shell}" in script
    words = {"COMP_WORDS": "segment-router dis", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "segment-router dis"}
    fish = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    environ = {**os.environ, **words, **fish, "_SEGMENT_ROUTER_COMPLETE": f"complete_{shell}"}
    command = [sys.executable, "-c", "import sys; from router.cli import main; sys.exit(main())"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert "discards" in done.stdout
    assert done.returncode == 0


@pytest.mark.long
def test_zsh_completes_at_the_first_question_when_it_has_just_read_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if (zsh := shutil.which("zsh")) is None:
        pytest.skip("zsh is not installed")
    assert main(["completion", "zsh"]) == 0
    (tmp_path / "_segment-router").write_text(capsys.readouterr().out)
    program = tmp_path / "segment-router"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m router "$@"\n')
    program.chmod(0o700)
    asked = (
        f'fpath=({tmp_path}); compdef() {{ }}; _arguments() {{ print -r -- "$@" }}; words=(segment-router sta) CURRENT=2;'
        " autoload -Uz _segment-router; _segment-router"
    )
    environ = {**environment(), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([zsh, "-f", "-c", asked], env=environ, capture_output=True, text=True, check=False)
    assert '"status":' in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_program_that_is_called_by_its_path_runs_no_other_one(
    shell: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"{tmp_path}/run" in script
    assert "segment-router" not in script.replace(str(tmp_path), "")
    assert "$1" not in script


# ---------------------------------------------------------------- errors and pipes


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["held", "crn"], 1, "not_found"),
        (["why", "m9"], 1, "failed"),
        (["pause"], 2, "usage"),
        (["dead", "crm", "--since", "then"], 2, "usage"),
        (["replay", "crm", "--message-id", "m", "--since", "7d"], 2, "usage"),
        (["status", "--config", "none.toml"], 78, "invalid_config"),
        (["ledger", "--url", "http://127.0.0.1:1"], 1, "not_running"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_with_json_an_error_is_json_on_standard_output(
    words: list[str], exit_code: int, code: str, config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json"]) == exit_code
    told = capsys.readouterr()
    error = json.loads(told.out)["error"]
    assert (error["code"], told.err) == (code, "")
    assert error["message"]


@pytest.mark.parametrize(
    "words",
    [
        "replay crm --since 7d --message-id m", "replay crm --reason expired", "replay crm --source website",
        "replay crm --until 1d", "replay crm --count", "replay crm --stop --count", "dead crm --until then",
    ],
)  # fmt: skip
def test_options_that_would_be_ignored_are_wrong_usage(words: str, config: Path, daemon: FakeDaemon) -> None:
    assert main(words.split()) == 2
    assert daemon.asked == []


MAIN = "import sys; from router.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.long
def test_output_that_cannot_be_written_is_a_sentence() -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-c", MAIN, "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "standard output cannot be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.long
@pytest.mark.parametrize(("closed", "words"), [("<&-", "send -"), (">&-", "version"), ("2>&-", "nonsense")])
def test_a_closed_stream_is_as_the_null_device(config: Path, closed: str, words: str) -> None:
    line = f'"$0" -c "$1" {words} {closed}'
    done = subprocess.run(["sh", "-c", line, sys.executable, MAIN], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == {"send -": 0, "version": 0, "nonsense": 2}[words]


def test_changing_verbs_answer_in_json_too(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, dict[str, Any]] = {
        "pause crm": {"state": "paused", "state_reason": "by_hand"},
        "resume crm": {"state": "running", "state_reason": ""},
        "release crm --user u1": {"released": 1},
    }
    for verb, answer in answers.items():
        daemon.answers[f"POST /api/destinations/crm/{verb.split()[0]}"] = (200, answer)
        assert main([*verb.split(), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == answer
    daemon.answers["POST /api/reload"] = (200, {"reloaded": True, "warnings": ["one"]})
    assert main(["reload", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"reloaded": True, "warnings": ["one"]}


@pytest.mark.long
def test_a_reader_that_leaves_early_is_no_error(config: Path, daemon: FakeDaemon) -> None:
    code = "import sys; from router.cli import main; sys.exit(main(['version', '--json']))"
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:
        done = subprocess.run([sys.executable, "-c", code], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b""
