"""`plugin list`, `check`, `try` and `new`: they need no daemon, and one broken plugin hides no other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from router.cli import main
from router.testing.checking.vendor_place import VendorError, answers_at
from router.testing.checks import CHECKS
from tests.flow.harness import unmeasured

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("prepared_apart")]
GOOD = """
from router.plugin import Context, Event, Group, Item, Request, SecretStr, Settings, UserId, hookimpl, json_request


class DeskSettings(Settings):
    base_url: str
    token: SecretStr


class Desk:
    settings_model = DeskSettings
    requires = {"track": (UserId(), Group("id", "name"))}

    def __init__(self, settings: DeskSettings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item({"who": event.user_id, "company": context.group.traits["name"]})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        headers = {"Authorization": self.settings.token.get_secret_value()}
        return json_request(f"{self.settings.base_url}/desk", items[0].body, headers=headers)
"""
METACLASS = """
class Meta(type):
    def __getattr__(cls, name):
        raise ERROR

class Desk(metaclass=Meta):
    pass
"""
LATE_METACLASS = """
class Meta(type):
    def __dir__(cls):
        raise ValueError("late")


"""
FORM = [check.name for check in CHECKS if check.theme == "form"]
BASE = ("--settings", "base_url=https://desk.example")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`plugin` with these words, beside a config.toml that names a folder of plugins: exit code, output, errors."""
    (tmp_path / "config.toml").write_text('plugins_dir = "plugins.d"\n')

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["plugin", *words, "--config", str(tmp_path / "config.toml")])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], None]:
    """Writes a single-file plugin."""
    folder = tmp_path / "plugins.d"
    folder.mkdir()

    def write(name: str, text: str) -> None:
        (folder / f"{name}.py").write_text(dedent(text))

    return write


Write = Callable[[str, str], None]


def listed(run: Run) -> dict[str, dict[str, Any]]:
    code, out, _ = run("list", "--json")
    assert code == 0
    return {one["name"]: one for one in json.loads(out)["plugins"]}


def checks(run: Run, *words: str) -> dict[str, tuple[str, list[str]]]:
    """Result and words of each check."""
    return {
        one["name"]: (one["result"], one["words"]) for one in json.loads(run("check", *words, "--json")[1])["checks"]
    }


# ---------------------------------------------------------------- list


def test_the_list_says_where_each_plugin_comes_from(run: Run, write: Write) -> None:
    write("desk", GOOD)
    found = listed(run)
    assert (found["desk"]["source"], found["desk"]["loads"], found["desk"]["api_version"]) == ("file", True, "1.0")
    assert found["desk"]["origin"].endswith("plugins.d/desk.py")
    assert len(found["desk"]["version"]) == 8
    assert found["braze"]["source"] == "package"
    assert "plugins.braze:Braze" in found["braze"]["origin"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import router.nowhere", "No module named"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os\nos._exit(0)", "the process that imported it ended by itself with exit code 0, as os._exit does"),
        ("import signal\nsignal.raise_signal(signal.SIGKILL)", "was ended by SIGKILL"),
        ("import ctypes\nctypes.string_at(0)", "was ended by SIGSEGV, at broken.py:2 in <module>"),
        (METACLASS.replace("ERROR", "ValueError('no')"), "cannot be imported: ValueError: no"),
        (METACLASS.replace("ERROR", "KeyboardInterrupt"), "KeyboardInterrupt"),
        (
            GOOD.replace("class Desk:", LATE_METACLASS + "class Desk(metaclass=Meta):"),
            "cannot be looked at: ValueError: late",
        ),
        ("class Own(BaseException): pass\nraise Own('so')", "Own: so"),
        ("class Two:\n    settings_model = None\nclass Three:\n    settings_model = None", "exactly one public class"),
        (
            GOOD.replace("    @hookimpl\n    def request", "    def request"),
            "request has the name of a hook but no @hookimpl",
        ),
    ],
)
def test_a_broken_plugin_hides_no_other_and_says_why(run: Run, write: Write, text: str, problem: str) -> None:
    write("broken", text)
    write("desk", GOOD)
    found = listed(run)
    assert problem in found["broken"]["problem"]
    assert not found["broken"]["loads"]
    assert found["desk"]["loads"]
    _, out, _ = run("list")
    assert "broken cannot be used:" in out
    assert "desk cannot be used" not in out


