"""Logs by itself what it does, its token included, which it should not."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from router.plugin import Delivered, Event, Item, Outcome, SecretStr, Sender, Settings, hookimpl

log = logging.getLogger(__name__)


class TalkerSettings(Settings):
    """What it talks about."""

    token: SecretStr


class Talker:
    """Sends nothing."""

    settings_model = TalkerSettings

    def __init__(self, settings: TalkerSettings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event) -> Item:
        """Its name."""
        return Item(event.name)

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        """Tells the log."""
        token = self.settings.token.get_secret_value()
        session = f"session-{token[::-1]}"
        sender.secret(session)
        log.info("sending %s with %s and %s", items[0].body, token, session)
        try:
            raise ValueError(f"token {token}")
        except ValueError:
            log.warning("no luck with %s", token, exc_info=True)
        return Delivered()
