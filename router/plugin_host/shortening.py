"""Bounds texts of plugins and vendors by their bytes in UTF-8, never in the middle of a character."""

from __future__ import annotations

GAP = " … "


def first_bytes(text: str, most: int) -> str:
    """The beginning of a text. No more of it than that is ever encoded."""
    if len(text) * 4 <= most:
        return text
    data = text[:most].encode("utf-8", "replace")
    if len(text) <= most and len(data) <= most:
        return text
    return data[:most].decode("utf-8", "ignore")


def both_ends(text: str, most: int) -> str:
    """The beginning and, three times as long, the end of a text: a traceback ends with the exception."""
    if len(text) > 2 * most:
        text = text[:most] + text[-most:]
    if len(text) * 4 <= most or len(data := text.encode("utf-8", "replace")) <= most:
        return text
    room = most - len(GAP.encode())
    head, tail = data[: room // 4], data[-(room - room // 4) :]
    return head.decode("utf-8", "ignore") + GAP + tail.decode("utf-8", "ignore")