def test_a_plugin_whose_package_is_not_installed_is_no_faulty_one(run: Run, write: Write) -> None:
    write("broken", "import nowhere_to_be_found.deep")
    assert (listed(run)["broken"]["needs"], listed(run)["braze"]["needs"]) == ("nowhere_to_be_found", "")
    out = run("list")[1]
    assert "  needs nowhere_to_be_found  " in out
    assert "broken needs nowhere_to_be_found, which is not installed:\n    plugin" in out
    assert "faulty" not in out


def test_a_plugin_for_a_newer_contract_is_told_so_and_not_what_it_has_wrong_by_this_one(run: Run, write: Write) -> None:
    newer = "api_version = (1, 99)\n\n    @hookimpl\n    def sing(self, event): ...\n\n    settings_model ="
    write("desk", GOOD.replace("settings_model =", newer))
    assert listed(run)["desk"]["problem"].startswith("needs api_version 1.99, this router has 1.1; upgrade the router")
    assert {name for name, (result, _) in checks(run, "desk", *BASE).items() if result == "failed"} == {"version"}


def test_two_plugins_of_one_name_are_told(run: Run, write: Write) -> None:
    write("braze", GOOD)
    assert "is there twice" in listed(run)["braze"]["problem"]


def test_without_a_config_installed_plugins_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugin", "list"]) == 0
    out, err = capsys.readouterr()
    assert ("webhook" in out, err) == (True, "")


FAULTY_CONFIGS = [
    ("plugins_dir = ]", "config.toml: line 1"),
    ('plugins_dir = "gone"', "plugins_dir: there is no folder"),
]


@pytest.mark.parametrize(("text", "problem"), FAULTY_CONFIGS)
@pytest.mark.parametrize("words", [("list",), ("check", "webhook"), ("try", "webhook", "track")])
def test_a_config_that_is_named_has_to_be_good(
    run: Run, tmp_path: Path, words: tuple[str, ...], text: str, problem: str
) -> None:
    (tmp_path / "config.toml").write_text(text)
    code, out, err = run(*words)
    assert (code, out, problem in err) == (78, "", True)


def test_a_config_that_is_named_has_to_be_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").unlink()
    code, out, err = run("list")
    assert (code, out, "there is no such file" in err) == (78, "", True)


@pytest.mark.parametrize(("text", "problem"), FAULTY_CONFIGS)
def test_a_faulty_config_that_nobody_named_is_a_warning(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["plugin", "list"]) == 0
    out, err = capsys.readouterr()
    assert ("webhook" in out, err.startswith("warning: ") and problem in err) == (True, True)


def test_other_faults_of_the_config_do_not_matter(run: Run, write: Write, tmp_path: Path) -> None:
    write("desk", GOOD)
    (tmp_path / "config.toml").write_text('plugins_dir = "plugins.d"\nstray = 1\n')
    assert listed(run)["desk"]["loads"]


# ---------------------------------------------------------------- check


def test_a_plugin_is_told_its_tier_and_what_the_next_one_lacks(run: Run, write: Write) -> None:
    write("desk", GOOD)
    code, out, _ = run("check", "desk", *BASE)
    assert code == 0
    assert "\ndesk reaches silver: " in out
    assert (
        "\nFor gold: settings_described, names_listed, version_named, bad_address_refused, forget_said, forget_group_said.\n"
        in out
    )
    assert "FAILED: names_listed (gold): The plugin lists the names" in out
    assert "Nothing was sent" in out


def test_programs_get_each_check_with_tier_theme_why_and_fix(run: Run, write: Write) -> None:
    write("desk", GOOD)
    told = json.loads(run("check", "desk", *BASE, "--json")[1])
    assert (told["name"], told["passed"], told["tier"], told["next"]["tier"]) == ("desk", True, "silver", "gold")
    assert "names_listed" in told["next"]["missing"]
    assert len(told["checks"]) == len(CHECKS) + 1
    assert all(
        set(one) == {"name", "proves", "result", "words", "theme", "tier", "why", "fix", "blocked_by"}
        for one in told["checks"]
    )
    results = {one["name"]: one["result"] for one in told["checks"]}
    assert [results[name] for name in ("import", "hooks", "any_answer", "own_troubles")] == [
        "ok",
        "ok",
        "ok",
        "not_applicable",
    ]


