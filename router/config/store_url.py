"""`store.url`: a file of SQLite, or a database of PostgreSQL, whose address may hold a password."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import ValidationInfo

from router.extras import pip_install
from router.vocabulary import MASK

_HOST = r"([^\s/@,?#:\[\]]+|\[[0-9a-fA-F:.]+\])(:[0-9]+)?"
DATABASE = rf"postgres(ql)?://([^\s/@?#]*@)?({_HOST}(,{_HOST})*)?/[^\s/?#]+(\?[^\s#]*)?"
FILE = r"sqlite:(/|/?[^/].*)"
PATTERN = f"{FILE}|{DATABASE}"
"""What the text of `store.url` looks like."""
OUT_OF_SIGHT = "postgresql://known-only-to-the-service/router"
"""Stands for a database whose address this process cannot look up."""
INSTALL_POSTGRES = (
    "the store on PostgreSQL needs asyncpg, which is not installed; install it with"
    f" `{pip_install('postgres')}`, or write sqlite:PATH"
)


def is_database(url: str) -> bool:
    """Whether it means a database of PostgreSQL."""
    return url.startswith(("postgresql:", "postgres:"))


def is_asyncpg_installed() -> bool:
    """Whether a database can be reached. Nothing is imported for that."""
    return find_spec("asyncpg") is not None


def read_store_url(value: str, info: ValidationInfo) -> str:
    """The text of the key, with an absolute path in it. What it says is in no error: it may be a password."""
    if is_database(value):
        return check_database(value)
    place = value.removeprefix("sqlite:")
    if place == value or not place or place == ":memory:" or place.startswith("//"):
        raise ValueError(
            'not a store; write "sqlite:" and a path, e.g. "sqlite:var/router.db" or "sqlite:/data/router.db", or'
            ' "postgresql://USER@HOST/DATABASE"'
        )
    state_dir = info.context["state_dir"] if info.context else Path()
    return f"sqlite:{state_dir / place}"


def check_database(url: str) -> str:
    """The same address. Raises ValueError, which does not have it, where it is none of a database."""
    if not re.fullmatch(DATABASE, url):
        raise ValueError(
            'not a database; write e.g. "postgresql://router@db.example.com/router", and each sign of the password that is'
            " no letter or digit as % and two hex digits"
        )
    return url


def passwords_in(url: str) -> list[str]:
    """The passwords in the address of a database, as it has them and as they are."""
    parts = urlsplit(url)
    written = [parts.netloc.rpartition("@")[0].partition(":")[2]]
    written += [value for key, value in parse_qsl(parts.query) if key in ("password", "sslpassword")]
    return [one for one in dict.fromkeys([*written, *map(unquote, written)]) if one]


def without_passwords(text: str, url: str) -> str:
    """What a fault says of a database, without the passwords of its address."""
    for secret in sorted(passwords_in(url), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def shown_url(url: str) -> str:
    """The same without anything that may be a secret: of a database, where it is and its name."""
    if not is_database(url):
        return url
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
