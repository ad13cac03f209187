"""The unit files are ones that systemd understands, and say what the daemon needs."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from router.config import load
from router.daemon import hook_alarm, listeners, progress, service_manager, shutdown, supervisor
from router.ingest import graceful_close
from router.plugin_host.time_budgets import HELD_S

COMMAND = "/opt/segment-router/.venv/bin/segment-router"


@pytest.fixture
def unit(root: Path) -> Path:
    return root / "systemd/segment-router.service"


@pytest.fixture
def backup_unit(root: Path) -> Path:
    return root / "systemd/segment-router-backup.service"


@pytest.fixture
def service(unit: Path) -> configparser.SectionProxy:
    return section(unit, "Service")


def section(unit: Path, name: str) -> configparser.SectionProxy:
    """A section of a unit file."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return parser[name]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    # verify wants the command to exist; it exits 0 for a line it ignores, so its words count
    copies = [tmp_path / path.name for path in sorted(unit.parent.iterdir())]
    for copy in copies:
        copy.write_text((unit.parent / copy.name).read_text().replace(COMMAND, sys.executable))
    result = analyze("verify", *map(str, copies))
    assert result.stderr == ""
    assert result.returncode == 0


@pytest.mark.parametrize("name", ["segment-router.service", "segment-router-backup.service"])
def test_a_service_is_shut_in_tightly(root: Path, name: str) -> None:
    result = analyze("security", "--offline=true", "--threshold=11", str(root / "systemd" / name))
    assert result.returncode == 0, result.stdout[-200:]


def test_backups_are_made_by_the_user_of_the_daemon(unit: Path, backup_unit: Path) -> None:
    """The user of a service with DynamicUser has the name of its unit, unless it names one."""
    ours, daemons = section(backup_unit, "Service"), section(unit, "Service")
    assert (ours["User"], ours["DynamicUser"], daemons["DynamicUser"]) == (unit.stem, "yes", "yes")
    assert "User" not in daemons
    for key in ("StateDirectory", "ConfigurationDirectory", "UMask"):
        assert ours[key] == daemons[key]


def test_the_backup_is_the_command_that_the_pages_describe(backup_unit: Path) -> None:
    command = section(backup_unit, "Service")["ExecStart"]
    assert command.startswith(f"{COMMAND} backup /var/lib/segment-router/backups --keep ")
    timer = section(backup_unit.with_suffix(".timer"), "Timer")
    assert (timer["Persistent"], "Unit" in timer) == ("yes", False)


def test_it_serves_the_configuration_of_the_machine(service: configparser.SectionProxy) -> None:
    assert service["ExecStart"] == f"{COMMAND} serve --config /etc/segment-router/config.toml"


def test_a_faulty_configuration_is_not_started_again_and_again(service: configparser.SectionProxy) -> None:
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == "78"


def test_an_outage_at_start_never_uses_up_the_starts_but_connections_to_a_faulty_one_do(
    unit: Path, service: configparser.SectionProxy
) -> None:
    """A start without its database fails within 3 s. systemd has to go on until the database is there, hours later."""
    limits = section(unit, "Unit")
    interval_s, burst, pause_s = (
        int(limits["StartLimitIntervalSec"]),
        int(limits["StartLimitBurst"]),
        int(service["RestartSec"]),
    )
    assert burst * pause_s > interval_s, (
        "so many starts by itself, even if each fails at once, do not fit into the interval"
    )
    faulty_start_s = 2.5
    assert burst * faulty_start_s < interval_s, "starts by connections have no pause, and they have to come to an end"


def test_reload_is_a_signal_and_state_has_a_place(service: configparser.SectionProxy) -> None:
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["StateDirectory"] == "segment-router"


def test_systemd_waits_longer_than_the_daemon_takes_to_stop(service: configparser.SectionProxy) -> None:
    longest_s = shutdown.DRAIN_S + 2 * (
        graceful_close.CUT_S + 2 * supervisor.CUT_S
    )  # both listeners, then the destinations
    assert int(service["TimeoutStopSec"]) > longest_s