@pytest.mark.parametrize(("tier", "code"), [("bronze", 0), ("silver", 0), ("gold", 1)])
def test_a_tier_that_is_asked_for_has_to_be_reached(run: Run, write: Write, tier: str, code: int) -> None:
    write("desk", GOOD)
    assert run("check", "desk", *BASE, "--tier", tier)[0] == code


def test_a_tier_that_there_is_not_is_refused(run: Run, write: Write) -> None:
    write("desk", GOOD)
    code, _, err = run("check", "desk", *BASE, "--tier", "platinum")
    assert (code, "'platinum' is none of bronze, silver, gold" in " ".join(err.split())) == (2, True)


def test_a_plugin_that_sends_otherwise_reaches_nothing_while_it_is_checked(
    run: Run, write: Write, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    found = checks(run, "file", "--settings", f"path={path}")
    assert found["success"][0] == "not_checked"
    assert "It tried os.mkdir(" in found["success"][1][0]
    assert not path.exists()
    assert "file reaches bronze" in run("check", "file", "--settings", f"path={path}")[1]


def test_it_needs_no_pytest(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pytest'] = None; from router.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [
        sys.executable,
        "-c",
        code,
        "plugin",
        "check",
        "webhook",
        "--settings",
        "url=https://hook.example.com/in",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=unmeasured(), capture_output=True, text=True, check=False)
    assert (done.returncode, "webhook reaches gold" in done.stdout) == (0, True), done.stderr


def test_what_could_not_be_checked_counts_as_neither(run: Run, write: Write) -> None:
    write("desk", GOOD)
    found = checks(run, "desk")
    assert found["instance"] == ("not_checked", ["give what is required: --settings base_url=VALUE"])
    assert found["facts"][1] == ["check instance could not be made: give what is required: --settings base_url=VALUE"]
    code, out, _ = run("check", "desk")
    assert (code, "desk reaches no tier: 4 checks of " in out) == (1, True)


def test_what_follows_from_one_cause_is_one_line_and_the_cause_is_last(run: Run, write: Write) -> None:
    write("desk", GOOD)
    _, out, _ = run("check", "desk")
    assert out.splitlines()[:2] == [
        "form: 4 ok, 1 not checked",
        f"{len(CHECKS) - 4} checks were not made because `instance` could not be made",
    ]
    assert out.count("NOT CHECKED") == 1
    assert "    give what is required: --settings base_url=VALUE\n" in out
    assert out.endswith("\nFor bronze: instance.\n")
    write("desk", GOOD.replace("self.settings = settings", "raise RuntimeError('boom')"))
    lines = run("check", "desk", *BASE)[1].splitlines()
    assert lines[1] == f"{len(CHECKS) - 4} checks were not made because `instance` failed"
    assert lines[3].startswith("FAILED: instance (bronze)")
    assert lines[-1] == "For bronze: instance."


def test_what_failed_comes_after_what_could_not_be_checked(run: Run, write: Write) -> None:
    deliver = """
    @hookimpl
    async def deliver(self, items, sender):
        return [Delivered() for _ in items]
"""
    without_request = GOOD[: GOOD.index("    @hookimpl\n    def request")].replace(
        "import Context,", "import Context, Delivered,"
    )
    write("desk", without_request + deliver)
    out = run("check", "desk", *BASE)[1]
    assert 0 < out.find("\nNOT CHECKED: success") < out.find("\nFAILED: ") < out.find("\ndesk reaches ")
    assert "NOT CHECKED" not in out[out.find("\nFAILED: ") :]


def test_all_faults_of_the_form_are_shown(run: Run, write: Write) -> None:
    hooks = "".join(f"    @hookimpl\n    def sing{number}(self, event): ...\n\n" for number in range(5))
    write("desk", GOOD.replace("    @hookimpl\n    def track", hooks + "    @hookimpl\n    def track"))
    assert [f"sing{number}" in run("check", "desk", *BASE)[1] for number in range(5)] == [True] * 5


def test_a_plugin_that_cannot_be_imported_is_told_in_the_words_of_the_list(run: Run, write: Write) -> None:
    write("broken", "x = 1\ny = undefined_name\n")
    problem = listed(run)["broken"]["problem"]
    assert problem.endswith("cannot be imported: NameError: name 'undefined_name' is not defined (at broken.py:2)")
    code, out, _ = run("check", "broken")
    assert code == 1
    assert out.splitlines()[:5] == [
        "form: 1 failed",
        f"{len(CHECKS)} checks were not made because `import` failed",
        "",
        "FAILED: import (bronze): The plugin can be imported, and is a class.",
        f"    {problem}",
    ]


@pytest.mark.parametrize(
    ("text", "check", "words"),
    [
        ("import os\nos._exit(0)", "import", "ended by itself with exit code 0, as os._exit does, in the check import"),
        (GOOD.replace("return Item(", "ctypes.string_at(0); return Item(", 1).replace("\nfrom", "import ctypes\nfrom", 1),
         "exercised", "was ended by SIGSEGV, at broken.py:19 in track, in the check exercised"),
    ],
)  # fmt: skip
def test_a_plugin_that_ends_the_process_fails_the_check_that_it_ended(
    run: Run, write: Write, text: str, check: str, words: str
) -> None:
    write("broken", text)
    code, out, _ = run("check", "broken", *BASE)
    assert code == 1
    assert f"FAILED: {check} (bronze)" in out
    assert f'plugin "broken": the process of the checks {words}' in out
    assert f"because `{check}` failed\n" in out


VENDOR = """
import pytest

from answers import RESULT
from router.testing import Received, Reply


@pytest.mark.parametrize("name", ["a"])
def test_it(name):
    pass


def desk(seen: Received) -> Reply:
    return Reply(207, json=RESULT)


CONSTANT = Reply(207, json=RESULT)


def boom(seen: Received) -> Reply:
    raise KeyError("nothing")
"""

SESSIONS = """
from router.testing import Received, Reply, Reset


def sessions(seen: Received) -> Reply:
    return Reply(json={"id": 7}) if seen.url.endswith("/session") else Reply(207, json={"taken": seen.url.endswith("/in/7")})


def shut(seen: Received) -> Reply:
    return Reset()


def boom(seen: Received) -> Reply:
    raise KeyError("nothing")
"""


def test_the_answer_of_the_vendor_can_be_that_of_the_tests(run: Run, write: Write, tmp_path: Path) -> None:
    verdict = """
    @hookimpl
    def verdict(self, items, answer):
        if 200 <= answer.status < 300:
            return Delivered() if answer.json() == {"taken": 1} else RetryLater("unreadable_answer")
        return by_status(answer, len(items))
"""
    write("desk", GOOD.replace("import Context,", "import Context, Delivered, RetryLater, by_status,") + verdict)
    (tmp_path / "answers.py").write_text('RESULT = {"taken": 1}')
    (tmp_path / "test_desk.py").write_text(VENDOR)
    assert "For silver: success." in run("check", "desk", *BASE)[1]
    for name in ("desk", "CONSTANT"):
        words = ("check", "desk", *BASE, "--vendor", f"{tmp_path}/test_desk.py:{name}", "--tier", "silver")
        code, out, _ = run(*words)
        assert (code, "desk reaches silver" in out) == (0, True), out
    code, out, err = run("check", "desk", *BASE, "--vendor", f"{tmp_path}/test_desk.py:boom")
    line = 1 + VENDOR.splitlines().index('    raise KeyError("nothing")')
    assert (code, out) == (1, "")
    assert f"the vendor's answer boom raised KeyError: 'nothing' (at test_desk.py:{line})" in err


def test_a_file_of_tests_is_refused_with_advice_where_pytest_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "test_desk.py").write_text("import pytest")
    with pytest.raises(
        VendorError, match=r"pytest.*\. Install the extra `testing`, or keep what the vendor answers in"
    ):
        answers_at(f"{tmp_path}/test_desk.py:desk")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("test_desk.py", "is not FILE.py:NAME or MODULE:NAME"),
        ("none.py:desk", "none.py cannot be imported: FileNotFoundError"),
        ("no.such.module:desk", "no.such.module cannot be imported: ModuleNotFoundError"),
        ("math:nothing", "math has no nothing"),
        ("math:pi", "answers no request: want a Reply, or a function of a request"),
    ],
)
def test_an_answer_that_is_not_there_is_refused(run: Run, write: Write, place: str, words: str) -> None:
    write("desk", GOOD)
    code, _, err = run("check", "desk", *BASE, "--vendor", place)
    assert (code, words in " ".join(err.replace("│", " ").split())) == (2, True), err


