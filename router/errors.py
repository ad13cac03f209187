"""Who must act: the error families of the router. A destination's outcomes live in `plugin.py`."""

from __future__ import annotations

from collections.abc import Sequence


class RouterError(Exception):
    """Base of every error the router raises on purpose. The class docstring is the default message."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


# ---- the sender must act: a 4xx, or a recorded discard


class InvalidCall(RouterError):
    """The call cannot be accepted."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class UnknownWriteKey(InvalidCall):
    """The write key is missing or belongs to no source of config.toml."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, status=401)


class TooLarge(InvalidCall):
    """The body is larger than the limit."""

    def __init__(self, message: str) -> None:
        super().__init__("payload_too_large", message, status=413)


# ---- the operator must act: refuse to start


class ConfigError(RouterError):
    """config.toml is not usable. `problems`: one line each, with key path, reason and remedy. Exit code 78."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PluginError(RouterError):
    """A plugin cannot be used: not found, not importable, or not in the form the contract asks for. Exit code 78."""


class StartError(RouterError):
    """The daemon cannot start here: port in use, store not writable. Exit code 1."""


class BackupError(RouterError):
    """A backup cannot be made, or cannot be restored. Exit code 1."""


class CopyError(RouterError):
    """A store cannot be copied into another one. Exit code 1."""


class RestartRequired(RouterError):
    """A reload would change keys that only a restart can change. `problems`: one line for each key."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"{', '.join(keys)}: changed, which needs a restart; nothing was changed")
        self.problems = [f"{key}: changed, which needs a restart; nothing was changed" for key in keys]


class ConfirmationRequired(RouterError):
    """A reload would do what cannot be undone. `problems`: one line for each, with what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CommandRefused(RouterError):
    """What an operator asked of a destination or the daemon cannot be done. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CommandNotBegun(CommandRefused):
    """What an operator asked of a destination was not begun, since its worker ends. Whatever takes its place may be asked."""

    def __init__(self, message: str = "the destination is stopping") -> None:
        super().__init__("stopping", message)


class CommandUnderWay(CommandRefused):
    """What an operator asked of a destination was accepted, and is not done yet. `command`: its number."""

    def __init__(self, command: int, message: str) -> None:
        super().__init__("under_way", message)
        self.command = command


# ---- the machine must recover: 503 with Retry-After, nothing acknowledged


class StoreError(RouterError):
    """The store could not do what it was asked."""


class StoreFull(StoreError):
    """The disk has too little room left, so no event is accepted until there is more."""


class StoreBusy(StoreError):
    """The store cannot take it now: more is waiting than may wait in memory, or another process holds a lock on it."""


class StoreAway(StoreError):
    """The database of the store cannot be reached now, so no event is accepted until it is back."""


class StoreClosed(StoreError):
    """The store is shut down."""


class StoreNewer(StoreError):
    """The store was written by a newer segment-router."""


class ClaimLost(StoreError):
    """Another owner has the destination now; nothing of the step was stored."""


class RegulationLost(StoreError):
    """Another process carries the regulation out now."""


class CommitFailed(StoreError):
    """A destination's own step could not be stored; it was rolled back alone."""
