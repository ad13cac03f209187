"""Runs many cases in one daemon, beside each other: each has a destination and a source of its own, of the case's name.

They share the router's directory, so the users and groups of a case must be its own as well.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.flow.harness import Daemon, Table


class CaseDaemon(Daemon):
    """A daemon with one destination a case."""

    def __init__(self, folder: Path, destinations: Sequence[Table], **tables: Table) -> None:
        super().__init__(folder, [{**table, "sources": [table["name"]]} for table in destinations], **tables)
        self.told: list[str] = []  #: every answer of the admin API

    def write_config(self) -> None:
        """With a source for each destination."""
        super().write_config()
        with self.config.open("a", encoding="utf-8") as config:
            for table in self.destinations:
                name = json.dumps(table["name"])
                config.write(f"[[source]]\nname = {name}\nwrite_key = {json.dumps(key_of(table['name']))}\n")

    async def send(self, case: str, *calls: Mapping[str, Any]) -> None:
        """Send calls to the source of a case, in one request; it must be answered 200."""
        headers = {"Authorization": "Basic " + b64encode(f"{key_of(case)}:".encode()).decode()}
        async with self._http.post(f"{self.url}/v1/batch", json={"batch": calls}, headers=headers) as answer:
            assert answer.status == 200, (case, answer.status, await answer.text())

    async def admin(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Ask, and keep the answer."""
        status, answer = await super().admin(method, path, body)
        self.told.append(json.dumps(answer, ensure_ascii=False))
        return status, answer


def key_of(case: str) -> str:
    """The write key of a case's source."""
    return f"wk_{case}"
