"""Plugins whose requests need something first, such as an id that is looked up: some are good, some keep or believe too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from router.plugin import (
    Batch,
    Item,
    Outcome,
    Request,
    RetryLater,
    Sender,
    by_status,
    json_request,
    raise_for_login,
    raise_for_status,
)
from tests.unit.testing.bad_plugins.good import DELETE, Good, GoodSettings

MAX_KNOWN = 500


class LooksUp(Good):
    """The account of each user, which it keeps on the instance."""

    kinds: Mapping[str, Batch] = {"": Batch(), DELETE: Batch()}

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.accounts: dict[str, str] = {}

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        if self.needs_account(items[0]):
            await self.look_up(items[0].body["user"], sender)
        return await super().send(items, sender)

    def needs_account(self, item: Item) -> bool:
        return item.kind != DELETE and isinstance(item.body.get("user"), str)

    async def look_up(self, user: str, sender: Sender) -> None:
        if user not in self.accounts:
            await self.ask_for(user, sender)
            self.keep(user)

    async def ask_for(self, user: str, sender: Sender) -> None:
        raise_for_status(await self.token.send(sender, lambda token: self.account_of(user, token)))

    def account_of(self, user: str, token: str) -> Request:
        headers = {"Authorization": f"Bearer {token}"}
        return json_request(f"{self.settings.base_url}/accounts", {"user": user}, headers=headers)

    def keep(self, user: str) -> None:
        if len(self.accounts) >= MAX_KNOWN:
            self.accounts.clear()
        self.accounts[user] = "an account"


class LogsInItsOwnWay(Good):
    """A vendor that is made up gives it no session."""

    async def ask(self, sender: Sender) -> tuple[str, float | None]:
        url, secret = f"{self.settings.base_url}/session", self.settings.token.get_secret_value()
        answer = await sender.send(json_request(url, {"key": secret}, private=True))
        raise_for_login(answer)
        told = answer.json()
        session = told.get("session") if isinstance(told, dict) else None
        if not isinstance(session, str):
            raise RetryLater("unreadable_session")
        return session, None


class CreatesWhatIsNotThere(Good):
    """A 404 says that there is nothing to update."""

    kinds: Mapping[str, Batch] = {"": Batch(), DELETE: Batch()}

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        def update(token: str) -> Request:
            built = self.build(items, token)
            return Request(f"{built.url}/known", "PATCH", built.headers, built.body)

        answer = await self.token.send(sender, update)
        if answer.status == 404:
            return await super().send(items, sender)
        return by_status(answer, len(items))


class AsksWhoIsKnown(LooksUp):
    """A 404 says that the user is not known yet."""

    async def ask_for(self, user: str, sender: Sender) -> None:
        def known(token: str) -> Request:
            headers = {"Authorization": f"Bearer {token}"}
            return Request(f"{self.settings.base_url}/known", "GET", headers=headers)

        answer = await self.token.send(sender, known)
        if answer.status != 404:
            raise_for_status(answer)


# ---------------------------------------------------------------- bad


class KeepsAccountsAtTheClass(LooksUp):
    """Those of tracked users: an account of one destination is used by another one."""

    shared: ClassVar[dict[str, str]] = {}

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.accounts = self.shared

    def needs_account(self, item: Item) -> bool:
        return super().needs_account(item) and item.body.get("name") is not None


class KeepsTheTokenOfDeletionsAtTheClass(Good):
    shared: ClassVar[dict[str, str]] = {}

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        if items[0].kind != DELETE:
            return await super().send(items, sender)
        if "token" not in self.shared:
            self.shared["token"], _ = await self.ask(sender)
        token = self.shared["token"]
        sender.secret(token)
        answer = await sender.send(self.build(items, token))
        if answer.status == 401:
            self.shared.clear()
        told: Outcome | Sequence[Outcome] = self.read(items, answer)
        return told


_headers: dict[str, str] = {}


class KeepsTheFirstSecret(Good):
    """All destinations of the process send it."""

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        _headers.setdefault("X-Account", self.settings.token.get_secret_value())
        return Request(built.url, headers={**built.headers, **_headers}, body=built.body)


class BelievesThatItWasFound(LooksUp):
    """Whatever the vendor has answered."""

    async def ask_for(self, user: str, sender: Sender) -> None:
        await self.token.send(sender, lambda token: self.account_of(user, token))


class KeepsWhatItHasNotGot(LooksUp):
    """An attempt that fails fills the cache, too."""

    async def look_up(self, user: str, sender: Sender) -> None:
        if user not in self.accounts:
            self.keep(user)
            await self.ask_for(user, sender)


ALSO_GOOD: Sequence[type[Any]] = (LooksUp, CreatesWhatIsNotThere, AsksWhoIsKnown)
