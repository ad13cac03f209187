"""Bad plugins: what they read of the machine while they map, and what they change of the process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import locale
import logging
import os
import queue
import signal
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any

from router.plugin import Event, Item, Outcome, Sender
from tests.unit.testing.bad_plugins.good import Good


class WritesTheLocalTime(Good):
    caught_by = "same_elsewhere"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "at": event.timestamp.astimezone().isoformat()}


class WritesTheHour(Good):
    caught_by = "same_elsewhere"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "hour": time.localtime(event.timestamp.timestamp()).tm_hour}


class WritesASet(Good):
    caught_by = "same_elsewhere"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "names": list({*event.properties, *event.traits, "a", "b", "c"})}


class ReadsTheEnvironment(Good):
    caught_by = "mapping_without_io"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "region": os.environ.get("REGION_OF_NOBODY", "eu")}


class WritesTheYearOfNow(Good):
    caught_by = "mapping_without_clock"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "year": time.gmtime().tm_year}


class NamesTheMachine(Good):
    caught_by = "mapping_without_io"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "sender": os.uname().nodename}


# ---------------------------------------------------------------- the process


class Changes(Good):
    """Does something to the process before it sends."""

    caught_by = ""

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        self.change()
        return await super().send(items, sender)

    def change(self) -> None:
        raise NotImplementedError


class SilencesTheLog(Changes):
    caught_by = "process_unharmed"

    def change(self) -> None:
        logging.disable(logging.WARNING)


class ConfiguresTheLog(Changes):
    caught_by = "process_unharmed"

    def change(self) -> None:
        logging.getLogger().setLevel(logging.ERROR)


class TrustsEverybody(Changes):
    caught_by = "process_unharmed"

    def change(self) -> None:
        ssl._create_default_https_context = ssl._create_unverified_context  # type: ignore[assignment]


class OpensItsFilesToAll(Changes):
    caught_by = "process_unharmed"

    def change(self) -> None:
        os.umask(0)


class ReplacesAFunctionOfPython(Changes):
    """As libraries do that make everything wait in another way."""

    caught_by = "process_unharmed"

    def change(self) -> None:
        socket.create_connection = lambda *where, **more: None  # type: ignore[assignment]


class TakesTheThreadsOfTheLoop(Changes):
    caught_by = "process_unharmed"

    def change(self) -> None:
        asyncio.get_running_loop().set_default_executor(concurrent.futures.ThreadPoolExecutor(1))


class HidesTroublesOfTheLoop(Changes):
    caught_by = "process_unharmed"

    def change(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)


class SetsAnAlarm(Changes):
    caught_by = "process_unharmed"

    def change(self) -> None:
        with contextlib.suppress(OSError):
            signal.alarm(60)


class SpeaksC(Changes):
    caught_by = "process_unharmed"

    def change(self) -> None:
        locale.setlocale(locale.LC_ALL, "C.UTF-8")


class ChangesTheLogWhileItMaps(Good):
    caught_by = "process_unharmed"

    def body(self, event: Event) -> dict[str, Any]:
        logging.disable(logging.INFO)
        return super().body(event)


# ---------------------------------------------------------------- waits


class WaitsForAnEvent(Changes):
    caught_by = "sending_never_blocks"

    def change(self) -> None:
        threading.Event().wait(0.001)


class WaitsForAThread(Changes):
    caught_by = "sending_never_blocks"

    def change(self) -> None:
        thread = threading.Thread(target=threading.Event().wait, args=(0.05,))
        thread.start()
        thread.join()


class WaitsForAResult(Changes):
    caught_by = "sending_never_blocks"

    def change(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(threading.Event().wait, 0.05).result()


class WaitsForAQueue(Changes):
    caught_by = "sending_never_blocks"

    def change(self) -> None:
        with_nothing: queue.Queue[int] = queue.Queue()
        try:
            with_nothing.get(timeout=0.001)
        except queue.Empty:
            return