def test_of_an_unknown_plugin_only_that_is_said_with_the_folder_that_was_looked_in(
    run: Run, write: Write, tmp_path: Path
) -> None:
    write("desk", GOOD)
    code, out, err = run("check", "dsk")
    assert (code, out, err.startswith('unknown plugin "dsk"; did you mean "desk"?')) == (78, "", True)
    assert f"plugins_dir has no dsk.py: {tmp_path / 'plugins.d'}" in err
    (tmp_path / "config.toml").write_text("")
    assert "plugins_dir of config.toml names no folder of plugin files" in run("check", "dsk")[2]
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("before", "after", "check", "fault"),
    [
        ("settings_model = DeskSettings", "settings_model = dict", "settings_model", "not a subclass"),
        ("    token: SecretStr\n", '    token: SecretStr\n    old_names = {"a": "b"}\n', "settings_model", '"b", which is no setting'),
        ("    token: SecretStr\n", "    token: SecretStr\n    f: type = int\n", "settings_model", "no JSON Schema"),
        ("def track(self, event: Event, context: Context)", "def track(self, evnt)", "hooks", 'unknown parameter "evnt"'),
        ("self.settings = settings", "raise SystemExit('no')", "instance", "SystemExit: no"),
        ("self.settings = settings", "self.settings, self.api_version = settings, 9", "facts", "written for api_version 9"),
        ("requires = {", "api_version = 9\n    requires = {", "version", "written for api_version 9"),
        ('requires = {"track"', 'requires = {"trak"', "facts", 'did you mean "track"'),
    ],
)  # fmt: skip
def test_a_fault_fails_its_own_check_only(
    run: Run, write: Write, before: str, after: str, check: str, fault: str
) -> None:
    assert before in GOOD
    write("desk", GOOD.replace(before, after))
    found = checks(run, "desk", *BASE)
    failed = [name for name, (result, _) in found.items() if result == "failed"]
    assert [name for name in failed if name in FORM] == [check]
    assert fault in " ".join(found[check][1])
    assert run("check", "desk", *BASE)[0] == 1


