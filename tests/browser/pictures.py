"""The pictures of the console in the docs: which page of which state each one shows. `screenshots.py` takes them."""

from __future__ import annotations

SCREENS: dict[str, str] = {
    "overview": "overview",
    "live": "live with discards",
    "person": "person, held",
    "group": "group, without a name",
    "find-none": "find, none",
    "event": "event, held",
    "event-request": "event, its request",
    "destination": "destination, holding",
    "destination-breaker": "destination, breaker open",
    "charts": "charts",
    "held": "held",
    "dead": "dead",
    "errors": "errors",
    "replay": "replay, its number",
    "source": "source",
    "try": "try",
    "settings": "settings",
    "edit": "edit",
}
"""The name of each file, and the page of the world that it shows."""

OF_STATES: dict[str, tuple[str, str]] = {
    "empty": ("empty", "empty, overview"),
    "full-disk": ("full disk", "full disk"),
    "held-store": ("held store", "held store"),
    "low-disk": ("low disk", "low disk"),
    "database-away": ("database away", "database away"),
    "held-up": ("held up", "held up, overview"),
    "refused-reload": ("refused reload", "refused reload, configuration"),
    "not-connected": ("not connected", "not connected, overview"),
    "two-troubles": ("two troubles", "two troubles"),
    "login": ("logged out", "login"),
    "replays": ("replay under way", "replays, under way"),
    "review": ("odd history", "edit, its difference"),
}
"""The same of states of a whole router: the state, and the page that shows it."""

DARK = ("overview",)
"""Those that are taken in the dark, too."""


def names() -> set[str]:
    """Of all files."""
    return {*SCREENS, *OF_STATES, *(f"{name}-dark" for name in DARK)}
