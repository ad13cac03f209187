"""What can be an address, a path and a header. Pure; the words are for the operator, and hold no value that may be a secret."""

from __future__ import annotations

import re

from router.plugin import url_fault

NOT_THERE = "missing-url"
"""What the router puts instead of a secret URL that is not set; it does so only where nothing is sent."""

OF_THE_BODY = {"content-length", "content-encoding", "transfer-encoding"}
OF_THE_CONNECTION = {"host", "connection", "expect", "te", "trailer", "upgrade", "keep-alive"}

_NOT_IN_KEYS = set("[]{}*")
_SENDABLE = re.compile(r"[ -~\t]*")


def address_fault(url: str) -> str:
    """Why nothing can be sent to an address; "" if it can."""
    return "" if url == NOT_THERE else url_fault(url)


def header_fault(name: str, value: str = "", *, has_token: bool) -> str:
    """Why a header cannot be set; "" if it can."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        return "that is not the name of a header"
    if name.lower() in OF_THE_BODY | OF_THE_CONNECTION:
        return "it is set by itself; leave it out"
    if name.lower() == "authorization" and has_token:
        return "the token is sent in this header; leave one of them out"
    return "" if is_sendable(value) else "its value may hold ASCII characters only, and no line break"


def is_sendable(value: str) -> bool:
    """Whether a text can be the value of a header."""
    return _SENDABLE.fullmatch(value) is not None


def answer_path_fault(path: str) -> str:
    """Why a path cannot lead to anything in an answer; "" if it can."""
    for key in path.split("."):
        if key != key.strip() or key in ("", "$") or not _NOT_IN_KEYS.isdisjoint(key):
            return f'"{path}" is no path; write keys with dots between, e.g. "result.errors"'
    return ""


def path_fault(literal: str, *, is_start: bool) -> str:
    """Why a literal part of a path cannot be sent; "" if it can."""
    if is_start and literal[:1] not in ("/", "?"):
        return 'begin it with "/" or "?"'
    if not re.fullmatch(r"[!-~]*", literal):
        return "write other characters, and blanks, percent-encoded"
    return "leave out # and what follows it; that is never sent" if "#" in literal else ""
