"""What the service manager is told arrives, keeps its order, and is never waited for."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from router.daemon.notify_socket import KEPT, NotifySocket, notify_socket, watchdog_s
from tests.unit.daemon.manager import Manager


def test_a_message_has_a_line_for_each_field(tmp_path: Path) -> None:
    with Manager(tmp_path) as manager:
        with closing(NotifySocket(manager.address)) as ours:
            ours.tell(STOPPING="1", STATUS="stopping: SIGTERM")
        assert manager.told() == ["STOPPING=1\nSTATUS=stopping: SIGTERM"]


def test_a_value_cannot_begin_a_field_of_its_own(tmp_path: Path) -> None:
    with Manager(tmp_path) as manager:
        with closing(NotifySocket(manager.address)) as ours:
            ours.tell(STATUS="a name\nMAINPID=1")
        assert manager.told() == ["STATUS=a name MAINPID=1"]


def test_an_address_can_be_abstract() -> None:
    name = f"segment-router-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        with closing(NotifySocket(f"@{name}")) as ours:
            ours.tell(READY="1")
        assert receiver.recv(100) == b"READY=1"


def test_a_receiver_that_reads_nothing_is_not_waited_for_and_is_told_later_in_order(tmp_path: Path) -> None:
    with Manager(tmp_path) as manager, closing(NotifySocket(manager.address)) as ours:
        while ours.tell_once(WATCHDOG="1"):  # until its queue is full
            pass
        ours.tell(RELOADING="1")
        ours.tell(READY="1")
        assert not ours.tell_once(WATCHDOG="1")
        assert set(manager.told()) == {"WATCHDOG=1"}
        assert ours.tell_once(STATUS="well")
        assert manager.told() == ["RELOADING=1", "READY=1", "STATUS=well"]


def test_what_waits_for_a_receiver_is_bounded_and_the_newest_stays(tmp_path: Path) -> None:
    with closing(NotifySocket(str(tmp_path / "manager"))) as ours:
        for n in range(KEPT + 5):
            ours.tell(READY=str(n))
        with Manager(tmp_path) as manager:
            assert ours.tell_untold()
            assert manager.told() == [f"READY={n}" for n in range(5, KEPT + 5)]


def test_the_variables_are_read_once_and_left_to_no_child() -> None:
    environ = {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())}
    ours = notify_socket(environ)
    assert ours is not None
    ours.close()
    assert watchdog_s(environ) == 90.0
    assert environ == {}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "vsock:2:1234"},
    ],
)
def test_what_is_meant_for_another_process_or_cannot_be_used_counts_as_absent(environ: dict[str, str]) -> None:
    assert notify_socket(environ) is None
    assert watchdog_s(environ) == 0.0
