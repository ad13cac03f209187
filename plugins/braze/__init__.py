"""Braze (formerly Appboy): identify to attributes, track to events, orders to purchases, all by `POST /users/track`.

Choices where the vendor's integrations differ: the traits `name` and `id` are kept, as custom attributes; null removes an
attribute, also under a renamed trait; page and screen calls are sent only when a setting says so.

Braze does not deduplicate: an answer that got lost on its way can count an event twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from plugins.braze import mapping
from plugins.braze.forms import MAX_TEXT, cut
from plugins.braze.kinds import DELETE, IDENTIFY, MAX_MERGES, MERGE, PATHS, TRACK
from plugins.braze.settings import BrazeSettings
from plugins.braze.verdict import not_braze, read_answer
from router.plugin import (
    JSON,
    Answer,
    Batch,
    Context,
    Event,
    Item,
    Outcome,
    Person,
    Reject,
    Request,
    Sender,
    Skip,
    as_text,
    by_status,
    hookimpl,
    iso_instant,
    json_request,
)

__all__ = ["Braze", "BrazeSettings"]

ORDER_NAME = re.compile(r"[ _]*(order[ _]*completed|completed[ _]*order)[ _]*", re.IGNORECASE)


class Braze:
    """An item is one object, as the part of the request that holds it: `{"events": [{...}]}`. Counting items counts objects."""

    api_version = (1, 1)
    display_names = (
        "Braze",
        "Appboy",
        "Braze Cloud Mode (Actions)",
        "Braze Web Mode (Actions)",
        "Braze Web Device Mode (Actions)",
    )
    forget_group_by_hand = "it has no groups: delete the attribute of users ab_segment_group_GROUP there"
    settings_model = BrazeSettings

    def __init__(self, settings: BrazeSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {
            TRACK: Batch(max_items=settings.max_objects, max_bytes=4_000_000),
            IDENTIFY: Batch(max_items=MAX_MERGES),
            MERGE: Batch(max_items=MAX_MERGES),
            DELETE: Batch(max_items=MAX_MERGES),
        }

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        """Where the digest of a user's last identify is kept, if repeats are to be dropped."""
        if event.type != "identify" or not self.settings.drop_repeats:
            return None
        return f"u:{event.user_id}" if event.user_id else f"a:{event.anonymous_id}"

    @hookimpl
    def identify(self, event: Event, context: Context) -> list[Item]:
        """The traits of this call, as one attributes object; before them, the alias that is this user now."""
        user, left_out = self._user(event), list[str]()
        fields = mapping.attributes(event.traits, left_out)
        tell(left_out, context)
        label, items = self.settings.anonymous_alias_label, []
        if label and event.user_id and event.anonymous_id:
            known = {"external_id": event.user_id, "user_alias": mapping.alias(event.anonymous_id, label)}
            items.append(Item({"aliases_to_identify": [known]}, IDENTIFY))
        if fields:
            items.append(Item({"attributes": [{**fields, **user}]}))
        if not items:
            raise Skip("no_traits")
        if self.settings.drop_repeats:
            said = mapping.digest([item.body for item in items])
            if said is not None and said == context.state and not mapping.may_repeat(fields):
                raise Skip("unchanged")
            context.state = said
        return items

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """An attribute of the user that says which group they are in."""
        user = self._user(event)
        if not event.group_id:
            raise Reject("invalid_group_id", "a group call needs a groupId")
        attribute = f"ab_segment_group_{event.group_id}"
        if len(attribute) > MAX_TEXT:  # cut, it would be another group's
            raise Reject("invalid_group_id", f"the attribute {attribute[:17]}... has more than {MAX_TEXT} characters")
        return Item({"attributes": [{**user, attribute: True}]})

    @hookimpl
    def track(self, event: Event, context: Context) -> Item | list[Item]:
        """A custom event; a completed order becomes purchases instead."""
        user = self._user(event)
        if not (event.name and event.name.strip()):
            raise Reject("invalid_event_name", "a track call needs an event")
        if ORDER_NAME.fullmatch(event.name):
            return self._order(user, event, context)
        return self._event(user, event, context, event.name, event.properties)

    @hookimpl
    def page(self, event: Event, context: Context) -> Item:
        """An event, when a setting asks for pages."""
        return self._view(event, context, "Page")

    @hookimpl
    def screen(self, event: Event, context: Context) -> Item:
        """An event, when a setting asks for pages."""
        return self._view(event, context, "Screen")

    @hookimpl
    def alias(self, event: Event, context: Context) -> list[Item]:
        """Two users are one: their profiles are merged, when a setting asks for it."""
        if not self.settings.merge_on_alias:
            raise Skip("unsupported")
        if not event.user_id:
            raise Skip("no_user_id")
        if not event.previous_id:
            raise Reject("invalid_previous_id", "an alias call needs a previousId")
        merge = {
            "identifier_to_merge": {"external_id": event.previous_id},
            "identifier_to_keep": {"external_id": event.user_id},
        }
        return [Item({"merge_updates": [merge]}, MERGE)] if event.previous_id != event.user_id else []

    @hookimpl
    def forget(self, person: Person) -> list[Item]:
        """The profile of the user, and the alias-only profiles of their anonymousIds, if those are sent."""
        label = self.settings.anonymous_alias_label
        items = [Item({"external_ids": [person.user_id]}, DELETE)] if person.user_id else []
        if label:
            aliases = [mapping.alias(anonymous, label) for anonymous in person.anonymous_ids]
            items += [Item({"user_aliases": [alias]}, DELETE) for alias in aliases]
        return items

    def _user(self, event: Event) -> dict[str, JSON]:
        user = mapping.identifier(event, self.settings.anonymous_alias_label)
        if self.settings.update_existing_only:
            user["_update_existing_only"] = True
        elif "user_alias" in user:
            user["_update_existing_only"] = False  # said aloud: for an alias Braze takes true where nothing is said
        return user

    def _app(self) -> dict[str, JSON]:
        return {"app_id": self.settings.app_id} if self.settings.app_id else {}

    def _event(
        self, user: Mapping[str, JSON], event: Event, context: Context, name: str, properties: Mapping[str, JSON]
    ) -> Item:
        left_out: list[str] = []
        sent = mapping.properties(properties, left_out)
        tell(left_out, context)
        known = {**user, **self._app(), "name": cut(name), "time": iso_instant(event.timestamp)}
        return Item({"events": [{**known, "properties": sent} if sent else known]})

    def _view(self, event: Event, context: Context, what: str) -> Item:
        category = as_text(event.category) or as_text(event.properties.get("category"))
        name = as_text(event.name) or as_text(event.properties.get("name"))
        if not (self.settings.track_all_pages or (self.settings.track_named_pages and name)):
            raise Skip("unsupported")
        title = " ".join(part for part in (category, name) if part)
        called = {key: part for key, part in (("category", category), ("name", name)) if part}
        shown = f"Viewed {title} {what}" if name else f"Loaded a {what}"
        return self._event(self._user(event), event, context, shown, {**event.properties, **called})

    def _order(self, user: Mapping[str, JSON], event: Event, context: Context) -> list[Item]:
        products = event.properties.get("products")
        if not isinstance(products, list):
            if products is not None:
                context.warn("products_not_a_list")
            products = []
        left_out: list[str] = []
        bought = [
            mapping.purchases(product, event.properties, left_out, self.settings.purchase_properties)
            for product in products
        ]
        if [] in bought:
            context.warn("products_dropped", products=bought.count([]))
        tell(left_out, context)
        shared = {**user, **self._app(), "time": iso_instant(event.timestamp)}
        items = [Item({"purchases": [{**shared, **part}]}) for parts in bought for part in parts]
        if not items:
            raise Skip("no_products")
        return items

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """All objects of the items in one body, each array in the order of the items."""
        body: dict[str, list[JSON]] = {}
        for item in items:
            for array, objects in item.body.items():
                body.setdefault(array, []).extend(objects)
        return self._post(items[0].kind, body)

    def _post(self, kind: str, body: Mapping[str, JSON]) -> Request:
        key = self.settings.api_key.get_secret_value()
        url = f"{self.settings.base_url.rstrip('/')}{PATHS[kind]}"
        return json_request(url, body, headers={"Authorization": f"Bearer {key}"})

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """By status, and object by object where the answer names some: see `verdict.py`."""
        return read_answer(items, answer)

    @hookimpl
    async def check(self, sender: Sender) -> str:
        """Send a request without any object: Braze looks at the key first, then refuses that there is nothing in it."""
        answer = await sender.send(self._post(TRACK, {}))
        if answer.status == 400 and isinstance(answer.json(), dict):
            return "Braze takes our key; nothing was stored, since the request had nothing in it"
        outcome = by_status(answer, 1)
        raise outcome if isinstance(outcome, Exception) else not_braze(answer)


def tell(left_out: Sequence[str], context: Context) -> None:
    """Warn once per call that fields were left out. Their names come from the sender, so the log does not get them."""
    if left_out:
        context.warn("fields_left_out", fields=len(left_out))
