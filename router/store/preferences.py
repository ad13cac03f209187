"""What is kept of a user's consent, where it is followed, and how it changes. Pure: each store has its own rows.

One row a user, with what each category says and since when, the newest first.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

MAX_CATEGORIES = 100
"""Categories that are kept of a user: those that were told of last, of one event those that it tells first."""

Preferences = dict[str, tuple[bool, int]]
"""By category: whether it is given, and the position of the event since which that is so."""

decode = msgspec.json.Decoder(Preferences).decode
encode = msgspec.json.encode


def told(known: Preferences, pos: int, says: Mapping[str, bool]) -> Preferences | None:
    """What is known once a user has said this as of a position. None where they say what they said before."""
    changed = {id: given for id, given in says.items() if id not in known or known[id][0] is not given}
    if not changed:
        return None
    now = {id: (given, pos) if id in changed else known[id] for id, given in says.items()}
    return _bounded(now | {id: one for id, one in known.items() if id not in says})


def taken_over(theirs: Preferences, own: Preferences, pos: int) -> Preferences | None:
    """What is known once a user takes over what a key said that has become theirs at this position, of each category the newest. What
    it denied the user denies from here on. None where nothing changes."""
    newer = {
        id: (given, at if given else pos) for id, (given, at) in theirs.items() if id not in own or at > own[id][1]
    }
    return _bounded(newer | {id: one for id, one in own.items() if id not in newer}) if newer else None


def _bounded(row: Preferences) -> Preferences:
    return dict(list(row.items())[:MAX_CATEGORIES])


def denied_at(row: Preferences) -> int:
    """The position of the newest denial of a category that is denied still; 0: none is."""
    return max((pos for given, pos in row.values() if not given), default=0)


def denials(own: Preferences, of_linked: Preferences) -> dict[str, int]:
    """What a user denies, with the position since which that is so. An anonymousId also denies what its user has denied later."""
    row = own | {id: (given, pos) for id, (given, pos) in of_linked.items() if id not in own or own[id][1] < pos}
    return {id: pos for id, (given, pos) in row.items() if not given}