def test_the_daemon_itself_says_when_it_is_ready(service: configparser.SectionProxy) -> None:
    """systemd 252 knows no notify-reload, ignores the line and says so on standard error only."""
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert int(service["TimeoutStartSec"]) > service_manager.EXTEND_EVERY_S


def test_the_watchdog_leaves_the_daemon_the_time_to_end_a_hook_that_hangs(service: configparser.SectionProxy) -> None:
    """The daemon notes whose hook it was, so that the next start does not hang on it; a watchdog that comes first knows nothing."""
    watchdog_s = int(service["WatchdogSec"])
    longest_s = HELD_S + (hook_alarm.TRIES + 3) * hook_alarm.AGAIN_S
    assert watchdog_s - watchdog_s / service_manager.PINGS > longest_s
    assert longest_s < progress.STALL_S


@pytest.mark.parametrize(
    ("name", "listener"), [("segment-router.socket", "ingest"), ("segment-router-admin.socket", "admin")]
)
def test_a_socket_unit_has_the_address_of_the_shipped_configuration(
    unit: Path, service: configparser.SectionProxy, shipped: Path, name: str, listener: str
) -> None:
    socket, config = section(unit.with_name(name), "Socket"), load(shipped)
    listen = config.server.listen if listener == "ingest" else config.admin.listen
    assert (socket["ListenStream"], socket["FileDescriptorName"]) == (str(listen), listener)
    assert socket.get("Service", name.replace(".socket", ".service")) == unit.name
    assert name in service["Sockets"].split()
    if listener == "ingest":
        assert int(socket["Backlog"]) == listeners.BACKLOG


def test_every_command_that_stops_the_service_stops_its_sockets(root: Path, unit: Path) -> None:
    """Otherwise the next connection starts it again: an old version on a new store, say."""
    pages = [root / "UPGRADING.md", root / "README.md", *(root / "docs").rglob("*.md")]
    commands = [
        (page.name, command)
        for page in pages
        for command in re.findall(r"systemctl (?:stop|disable --now) [^`\n]*", page.read_text())
        if "backup" not in command and page.name != "0013-systemd-holds-the-sockets.md"
    ]
    units = {one.name for one in unit.parent.glob("*.socket")} | {unit.name}
    warned = ("installing-systemd.md", "systemctl stop segment-router")  # it says that this is not enough
    assert [one for one in commands if not units <= set(one[1].split()) and one != warned] == []
    assert warned in commands
    assert len(commands) > 4


def test_a_crash_leaves_no_core_with_events_and_secrets(service: configparser.SectionProxy) -> None:
    assert service["LimitCORE"] == "0"


def test_memory_that_is_free_is_shared_by_the_threads(service: configparser.SectionProxy, root: Path) -> None:
    assert service["Environment"] == "MALLOC_ARENA_MAX=2"
    assert "    MALLOC_ARENA_MAX=2 \\\n" in (root / "Containerfile").read_text()


def test_the_guide_has_the_units_and_the_times_that_there_are(
    root: Path, unit: Path, service: configparser.SectionProxy
) -> None:
    page = (root / "docs/installing-systemd.md").read_text()
    for path in unit.parent.glob("segment-router*"):
        assert path.name in page or "backup" in path.name
    limits = section(unit, "Unit")
    for words in (
        f"WatchdogSec={service['WatchdogSec']}",
        f"{service['TimeoutStartSec']} s of `TimeoutStartSec`",
        f"The service restarts {service['RestartSec']} s after a failure",
        f"after {limits['StartLimitBurst']} starts within {limits['StartLimitIntervalSec']} s",
    ):
        assert words in page
    assert f"Every {service_manager.STATUS_EVERY_S:.0f} s, if it has changed" in page
    assert f"{listeners.BACKLOG:,} of them" in page
    assert f"Every {int(service['WatchdogSec']) // service_manager.PINGS} s, if the event loop answers" in page
