"""A terminal that knows fewer letters than a text has gets something to read, and never a traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from router.cli.letters import ERRORS, known_to
from router.cli.output import say_table
from tests.flow.harness import environment
from tests.sampled import every

POOR: dict[str, dict[str, str]] = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "posix": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
}


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [
        ("utf-8", "zoë … ≤ 東", "zoë … ≤ 東"),
        ("latin-1", "zoë … ≤ 東", "zoë ... <= \\u6771"),
        ("ascii", "zoë … ✓ ✗ – •", "zo\\xeb ... + x - *"),
        ("ascii", "🎈", "\\U0001f388"),
    ],
)
def test_signs_have_likes_and_other_letters_are_written_out(encoding: str, text: str, shown: str) -> None:
    assert known_to(encoding, text) == shown


def test_a_table_is_measured_as_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=ERRORS)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "24")
    say_table(["name", "n"], [["zoë", 1], ["a name that is too long", 22]], cut=["name"])
    out.seek(0)
    assert out.read().splitlines() == [
        "name                   n",
        "zo\\xeb                 1",
        "a name that is to...  22",
    ]


@pytest.mark.long
@pytest.mark.parametrize("terminal", POOR)
@pytest.mark.parametrize("verb", every(3, ["send zoë…", "check", "config show"]))
def test_the_command_line_says_everything_on_a_poor_terminal(
    terminal: str, verb: str, write_config: Callable[[str], Path]
) -> None:
    path = write_config("""
        [[source]]
        name = "zoë…"
        write_key = "k"
    """)
    command = [sys.executable, "-m", "router", *verb.split(), "--config", str(path)]
    done = subprocess.run(command, env=environment() | POOR[terminal], capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode("latin-1")
    assert "Traceback" not in said
    assert done.returncode in (1, 2, 78)
    assert "zo" in said


@pytest.mark.long
def test_bytes_that_are_no_text_are_refused_unless_they_name_a_file(write_config: Callable[[str], Path]) -> None:
    path = write_config("""
        [[source]]
        name = "website"
        write_key = "k"
    """)
    command = [sys.executable, "-m", "router"]
    about = ["--config", str(path)]
    asked = subprocess.run(
        [*command, "send", "track", "--user", b"z\xff", *about], env=environment(), capture_output=True, check=False
    )
    assert asked.returncode == 2
    assert b"'--user': 'z\\udcff' is no text in the encoding of this terminal, utf-8" in asked.stderr
    file = bytes(path.parent) + b"/z\xff.jsonl"
    Path(os.fsdecode(file)).write_text('{"type": "track", "userId": "u1", "event": "E"}\n')
    sent = subprocess.run([*command, "send", file, *about], env=environment(), capture_output=True, check=False)
    assert b"daemon" in sent.stderr
    assert b"Traceback" not in sent.stderr
