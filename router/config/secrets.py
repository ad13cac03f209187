"""Secrets named in config.toml: a table with exactly one of `env`, `file` or `credential` names the place of the value.

config.toml can so live under version control. Values are read once, when the file is loaded, and again at each reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from router.errors import RouterError

KINDS = ("env", "file", "credential")


class SecretMissing(RouterError):
    """A secret is not where config.toml says it is. `what` was not found, and how to provide it."""

    def __init__(self, what: str, remedy: str, *, credential: str = "") -> None:
        """`credential`: its name, where only a service can have it, and this process is none."""
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.credential = credential


class LookedUp(SecretStr):
    """A secret that config.toml names, with the place where it was looked up: `env BRAZE_API_KEY`."""

    def __init__(self, value: str, place: str, *, is_missing: bool = False) -> None:
        """`is_missing`: nothing is there, and the value stands for it: a destination that sends nothing needs none."""
        super().__init__(value)
        self.place, self.is_missing = place, is_missing


def place_of(table: Mapping[str, Any]) -> str:
    """Where a secret's table says that the value is."""
    return ", ".join(f"{kind} {place}" for kind, place in table.items())


def is_secret_table(value: Any) -> bool:
    """Whether a value of config.toml is a secret's table: nothing but `env`, `file` and `credential` in it."""
    return isinstance(value, dict) and bool(value) and set(value) <= set(KINDS)


def resolve_secret(table: Mapping[str, Any], base_dir: Path, environ: Mapping[str, str]) -> str:
    """The secret that a table names.

    Args:
        table: `{env = NAME}`, `{file = PATH}` (relative to `base_dir`) or `{credential = NAME}`, which is a file in
            `$CREDENTIALS_DIRECTORY`. One newline at the end of a file is left out.

    Raises:
        ValueError: the table is not in one of these forms.
        SecretMissing: there is nothing at the place it names.
    """
    if len(table) != 1 or not set(table) <= set(KINDS):
        raise ValueError('a secret is a table with exactly one of env, file, credential, e.g. { env = "API_KEY" }')
    ((kind, place),) = table.items()
    if not isinstance(place, str) or not place:
        raise ValueError(f'the {kind} of a secret is a name, e.g. {{ {kind} = "api_key" }}')
    if kind == "env":
        return _from_environment(place, environ)
    if kind == "file":
        return _from_file(base_dir / place, f'write the secret into that file, or correct `file = "{place}"`')
    if "/" in place or place in (".", ".."):
        raise ValueError(f'a credential is a plain name without "/", not "{place}"')
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise SecretMissing(
            f'no $CREDENTIALS_DIRECTORY to look up "{place}" in',
            f"start it by systemd with LoadCredential={place}:PATH",
            credential=place,
        )
    return _from_file(Path(folder) / place, f"add LoadCredential={place}:PATH to the service")


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name)
    if value is None:
        raise SecretMissing(f"the environment variable {name} is not set", "set it before the start")
    if not value:
        raise SecretMissing(f"the environment variable {name} is empty", "give it a value")
    return value


def _from_file(path: Path, remedy: str) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")  # an editor's byte order mark is no part of the secret
    except FileNotFoundError:
        raise SecretMissing(f"there is no file {path}", remedy) from None
    except OSError as error:
        raise SecretMissing(f"{path} cannot be read ({error.strerror})", remedy) from None
    except UnicodeDecodeError:
        raise SecretMissing(f"{path} is not UTF-8 text", remedy) from None
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretMissing(f"{path} is empty", remedy)
    return value