def test_settings_that_the_model_refuses_are_named(run: Run, write: Write) -> None:
    write("desk", GOOD)
    result, words = checks(run, "desk", *BASE, "--settings", "base_urll=x")["instance"]
    assert result == "failed"
    assert 'did you mean "base_url"' in words[0]


# ---------------------------------------------------------------- try


def test_an_event_is_shown_with_decision_item_request_and_verdict(run: Run, write: Write) -> None:
    write("desk", GOOD)
    code, out, err = run("try", "desk", "track", *BASE, "--user-known")
    assert (code, err) == (0, "")
    assert "would be sent\n" in out
    assert '    item: {"who": "u-1042", "company": "Acme Inc"}\n    POST https://desk.example/desk\n' in out
    assert "Authorization: ***" in out
    assert "if the vendor answers 200:\n        delivered" in out


def test_the_gate_holds_as_in_the_daemon(run: Run, write: Write) -> None:
    write("desk", GOOD)
    assert "would be held until there is a group call" in run("try", "desk", "track", *BASE)[1]
    named = ("--group", "acme", "--group-name", "Acme Inc")
    assert "would be sent" in run("try", "desk", "track", *BASE, *named)[1]


def test_calls_of_a_file_get_the_answer_that_was_asked_for(run: Run, write: Write, tmp_path: Path) -> None:
    write("desk", GOOD)
    calls = tmp_path / "calls.jsonl"
    calls.write_text('{"type":"track","userId":"u1","event":"E"}\n{"type":"track","event":"E"}\n')
    words = ("try", "desk", str(calls), *BASE, "--group", "g", "--group-name", "G", "--answer", "429", "--json")
    first, second = json.loads(run(*words)[1])["events"]
    assert first["items"] == [{"body": {"who": "u1", "company": "G"}, "kind": ""}]
    assert first["answered"]["outcomes"][0]["outcome"] == "retrying"
    assert second["discarded"]["code"]
    assert "would be discarded" in run(*words[:-1])[1]


def test_what_a_plugin_prints_is_no_part_of_the_json_of_try(run: Run, write: Write) -> None:
    write("desk", f"print('at its import')\n{GOOD}")
    code, out, _ = run("try", "desk", "track", *BASE, "--user-known", "--json")
    assert (code, json.loads(out)["plugin"]) == (0, "desk")


