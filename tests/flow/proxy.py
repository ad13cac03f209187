"""Runs a proxy of docs/proxies.md in front of a daemon, with the configuration that the page shows."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from router.testing.ports import HeldPort
from tests.contract.http_client.certificates import Authority
from tests.docs.pages import ROOT, blocks
from tests.flow.harness import Daemon, eventually

PAGE = ROOT / "docs/proxies.md"
EVENTS, CONSOLE = "events.example.com", "router.example.com"
KINDS = {"nginx": "nginx", "Caddy": "caddy", "HAProxy": "haproxy"}
"""The heading of each configuration, and the program."""


def shown(kind: str) -> str:
    """The configuration on the page."""
    (block,) = [block for block in blocks(PAGE) if block.heading == kind]
    return block.text


class Proxy:
    """A proxy on a port of its own. Skips the test where the program is not on the machine."""

    def __init__(self, kind: str, folder: Path, daemon: Daemon) -> None:
        self._program = shutil.which(KINDS[kind]) or shutil.which(KINDS[kind], path="/usr/sbin:/usr/local/sbin")
        if self._program is None:
            pytest.skip(f"there is no {KINDS[kind]} on this machine")
        self._kind, self._folder, self._daemon = kind, folder, daemon
        folder.mkdir()
        self._held = HeldPort()
        self.port = self._held.number
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> ssl.SSLContext:
        """What a client of HTTP/1.1 needs to trust it."""
        context = ssl.create_default_context(cafile=str(self._folder / "ca.pem"))
        context.set_alpn_protocols(["http/1.1"])
        return context

    @property
    def authority(self) -> Path:
        """The certificate that a client trusts."""
        return self._folder / "ca.pem"

    async def __aenter__(self) -> Self:
        self._certify()
        text = shown(self._kind).replace("127.0.0.1:8080", f"127.0.0.1:{self._daemon.port}")
        text = text.replace("127.0.0.1:8081", f"127.0.0.1:{self._daemon.admin_port}")
        write: Callable[[str], list[str]] = getattr(self, f"_{KINDS[self._kind]}")
        command = write(text)
        self._process = self._start(command)
        await eventually(self._answers, what=f"{self._kind} answers")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        if error is not None:
            error.add_note((self._folder / "said").read_text(errors="replace")[-4000:])
        self._held.close()

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "said").open("wb") as said:
            return subprocess.Popen(command, cwd=self._folder, stdout=said, stderr=subprocess.STDOUT)

    def _certify(self) -> None:
        """A certificate for both names: `pair.pem` also has the key."""
        Authority(self._folder).server(f"DNS:{EVENTS},DNS:{CONSOLE}")
        parts = [(self._folder / name).read_text() for name in ("given.pem", "key.pem")]
        (self._folder / "pair.pem").write_text("".join(parts))

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "said").read_text()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    # ------------------------------------------------------------ what is around the configuration on a machine

    def _nginx(self, text: str) -> list[str]:
        folder = self._folder
        for name in (EVENTS, CONSOLE):
            text = text.replace(f"/etc/ssl/{name}.pem", str(folder / "given.pem"))
            text = text.replace(f"/etc/ssl/{name}.key", str(folder / "key.pem"))
        text = text.replace("listen 443 ", f"listen 127.0.0.1:{self.port} ")
        paths = [f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
        around = [
            "daemon off;",
            f"pid {folder}/pid;",
            "worker_processes 1;",
            "events {}",
            "http {",
            "access_log off;",
            *paths,
        ]
        (folder / "nginx.conf").write_text("\n".join([*around, text, "}"]))
        return [str(self._program), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    def _caddy(self, text: str) -> list[str]:
        tls = f"\ttls {self._folder}/given.pem {self._folder}/key.pem"
        for name in (EVENTS, CONSOLE):
            text = text.replace(f"{name} {{", f"https://{name}:{self.port} {{\n\tbind 127.0.0.1\n{tls}")
        own = f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {self._folder}\n\tservers {{\n\t\tprotocols h1 h2\n\t}}\n}}\n"
        (self._folder / "Caddyfile").write_text(own + text)
        return [str(self._program), "run", "--adapter", "caddyfile", "--config", str(self._folder / "Caddyfile")]

    def _haproxy(self, text: str) -> list[str]:
        for name in (EVENTS, CONSOLE):
            text = text.replace(f"/etc/haproxy/{name}.pem", str(self._folder / "pair.pem"))
        (self._folder / "haproxy.cfg").write_text(text.replace("bind :443 ", f"bind 127.0.0.1:{self.port} "))
        return [str(self._program), "-db", "-f", str(self._folder / "haproxy.cfg")]
