"""What a call that tells of users and groups changes in the directory. Pure: each store hands in its own view of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from router.store.rows import DirectoryUpdate
from router.traits import is_known

MAX_TRAITS_BYTES = 32 * 1024
"""Merged traits of a user or group are cut to this: those that were told longest ago first, of one call the largest first."""

Traits = dict[str, Any]
_encode = msgspec.json.encode


class View(Protocol):
    """The rows of the directory, inside the transaction that accepts the call."""

    def person(self, user_key: str) -> Traits | None:
        """Merged traits of a user."""
        ...

    def put_person(self, user_key: str, traits: Traits) -> None:
        """Replace them."""
        ...

    def company(self, group_id: str) -> tuple[Traits, dict[str, int]] | None:
        """Merged traits of a group, and the position of the call that first told each."""
        ...

    def put_company(self, group_id: str, traits: Traits, since: Mapping[str, int]) -> None:
        """Replace them."""
        ...

    def membership(self, user_key: str) -> tuple[str, int] | None:
        """The newest membership of a user: (group, position of the call that told it)."""
        ...

    def put_membership(self, user_key: str, pos: int, group_id: str, call_pos: int) -> None:
        """Add one that begins at a position."""
        ...

    def link(self, anonymous_key: str) -> str | None:
        """The user an anonymousId was linked to last."""
        ...

    def put_link(self, anonymous_key: str, pos: int, user_key: str) -> None:
        """Add a link that begins at a position."""
        ...

    def tell_consent(self, user_key: str, pos: int, told: Mapping[str, bool]) -> None:
        """A user's preferences as of a position."""
        ...

    def take_over_consent(self, from_key: str, user_key: str, pos: int) -> None:
        """A user takes over the preferences of a key, as of a position."""
        ...


def fold(view: View, pos: int, update: DirectoryUpdate) -> None:
    """Merge traits, record a change of membership and a link, and what is said of consent, as of `pos`."""
    if update.user_traits:
        view.put_person(update.user_key, _merged(view.person(update.user_key) or {}, update.user_traits))
    if update.group_id is not None:
        _merge_company(view, pos, update.group_id, update.group_traits)
        if update.joins:
            _join(view, update.user_key, pos, update.group_id, pos)
            if update.user_key.startswith("a:"):
                _join_linked_user(view, update.user_key, pos, update.group_id)
    if update.link is not None and view.link(update.link[0]) != update.link[1]:
        anonymous_key, user_key = update.link
        view.put_link(anonymous_key, pos, user_key)
        _inherit(view, pos, anonymous_key, user_key)
        if update.follows_consent:
            view.take_over_consent(anonymous_key, user_key, pos)
    if update.former is not None:
        _inherit(view, pos, update.former, update.user_key)
        if update.follows_consent:
            view.take_over_consent(update.former, update.user_key, pos)
    if update.preferences:
        _tell_consent(view, pos, update.preferences_of, update.preferences)


def fold_late(view: View, pos: int, update: DirectoryUpdate) -> None:
    """The same for a call that is told only now: later calls may have said more by then, so what they said of traits stands."""
    known = (view.person(update.user_key) or {}) if update.user_traits else {}
    new = {name: value for name, value in (update.user_traits or {}).items() if name not in known}
    told = dict(update.group_traits)
    if update.group_id is not None:
        company, since = view.company(update.group_id) or ({}, {})
        told = {name: value for name, value in told.items() if name not in company}
        earlier = {
            name: pos for name, value in update.group_traits.items() if is_known(value) and since.get(name, 0) > pos
        }
        if earlier:
            view.put_company(update.group_id, company, since | earlier)
    fold(view, pos, msgspec.structs.replace(update, user_traits=new, group_traits=told))


def _merge_company(view: View, pos: int, group_id: str, told: Mapping[str, Any]) -> None:
    traits, since = view.company(group_id) or ({}, {})
    told = {name: value for name, value in told.items() if is_known(value) or name not in traits}
    since |= {name: pos for name, value in told.items() if is_known(value) and name not in since}
    traits = _merged(traits, told)
    view.put_company(group_id, traits, {name: at for name, at in since.items() if name in traits})


def _join(view: View, user_key: str, pos: int, group_id: str, call_pos: int) -> None:
    """A membership gets a row on change only."""
    current = view.membership(user_key)
    if current is None or current[0] != group_id:
        view.put_membership(user_key, pos, group_id, call_pos)


def _join_linked_user(view: View, anonymous_key: str, pos: int, group_id: str) -> None:
    """A group call with only an anonymousId also speaks for the user it is linked to, if they have no group."""
    user_key = view.link(anonymous_key)
    if user_key is not None and view.membership(user_key) is None:
        view.put_membership(user_key, pos, group_id, pos)


def _tell_consent(view: View, pos: int, user_keys: Sequence[str], told: Mapping[str, bool]) -> None:
    """What an anonymousId alone says counts for the user it is linked to as well."""
    keys = dict.fromkeys(user_keys)
    if len(keys) == 1 and user_keys[0].startswith("a:") and (linked := view.link(user_keys[0])) is not None:
        keys[linked] = None
    for key in keys:
        view.tell_consent(key, pos, told)


def _inherit(view: View, pos: int, from_key: str, user_key: str) -> None:
    """Who has no group takes over that of the key that has become theirs."""
    earlier = view.membership(from_key)
    if earlier is not None and view.membership(user_key) is None:
        view.put_membership(user_key, pos, *earlier)


def _merged(traits: Traits, told: Mapping[str, Any]) -> Traits:
    """Both together, what is told as the newest of them, without what does not fit."""
    merged = {name: value for name, value in traits.items() if name not in told}
    longest_ago = list(merged)
    merged.update(told)
    excess = len(_encode(merged)) - MAX_TRAITS_BYTES
    if excess <= 0:
        return merged
    sizes = {name: len(_encode({name: merged[name]})) - 1 for name in merged}  # a comma in place of the two brackets
    largest = sorted(told, key=lambda name: sizes[name], reverse=True)
    for name in (*longest_ago, *largest):
        del merged[name]
        excess -= sizes[name]
        if excess <= 0:
            break
    return merged
