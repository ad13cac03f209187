"""A vendor that wants a token first, and that a contact is looked up before each update."""

from __future__ import annotations

from urllib.parse import quote

from router.plugin import (
    Answer,
    Context,
    Delivered,
    Event,
    Item,
    Outcome,
    Request,
    SecretStr,
    Sender,
    Settings,
    Token,
    by_status,
    hookimpl,
    json_request,
    oauth_token,
)


class ContactsSettings(Settings):
    """Where to, and what a token is given for."""

    base_url: str
    client_secret: SecretStr


class Contacts:
    """Three requests an event: token (kept while it lasts), look-up, update."""

    settings_model = ContactsSettings

    def __init__(self, settings: ContactsSettings) -> None:
        self.settings = settings
        self._token = Token(self._ask)

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """An update of the contact."""
        group = context.group
        return Item({"user": event.user_id, "did": event.name, "plan": group.traits.get("plan") if group else None})

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        """Look the contact up, then update it; a token that has expired is asked for again, once."""
        body = items[0].body
        found = await self._send(sender, "GET", f"contacts?user={quote(body['user'], safe='')}", None)
        if found.status != 200:
            return self._judge(found)
        answer = await self._send(sender, "POST", f"contacts/{found.json()['id']}", body)
        return self._judge(answer)

    def _judge(self, answer: Answer) -> Outcome:
        outcome = by_status(answer, 1)
        return Delivered() if answer.status == 204 else outcome

    async def _send(self, sender: Sender, method: str, path: str, body: object) -> Answer:
        return await self._token.send(sender, lambda token: self._request(method, path, body, token))

    def _request(self, method: str, path: str, body: object, token: str) -> Request:
        url = f"{self.settings.base_url}/{path}"
        return json_request(url, body, method=method, headers={"Authorization": f"Bearer {token}"})

    async def _ask(self, sender: Sender) -> tuple[str, float | None]:
        form = f"client_secret={self.settings.client_secret.get_secret_value()}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = f"{self.settings.base_url}/token"
        answer = await sender.send(Request(url, headers=headers, body=form.encode(), private=True))
        assert answer.json()["refresh_token"] == self.settings.client_secret.get_secret_value()  # as the vendor sent it
        return oauth_token(answer)
