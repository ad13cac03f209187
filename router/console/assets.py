"""Scripts and styles. They are read once, and their address has their hash, so that browsers may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from aiohttp import web

TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOLDER = files("router.console") / "static"


class Asset(NamedTuple):
    """One file, as it goes out."""

    content_type: str
    plain: bytes
    zipped: bytes
    tag: str


class Assets:
    """The files by name."""

    def __init__(self) -> None:
        vendor = FOLDER / "vendor"
        found = [*FOLDER.iterdir(), *vendor.iterdir()]
        self._files = {file.name: _read(file) for file in found if _suffix(file) in TYPES}

    def address(self, name: str) -> str:
        """Where a browser finds a file."""
        return f"/static/{self._files[name].tag}/{name}"

    async def serve(self, request: web.Request) -> web.Response:
        """The file that the path names. An address with another hash is that of another version: not found."""
        asset = self._files.get(request.match_info["name"])
        if asset is None or asset.tag != request.match_info["tag"]:
            raise web.HTTPNotFound(text="there is no such file")
        takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        if takes_gzip:
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return web.Response(
            body=asset.zipped if takes_gzip else asset.plain, content_type=asset.content_type, headers=headers
        )


def manifest() -> list[dict[str, Any]]:
    """The files of others: name, version, licence, source and SHA-256 of each."""
    text = (FOLDER / "vendor" / "manifest.json").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = json.loads(text)
    return entries


def _suffix(file: Traversable) -> str:
    return file.name[file.name.rfind(".") :]


def _read(file: Traversable) -> Asset:
    plain = file.read_bytes()
    return Asset(TYPES[_suffix(file)], plain, gzip.compress(plain, 9, mtime=0), hashlib.sha256(plain).hexdigest()[:12])
