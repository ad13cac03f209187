"""Plays scenes between one API of a vendor and the running daemon: what the vendor answers, and what follows.

All scenes of an API are played in one daemon, beside each other, each with a destination and users of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.flow.harness import Table, destination, eventually
from tests.vendors.cases import CaseDaemon
from tests.vendors.strict import Fault, Seen, StrictVendor

Call = dict[str, Any]


@dataclass(frozen=True)
class Api:
    """One API of a vendor, and a call that makes one request to it."""

    plugin: str
    vendor: Callable[[], StrictVendor]
    settings: Mapping[str, Any]
    secrets: tuple[str, ...]
    ok: int  #: the status of its success
    call: Callable[[str, str], Call]  #: of this user, with this word in it
    before: Callable[[str], Call] | None = None  #: what must be known of a user first; never sent


@dataclass
class Scene:
    """One scene: its destination, its users, its place at the vendor."""

    api: Api
    name: str
    vendor: StrictVendor
    daemon: CaseDaemon

    @property
    def requests(self) -> list[Seen]:
        """What the vendor got, in the order of arrival."""
        return self.vendor.seen[self.name]

    def fault(self, fault: Fault) -> None:
        """What the vendor answers in place of its own judgement."""
        self.vendor.faults[self.name] = fault

    def words(self, seen: Seen) -> list[str]:
        """The words of the events in a request; a whole call has its own in the message id as well."""
        return [*dict.fromkeys(re.findall(r"\bword-\w+", f"{seen.url} {seen.body.decode()}"))]

    async def send(self, *words: str) -> None:
        """An event for each word, each of a user of its own."""
        for word in words:
            user = self.user(word)
            if self.api.before is not None:
                await self.daemon.send(self.name, {**self.api.before(user), "messageId": f"{user}/before"})
            await self.send_call(word, self.api.call(user, word))

    async def send_call(self, word: str, call: Call) -> None:
        """One call, to be asked for by this word."""
        await self.daemon.send(self.name, {"timestamp": "2024-03-01T10:00:00.000Z", **call, "messageId": self.id(word)})

    async def together(self, *words: str) -> None:
        """The same, gathered behind a pause: so that they go out together."""
        await self.command("pause")
        await self.send(*words)
        await self.command("resume")

    async def command(self, verb: str) -> None:
        """Pause or resume the destination."""
        status, answer = await self.daemon.admin("POST", f"/api/destinations/{self.name}/{verb}")
        assert status == 200, answer

    async def becomes(self, word: str, state: str, reason: str | None = None) -> None:
        """Wait for the state of an event."""
        await self.daemon.becomes(self.id(word), self.name, state, reason)

    async def attempts(self, word: str) -> list[dict[str, Any]]:
        """The attempts of an event."""
        found: list[dict[str, Any]] = (await self.daemon.message(self.id(word)))["destinations"][self.name]["attempts"]
        return found

    async def tries(self, word: str) -> list[tuple[int | None, str]]:
        """Status and reason of each attempt of an event."""
        return [(attempt["status"], attempt["reason"]) for attempt in await self.attempts(word)]

    async def details(self) -> dict[str, str]:
        """The vendor's words for each dead letter, by the word of its event."""
        dead = await self.daemon.get(f"/api/destinations/{self.name}/dead")
        return {item["message_id"].rpartition("/")[2]: item["detail"] for item in dead["items"]}

    async def pauses(self, reason: str) -> None:
        """Wait until the destination is paused for this reason."""

        async def paused() -> bool:
            counts = await self.daemon.counts(self.name)
            return (counts["state"], counts["state_reason"]) == ("paused", reason)

        await eventually(paused, what=f"{self.name} is paused: {reason}")

    async def fate(self, word: str) -> tuple[str, str]:
        """State and reason of an event."""
        return await self.daemon.fate(self.id(word), self.name)

    def user(self, word: str) -> str:
        """The user of an event."""
        return f"{self.name}-{word.removeprefix('word-')}"

    def id(self, word: str) -> str:
        """The message id of an event."""
        return f"{self.name}/{word}"


@dataclass
class Played:
    """What came of the scenes of an API: by name, the error that ended a scene."""

    errors: dict[str, Exception | None] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)


async def play(
    api: Api, scenes: Mapping[str, Callable[[Scene], Awaitable[None]]], tables: Mapping[str, Table], folder: Path
) -> Played:
    """Play them all. `tables`: further keys of a scene's destination."""
    played = Played()
    async with api.vendor() as vendor:
        destinations = [
            destination(name, api.plugin, vendor.enrol(name, api.settings), **tables.get(name, {})) for name in scenes
        ]
        daemon = CaseDaemon(folder, destinations, log={"level": "debug"})
        async with daemon:

            async def run(name: str) -> None:
                try:
                    await scenes[name](Scene(api, name, vendor, daemon))
                    played.errors[name] = None
                except Exception as error:
                    played.errors[name] = error

            await asyncio.gather(*map(run, scenes))
            if not any(played.errors.values()):
                await daemon.settled()
            await daemon.get("/api/destinations")
        played.leaks = leaks(daemon, api.secrets)
    return played


def leaks(daemon: CaseDaemon, secrets: tuple[str, ...]) -> list[str]:
    """Where a secret stands that was given to nobody but the vendor: answers of the admin API, and files but config.toml."""
    texts = {f"answer {n}": told.encode() for n, told in enumerate(daemon.told)}
    texts |= {path.name: path.read_bytes() for path in daemon.folder.iterdir() if path != daemon.config}
    return [f"{where}: {secret}" for where, text in texts.items() for secret in secrets if secret.encode() in text]
