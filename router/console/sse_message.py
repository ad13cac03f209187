"""A rendering as the bytes of a server-sent event. They are made once, however many browsers show the page."""

from __future__ import annotations


class Message:
    """The bytes: those of all browsers, and where the form token of each goes."""

    def __init__(self, html: str, token: str, mark: str = "", rows: bytes = b"") -> None:
        """`token`: what stands in the page for the form token; `mark`: for these rows, which are one line."""
        lines = html.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\ndata: ")
        text = f"data: {lines}\n\n".encode()
        self._parts = (text.replace(mark.encode(), rows) if rows else text).split(token.encode())

    def bytes_for(self, form_token: str) -> bytes:
        """What this browser gets. A page without a form is the same bytes for all."""
        return form_token.encode().join(self._parts)
