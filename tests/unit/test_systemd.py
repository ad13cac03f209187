"""The service file is one that systemd understands, and says what the daemon needs."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from router.daemon import shutdown, supervisor
from router.ingest import graceful_close

COMMAND = "/opt/segment-router/.venv/bin/segment-router"


@pytest.fixture
def unit(root: Path) -> Path:
    return root / "systemd/segment-router.service"


@pytest.fixture
def service(unit: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return parser["Service"]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    # verify wants the command to exist; it exits 0 for a line it ignores, so its words count
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(COMMAND, sys.executable))
    result = analyze("verify", str(copy))
    assert result.stderr == ""
    assert result.returncode == 0


def test_the_service_is_shut_in_tightly(unit: Path) -> None:
    result = analyze("security", "--offline=true", "--threshold=15", str(unit))
    assert result.returncode == 0, result.stdout[-200:]


def test_it_serves_the_configuration_of_the_machine(service: configparser.SectionProxy) -> None:
    assert service["ExecStart"] == f"{COMMAND} serve --config /etc/segment-router/config.toml"


def test_a_faulty_configuration_is_not_started_again_and_again(service: configparser.SectionProxy) -> None:
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == "78"


def test_reload_is_a_signal_and_state_has_a_place(service: configparser.SectionProxy) -> None:
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["StateDirectory"] == "segment-router"


def test_systemd_waits_longer_than_the_daemon_takes_to_stop(service: configparser.SectionProxy) -> None:
    longest_s = shutdown.DRAIN_S + 2 * (
        graceful_close.CUT_S + 2 * supervisor.CUT_S
    )  # both listeners, then the destinations
    assert int(service["TimeoutStopSec"]) > longest_s


def test_it_waits_for_no_notice_that_the_daemon_does_not_send(service: configparser.SectionProxy) -> None:
    assert service["Type"] == "exec"


def test_a_crash_leaves_no_core_with_events_and_secrets(service: configparser.SectionProxy) -> None:
    assert service["LimitCORE"] == "0"
