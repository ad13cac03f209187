"""A vendor is reached step by step: name, connection, certificate, and how long that is valid."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router.clock import SystemClock
from router.doctor.finding import Finding
from router.doctor.reach import Address, about_days, address_of, reach
from router.doctor.vendors import addresses_of, own_addresses, vendor
from router.testing.ports import HeldPort
from tests.contract.http_client.certificates import Authority
from tests.unit.doctor.subjects import levels, subject_in

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that accepts connections, speaks TLS where it has a certificate, and closes; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    with connection:
                        if tls is None:
                            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                        else:
                            tls.wrap_socket(connection, server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def reached(port: int, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> list[Finding]:
    address = Address(host, port, tls is not None)
    return list(reach("braze", address, tls or ssl.create_default_context(), SystemClock()))


def test_a_name_without_an_address_is_named() -> None:
    [found] = reached(443, host="vendor.invalid")
    assert levels([found]) == [("dns", "warning")]
    assert found.sentence.startswith("braze: vendor.invalid has no address")


def test_a_port_that_nobody_listens_on_is_named() -> None:
    held = HeldPort()
    [found] = reached(held.number)
    held.close()
    assert levels([found]) == [("connect", "warning")]
    assert found.sentence == f"braze: 127.0.0.1:{held.number} does not accept connections (Connection refused)"


def test_a_vendor_without_tls_is_only_connected_to() -> None:
    with serving() as port:
        assert levels(reached(port)) == [("connect", "ok")]


@needs_openssl
def test_a_certificate_that_ends_soon_is_a_warning_and_one_that_does_not_is_none(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serving(authority.server(days=2)) as port:
        found = reached(port, authority.client())
    assert levels(found) == [("connect", "ok"), ("tls", "ok"), ("certificate", "warning")]
    assert f"the certificate of 127.0.0.1:{port} is valid for 1 day more" in found[-1].sentence
    with serving(authority.server(days=90)) as port:
        assert levels(reached(port, authority.client()))[-1] == ("certificate", "ok")


@needs_openssl
def test_an_expired_certificate_and_one_of_an_unknown_authority_are_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serving(authority.server(days=-1)) as port:
        found = reached(port, authority.client())
    assert levels(found) == [("connect", "ok"), ("tls", "warning")]
    assert "is not trusted: certificate has expired" in found[-1].sentence
    with serving(authority.server()) as port:
        found = reached(port, ssl.create_default_context())
    assert levels(found) == [("connect", "ok"), ("tls", "warning")]
    with serving(authority.server("DNS:other.example")) as port:
        assert "mismatch" in reached(port, authority.client())[-1].sentence


def test_a_vendor_that_speaks_no_tls_where_it_should_is_named() -> None:
    with serving() as port:
        found = reached(port, ssl.create_default_context())
    assert levels(found) == [("connect", "ok"), ("tls", "warning")]
    assert "does not speak TLS as expected" in found[-1].sentence


def test_the_days_of_a_certificate_are_judged() -> None:
    address = Address("vendor.example", 443, is_tls=True)
    assert [str(about_days("braze", address, days).level) for days in (0, 13, 14)] == ["warning", "warning", "ok"]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://rest.example/users?x=1", Address("rest.example", 443, is_tls=True)),
        ("http://[::1]:8080/x", Address("::1", 8080, is_tls=False)),
        ("postgresql://user:secret@db.example/warehouse?sslmode=require", Address("db.example", 5432, is_tls=False)),
        ("postgres://db.example:6432/warehouse", Address("db.example", 6432, is_tls=False)),
        ("amqps://queue.example:5671/x", Address("queue.example", 5671, is_tls=False)), ("user:80", None), ("//h:80", None),
        ("ftp://rest.example", None), ("https://***.example/x", None), ("project-1", None), ("https://[", None), ("https://h:99999", None),
    ],
)  # fmt: skip
def test_an_address_is_taken_from_a_url(url: str, address: Address | None) -> None:
    assert address_of(url) == address


DESTINATIONS = """
[[destination]]
name = "cs"
plugin = "clientsuccess"
[destination.settings]
project_id = "p"
api_key = "key-of-cs"
[[destination]]
name = "fs"
plugin = "freshsuccess"
[destination.settings]
region = "eu"
event_auth_key = "key-of-auth"
event_api_key = "key-of-events"
account_api_key = "key-of-accounts"
[[destination]]
name = "hook"
plugin = "webhook"
[destination.settings]
url = "http://127.0.0.1:9/hook"
[[destination]]
name = "file"
plugin = "file"
[destination.settings]
path = "out.jsonl"
[[destination]]
name = "warehouse"
plugin = "postgres"
[destination.settings]
dsn = "postgresql://user:secret@127.0.0.1:9/warehouse"
"""


def test_the_addresses_of_a_destination_are_those_that_its_requests_go_to(tmp_path: Path) -> None:
    subject = subject_in(tmp_path, DESTINATIONS)
    assert subject.problems == ()
    found = {one.name: {str(address) for address in addresses_of(one)} for one in subject.destinations}
    assert found == {
        "cs": {"usage.clientsuccess.com:443"},
        "fs": {"api-eu.freshsuccess.com:443", "events-eu.freshsuccess.com:443"},
        "hook": {"127.0.0.1:9"},
        "file": set(),
        "warehouse": {"127.0.0.1:9"},
    }


def test_every_address_of_a_destination_is_reached_and_one_without_any_says_so(tmp_path: Path) -> None:
    with serving() as port:
        subject = subject_in(tmp_path, DESTINATIONS.replace("127.0.0.1:9/", f"127.0.0.1:{port}/"))
        by_name = {one.name: one for one in subject.destinations}
        assert levels(vendor(by_name["hook"], subject)) == [("connect", "ok")]
        [found] = vendor(by_name["warehouse"], subject)
        assert (str(found.level), "secret" in found.sentence) == ("ok", False)
        assert [one.sentence for one in vendor(by_name["file"], subject)] == ["file: no address to reach"]


def test_the_addresses_for_messages_for_spans_and_for_clients_are_reached_too(tmp_path: Path) -> None:
    with serving() as port:
        url = f"http://127.0.0.1:{port}"
        tables = f'[server]\npublic_url = "{url}"\n[notify]\nurl = "{url}/hook-secret"\n[tracing]\nendpoint = "{url}"\n'
        found = list(own_addresses(subject_in(tmp_path, tables)))
    assert levels(found) == [("connect", "ok")] * 3
    assert [one.sentence.split(":")[0] for one in found] == ["notify.url", "server.public_url", "tracing.endpoint"]
    assert "hook-secret" not in str(found)
