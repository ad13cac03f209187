"""Certificates for a test's vendor, made with the openssl command and gone with the test session."""

from __future__ import annotations

import ssl as tls
import subprocess
from pathlib import Path


class Authority:
    """A certificate authority in a folder. Raises FileNotFoundError where there is no openssl."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
        self._openssl(
            "req", "-x509", "-new", "-key", "key.pem", "-subj", "/CN=Test authority", "-days", "2", "-out", "ca.pem",
            "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._folder, check=True, capture_output=True)

    def server(self, names: str = "IP:127.0.0.1,DNS:vendor.example", days: int = 2) -> tls.SSLContext:
        """The vendor's side: a certificate for these names. With negative days it has expired."""
        (self._folder / "names").write_text(f"subjectAltName={names}\n")
        self._openssl("req", "-new", "-key", "key.pem", "-subj", "/CN=vendor", "-out", "asked.pem")
        self._openssl(
            "x509", "-req", "-in", "asked.pem", "-CA", "ca.pem", "-CAkey", "key.pem", "-CAcreateserial",
            "-days", str(days), "-extfile", "names", "-out", "given.pem",
        )  # fmt: skip
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "given.pem", self._folder / "key.pem")
        return context

    def wants_client(self, context: tls.SSLContext) -> tls.SSLContext:
        """The vendor asks for a client's certificate."""
        context.verify_mode = tls.CERT_REQUIRED
        context.load_verify_locations(self._folder / "ca.pem")
        return context

    def client(self) -> tls.SSLContext:
        """A client's side that trusts this authority."""
        context = tls.create_default_context(cafile=str(self._folder / "ca.pem"))
        context.set_alpn_protocols(["http/1.1"])
        return context

    def client_with_certificate(self) -> tls.SSLContext:
        """The same, with a certificate of its own."""
        self.server()
        context = self.client()
        context.load_cert_chain(self._folder / "given.pem", self._folder / "key.pem")
        return context