def test_a_plugin_that_ends_its_process_is_no_success_of_try(run: Run, write: Write) -> None:
    write("desk", GOOD.replace("return Item(", "import os; os._exit(0); return Item("))
    code, out, err = run("try", "desk", "track", *BASE, "--user-known")
    assert (code, out) == (78, "")
    assert 'plugin "desk": the process that tried it ended by itself with exit code 0' in " ".join(err.split())


def test_a_thread_that_a_plugin_leaves_does_not_keep_try(run: Run, write: Write) -> None:
    write("desk", f"import threading\nthreading.Thread(target=threading.Event().wait).start()\n{GOOD}")
    assert run("try", "desk", "track", *BASE, "--user-known")[0] == 0


def test_a_plugin_that_violates_the_contract_is_named_with_its_faults(run: Run, write: Write) -> None:
    write("desk", GOOD.replace("def track(self, event: Event", "def track(self, evnt: Event"))
    code, _, err = run("try", "desk", "track", *BASE)
    assert (code, err.startswith('plugin "desk": track: unknown parameter "evnt"')) == (78, True)


def test_of_a_hook_that_fails_the_exception_comes_first_and_the_traceback_is_readable(run: Run, write: Write) -> None:
    write("desk", GOOD.replace("return Item(", "raise ValueError('no desk'); return Item("))
    code, out, _ = run("try", "desk", "track", *BASE, "--user-known")
    _, sentence, *traceback = out.splitlines()
    assert code == 1
    assert sentence.endswith("plugin desk, hook track: ValueError: no desk")
    assert traceback[0] == "    Traceback (most recent call last):"
    assert traceback[-1] == "    ValueError: no desk"
    assert run("try", "desk", "track", *BASE, "--user-known", "--json")[0] == 1


@pytest.mark.parametrize("hook", ["request", "verdict"])
def test_a_sending_hook_that_fails_has_an_exit_code_of_its_own(run: Run, write: Write, hook: str) -> None:
    if hook == "request":
        write("desk", GOOD.replace("return json_request(", "raise ValueError('no desk'); return json_request("))
    else:
        write(
            "desk",
            GOOD + "\n    @hookimpl\n    def verdict(self, items, answer):\n        raise ValueError('no desk')\n",
        )
    code, out, _ = run("try", "desk", "track", *BASE, "--user-known")
    assert (code, "ValueError: no desk" in out, "\\n" in out) == (1, True, False)


def test_an_answer_in_the_own_format_of_the_vendor_can_be_given(run: Run, write: Write, tmp_path: Path) -> None:
    verdict = """
    @hookimpl
    def verdict(self, items, answer):
        return Delivered() if answer.status == 207 and answer.json() == {"taken": 1} else Reject("refused")
"""
    write("desk", GOOD.replace("import Context,", "import Context, Delivered, Reject,") + verdict)
    (tmp_path / "answer.json").write_text('{"taken": 1}')
    words = ("try", "desk", "track", *BASE, "--user-known", "--answer")
    for answer in ('207:{"taken": 1}', f"207:@{tmp_path / 'answer.json'}"):
        assert "if the vendor answers 207:\n        delivered" in run(*words, answer)[1]
    assert "a dead letter" in run(*words, "207")[1]


def test_each_request_of_a_plugin_can_have_the_answer_of_the_tests(run: Run, write: Write, tmp_path: Path) -> None:
    deliver = """
    @hookimpl
    async def deliver(self, items, sender):
        session = (await sender.send(json_request(self.settings.base_url + "/session", {}))).json()["id"]
        answer = await sender.send(json_request(f"{self.settings.base_url}/in/{session}", items[0].body))
        return Delivered() if answer.json() == {"taken": 1} else Reject("refused")
"""
    write("desk", GOOD.replace("import Context,", "import Context, Delivered, Reject,") + deliver)
    (tmp_path / "answers.py").write_text(SESSIONS)
    words = ("try", "desk", "track", *BASE, "--user-known", "--vendor")
    assert "if the vendor answers 207:\n        delivered" in run(*words, f"{tmp_path}/answers.py:sessions")[1]
    refused = run(*words, f"{tmp_path}/answers.py:shut")[1]
    assert "if the vendor answers nothing:\n        tried again" in refused
    code, out, err = run(*words, f"{tmp_path}/answers.py:boom")
    assert (code, out) == (1, "")
    assert "the vendor's answer boom raised KeyError: 'nothing' (at answers.py:" in err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--vendor", "answers.py"), "is not FILE.py:NAME or MODULE:NAME"),
        (("--vendor", "math:sqrt", "--answer", "200"), "--answer says what the vendor answers, too"),
    ],
)
def test_an_answer_that_cannot_be_asked_for_is_no_trial(
    run: Run, write: Write, more: tuple[str, ...], words: str
) -> None:
    write("desk", GOOD)
    code, _, err = run("try", "desk", "track", *BASE, *more)
    assert (code, words in " ".join(err.replace("│", " ").split())) == (2, True), err


