"""Bad plugins: lifetime, instances, secrets and deletions."""

from __future__ import annotations

import asyncio
import base64
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Any, ClassVar
from urllib.parse import quote

from router.plugin import (
    Answer,
    Event,
    Item,
    Outcome,
    Person,
    Reject,
    Request,
    Sender,
    Token,
    hookimpl,
    json_request,
    oauth_token,
    raise_for_status,
)
from tests.unit.testing.bad_plugins.good import DELETE, Base, Good, GoodSettings

_log = logging.getLogger(__name__)


class DoesNotOpen(Good):
    caught_by = "lifetime_opens"

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        raise ConnectionError("the server is down")
        yield


class FailsAtItsEnd(Good):
    caught_by = "lifetime_closes"

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        yield
        raise ConnectionError("the connection was closed already")


class HasATimeOutAroundItsLife(Good):
    caught_by = "lifetime_lasts"

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        async with asyncio.timeout(1800):
            yield


class OpensOnce(Good):
    caught_by = "lifetime_again"

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.was_opened = False

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        if self.was_opened:
            raise RuntimeError("it is closed")
        self.was_opened = True
        yield


class LeavesATask(Good):
    caught_by = "no_task_left"

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        self.task = asyncio.create_task(asyncio.Event().wait())
        yield


class LeavesATimer(Good):
    caught_by = "no_task_left"

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        asyncio.get_running_loop().call_later(3600, self.token.forget if hasattr(self.token, "forget") else int)
        yield


class LeavesAThread(Good):
    caught_by = "no_thread_left"
    ended: ClassVar[threading.Event] = threading.Event()

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        threading.Thread(target=self.ended.wait, name="left", daemon=True).start()
        yield


# ---------------------------------------------------------------- instances


class SharesItsConnection(Good):
    caught_by = "two_lives"
    is_open: ClassVar[bool] = False

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        type(self).is_open = True
        yield
        type(self).is_open = False

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        if not self.is_open:
            raise RuntimeError("the connection is closed")
        return await super().send(items, sender)


class KeepsSettingsAtTheClass(Good):
    caught_by = "instances_apart"

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        type(self).secret = settings.token.get_secret_value()

    secret: ClassVar[str] = ""

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        return Request(built.url, headers={**built.headers, "X-Account": self.secret}, body=built.body)


class SharesItsToken(Good):
    caught_by = "instances_apart"

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        if SharesItsToken.shared is None:
            SharesItsToken.shared = self.token
        self.token = SharesItsToken.shared

    shared: ClassVar[Token | None] = None


class RemembersEverybodyAtTheClass(Good):
    caught_by = "memory_bounded"
    seen: ClassVar[set[str]] = set()

    def body(self, event: Event) -> dict[str, Any]:
        self.seen.add(event.message_id)
        return super().body(event)


_seen: list[str] = []


class RemembersEverybodyInItsModule(Good):
    caught_by = "memory_bounded"

    def body(self, event: Event) -> dict[str, Any]:
        _seen.append(event.message_id)
        return super().body(event)


@cache
def _named(message_id: str) -> str:
    return message_id


class CachesWithoutABound(Good):
    caught_by = "memory_bounded"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "id": _named(event.message_id)}


class HasALoggerForEverybody(Good):
    """The logging package keeps each of them."""

    caught_by = "memory_bounded"

    def body(self, event: Event) -> dict[str, Any]:
        logging.getLogger(f"{__name__}.{event.user_id}").debug("mapped")
        return super().body(event)


class RemembersWhatItSent(Good):
    caught_by = "memory_bounded"

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.sent: set[str] = set()

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        self.sent |= {item.json.decode() for item in items}
        return await super().send(items, sender)


class RemembersEverybody(Good):
    caught_by = "memory_bounded"

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.seen: set[str] = set()

    def body(self, event: Event) -> dict[str, Any]:
        self.seen.add(event.message_id)
        return super().body(event)


# ---------------------------------------------------------------- secrets


class ShowsItsToken(Good):
    caught_by = "secrets_not_in_repr"

    def __repr__(self) -> str:
        return f"ShowsItsToken({self.settings.token.get_secret_value()})"


class StoresItsToken(Good):
    caught_by = "secrets_not_in_items"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "token": self.settings.token.get_secret_value()}


class StoresItsTokenInBase64(Good):
    caught_by = "secrets_not_in_items"

    def body(self, event: Event) -> dict[str, Any]:
        pair = f"user:{self.settings.token.get_secret_value()}"
        return {**super().body(event), "authorization": base64.b64encode(pair.encode()).decode()}


class NamesItsTokenInCheck(Good):
    caught_by = "secrets_not_in_words"

    @hookimpl
    async def check(self, sender: Sender) -> str:
        await super().check(sender)
        return f"the API takes {self.settings.token.get_secret_value()}"


