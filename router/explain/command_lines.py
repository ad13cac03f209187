"""What to type, without the name of the program: whoever shows it knows how that is called here. Pure."""

from __future__ import annotations

import shlex


def drop_destination(name: str) -> str:
    """Drops what is kept of a destination that was removed."""
    return f"destinations drop {shlex.quote(name)}"


def replay_one(destination: str, message_id: str) -> str:
    """Sends one message again."""
    return f"replay {shlex.quote(destination)} --message-id {shlex.quote(message_id)}"