def test_a_warning_with_a_success_is_shown(run: Run, write: Write) -> None:
    verdict = """
    @hookimpl
    def verdict(self, items, answer):
        return Delivered(warning="field_ignored")
"""
    write("desk", GOOD.replace("import Context,", "import Context, Delivered,") + verdict)
    assert "delivered (field_ignored)" in run("try", "desk", "track", *BASE, "--user-known")[1]


def test_a_request_that_cannot_be_sent_promises_no_delivery(run: Run, write: Write) -> None:
    write("desk", GOOD)
    words = ("try", "desk", "track", "--settings", "base_url=nonsense", "--user-known")
    out = run(*words)[1]
    assert "would not be sent: nothing can be sent to its vendor" in out
    assert "    nothing reaches the vendor:\n" in out
    assert "does not begin with http:// or https://" in out
    assert "the whole destination is paused because its set-up is wrong" in out
    assert "delivered" not in out


def test_a_setting_is_toml_or_text(run: Run, write: Write) -> None:
    write("desk", GOOD)
    code, out, _ = run("try", "desk", "track", "--settings", 'base_url="https://quoted.example"', "--user-known")
    assert (code, "POST https://quoted.example/desk" in out) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("desk", "track"), 78, "settings.base_url: missing; add it; see --settings"),
        (("desk", "track", "--settings", "base_url"), 2, "is not KEY=VALUE"),
        (("desk", "track", *BASE, "--answer", "nothing"), 2, "'nothing' is no status from 200 to 599"),
        (("desk", "track", *BASE, "--answer", "207:@none.json"), 2, "none.json: No such file"),
        (("desk", "trak", *BASE), 2, 'unknown call type "trak"; did you mean "track"?'),
        (("desk", "none.json", *BASE), 2, "No such file"),
        (("dsk", "track"), 78, 'did you mean "desk"'),
    ],
)
def test_what_is_wrong_is_named(run: Run, write: Write, words: tuple[str, ...], code: int, told: str) -> None:
    write("desk", GOOD)
    ended, _, err = run("try", *words)
    assert (ended, told in " ".join(err.split())) == (code, True)


# ---------------------------------------------------------------- new


def new(*words: str) -> int:
    return main(["plugin", "new", *words])


def test_a_package_is_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new("acme-crm", "--out", str(tmp_path / "made"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    there = {str(file.relative_to(tmp_path / "made")) for file in (tmp_path / "made").rglob("*") if file.is_file()}
    assert set(told["files"]) == there
    assert {
        "pyproject.toml",
        "README.md",
        ".github/workflows/test.yml",
        "src/segment_router_acme_crm/py.typed",
    } <= there
    assert 'acme-crm = "segment_router_acme_crm:AcmeCrm"' in (tmp_path / "made/pyproject.toml").read_text()
    assert "${{ matrix.python }}" in (tmp_path / "made/.github/workflows/test.yml").read_text()


def test_nothing_that_is_there_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert new("acme", "--out", str(tmp_path)) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_name_of_an_installed_plugin_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new("braze", "--out", str(tmp_path / "made")) == 2
    assert "is a plugin of segment-router" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["Acme", "acme_crm", "-acme", "acme--crm", "1acme", "../acme", "", "a" * 41])
def test_a_name_that_no_package_can_have_is_refused(name: str, tmp_path: Path) -> None:
    assert new("--out", str(tmp_path / "made"), "--", name) == 2
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["9lives", "x-"])
def test_a_refused_name_is_told_the_whole_rule(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(name) == 2
    assert "a letter first, no hyphen last" in " ".join(capsys.readouterr().err.split())


def test_a_folder_without_a_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert new("acme", "--out", "") == 2
    assert "names no folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