class NamesItsToken(Good):
    caught_by = "secrets_not_in_words"

    def read(self, items: list[Item], answer: Answer) -> Any:
        if answer.status == 422 and len(items) == 1:
            return Reject("rejected", f"with {self.settings.token.get_secret_value()}")
        return super().read(items, answer)


class NamesItsTokenInHex(Good):
    caught_by = "secrets_not_in_words"

    def read(self, items: list[Item], answer: Answer) -> Any:
        if answer.status == 422 and len(items) == 1:
            return Reject("rejected", f"with {self.settings.token.get_secret_value().encode().hex()}")
        return super().read(items, answer)


class LogsATracebackWithItsToken(Good):
    caught_by = "secrets_not_in_words"

    def read(self, items: list[Item], answer: Answer) -> Any:
        try:
            if answer.status == 422:
                raise ValueError(f"refused with {self.settings.token.get_secret_value()}")
        except ValueError:
            _log.exception("refused")
        return super().read(items, answer)


class LogsTheBeginningOfItsToken(Good):
    caught_by = "secrets_not_in_words"

    def build(self, items: list[Item], token: str) -> Request:
        _log.info("posting with the token %s...", self.settings.token.get_secret_value()[:10])
        return super().build(items, token)


class KeepsATokenToItself(Good):
    caught_by = "run_time_secrets"
    kept = ""

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        if not self.kept:
            self.kept, _ = await self.ask(sender)
        answer = await sender.send(self.build(items, self.kept))
        if answer.status == 401:
            self.kept = ""
        told: Outcome | Sequence[Outcome] = self.read(items, answer)
        return told


# ---------------------------------------------------------------- tokens


class KeepsADeadToken(Good):
    caught_by = "token_renewed"
    kept = ""

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        if not self.kept:
            self.kept, _ = await self.ask(sender)
        sender.secret(self.kept)
        told: Outcome | Sequence[Outcome] = self.read(items, await sender.send(self.build(items, self.kept)))
        return told


class AsksOpenly(Good):
    caught_by = "token_private"

    async def ask(self, sender: Sender) -> tuple[str, float | None]:
        url, secret = f"{self.settings.base_url}/token", self.settings.token.get_secret_value()
        return oauth_token(await sender.send(json_request(url, {"secret": secret})))


class TakesALoginForAnEvent(Good):
    """A key that is refused with 400 rejects the events that wait for the token, one by one."""

    caught_by = "login_refused"

    async def ask(self, sender: Sender) -> tuple[str, float | None]:
        url, secret = f"{self.settings.base_url}/token", self.settings.token.get_secret_value()
        answer = await sender.send(json_request(url, {"secret": secret}, private=True))
        raise_for_status(answer, 2)
        return oauth_token(answer)


# ---------------------------------------------------------------- deletions


class SaysNothingOfPeople(Base):
    caught_by = "forget_said"
    api_version = 1
    forget_by_hand = ""


class SaysNothingOfGroups(Base):
    caught_by = "forget_group_said"
    api_version = 1
    forget_group_by_hand = ""


class DeletesEverything(Good):
    caught_by = "forget_names_them"

    @hookimpl
    def forget(self, person: Person) -> Any:
        return Item({"delete": "all"}, DELETE)


class DeletesSomebodyWithALongerId(Good):
    caught_by = "forget_names_them"

    @hookimpl
    def forget(self, person: Person) -> Any:
        return [Item({"user": f"{item.body['user']}0"}, DELETE) for item in super().forget(person)]


class LeavesTheAnonymousIds(Good):
    """Of somebody who has a userId."""

    caught_by = "forget_names_them"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "anonymous": event.anonymous_id}

    @hookimpl
    def forget(self, person: Person) -> Any:
        return super().forget(person)[:1]


class DeletesNobody(Good):
    caught_by = "forget_sends_them"

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        return json_request(built.url, {"delete": 1}, headers=built.headers) if items[0].kind == DELETE else built


class DeletesByPath(Good):
    """The slash in an id stays one."""

    caught_by = "forget_sends_them"

    def path(self, id: str) -> str:
        return quote(id)

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        id = items[0].body.get("user") or items[0].body.get("group")
        if items[0].kind != DELETE:
            return built
        return Request(f"{built.url}/{self.path(id)}", method="DELETE", headers=built.headers)


class DeletesInLowerCase(DeletesByPath):
    caught_by = "forget_sends_them"

    @hookimpl
    def forget(self, person: Person) -> Any:
        return [item for item in super().forget(person) if item.body["user"] != ".."]

    @hookimpl
    def forget_group(self, group_id: str) -> Any:
        return [] if group_id == ".." else super().forget_group(group_id)

    def path(self, id: str) -> str:
        return quote(id.lower(), safe="")
