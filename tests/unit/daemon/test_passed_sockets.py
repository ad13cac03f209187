"""Sockets of systemd are taken by their names, and only what can be served, where config.toml says, is taken."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from router.config import Listen
from router.daemon import passed_sockets
from router.daemon.passed_sockets import check_addresses, take_passed_sockets
from router.errors import ConfigError


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Parent:
    """Passes copies of sockets from descriptor 3 on, as far as this process is concerned."""

    def __init__(self, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack, self._monkeypatch = stack, monkeypatch

    def passes(self, *sockets: socket.socket, names: str) -> dict[str, str]:
        """The environment that tells of them."""
        first = 700
        for number, one in enumerate(sockets, first):
            os.dup2(one.fileno(), number)
        self._monkeypatch.setattr(passed_sockets, "FIRST_FD", first)
        return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names, "HOME": "/"}

    def listens(self, host: str = "127.0.0.1", port: int = 0) -> socket.socket:
        """A listening socket."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        one = self._stack.enter_context(socket.create_server((host, port), family=family))
        one.set_inheritable(True)
        return one


@pytest.fixture
def parent(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Parent:
    return Parent(stack, monkeypatch)


def address(one: socket.socket) -> Listen:
    return Listen(*one.getsockname()[:2])


def every(passed: passed_sockets.Passed) -> list[socket.socket]:
    return [one for sockets in passed.values() for one in sockets]


def test_each_listener_gets_the_sockets_of_its_name_and_children_get_none(parent: Parent) -> None:
    ours = [parent.listens() for _ in range(3)]
    environ = parent.passes(*ours, names="ingest:admin:ingest")
    passed = take_passed_sockets(environ)
    assert [address(one) for one in passed["ingest"]] == [address(ours[0]), address(ours[2])]
    assert [address(one) for one in passed["admin"]] == [address(ours[1])]
    assert not any(one.get_inheritable() or one.getblocking() for one in every(passed))
    assert environ == {"HOME": "/"}
    for one in every(passed):
        one.close()


def test_without_any_or_with_those_of_another_process_there_are_none(parent: Parent) -> None:
    environ = parent.passes(parent.listens(), names="ingest") | {"LISTEN_PID": "1"}
    assert take_passed_sockets({}) == {}
    assert take_passed_sockets(environ) == {}
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize("names", ["", "segment-router.socket"])
def test_a_socket_without_the_name_of_a_listener_is_refused(parent: Parent, names: str) -> None:
    with pytest.raises(ConfigError, match="needs FileDescriptorName=ingest or admin"):
        take_passed_sockets(parent.passes(parent.listens(), names=names))


def test_what_is_no_listening_tcp_socket_is_refused(parent: Parent, stack: ExitStack, tmp_path: Path) -> None:
    unbound = stack.enter_context(socket.socket())
    datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    local = stack.enter_context(socket.socket(socket.AF_UNIX))
    local.bind(str(tmp_path / "socket"))
    local.listen()
    for one in (unbound, datagrams, local):
        with pytest.raises(ConfigError, match="no listening TCP socket"):
            take_passed_sockets(parent.passes(one, names="admin"))


def test_a_number_that_is_no_socket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passed_sockets, "FIRST_FD", 799)
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "ingest"}
    with pytest.raises(ConfigError, match="no listening TCP socket"):
        take_passed_sockets(environ)


def test_a_socket_at_the_address_of_the_configuration_is_good_also_by_its_name(parent: Parent) -> None:
    one = parent.listens()
    port = address(one).port
    for host in ("127.0.0.1", "localhost"):
        check_addresses({"admin": [one]}, {"admin": Listen(host, port)})


def test_a_socket_elsewhere_is_refused_for_the_rules_of_the_configured_address_hold_there(parent: Parent) -> None:
    """An admin listener without a token is for loopback only; a socket unit must not get around that."""
    open_to_all = parent.listens("0.0.0.0")
    port = address(open_to_all).port
    with pytest.raises(ConfigError) as refused:
        check_addresses({"admin": [open_to_all]}, {"admin": Listen("127.0.0.1", port)})
    there, here = f"0.0.0.0:{port}", f"127.0.0.1:{port}"
    words = f"systemd passes a socket at {there}, and this is {here}: make it equal to ListenStream of the socket unit"
    assert refused.value.problems == [f"admin.listen: {words}"]


def test_a_host_that_has_no_address_matches_no_socket(parent: Parent, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror

    one = parent.listens()
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigError, match=r"and this is host\.invalid"):
        check_addresses({"ingest": [one]}, {"ingest": Listen("host.invalid", address(one).port)})
