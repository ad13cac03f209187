"""Work on a plugin in a process of its own: what it says arrives, and its end is told and ends nothing else."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable

import pytest

from router.plugin_host.apart import Died, apart
from router.plugin_host.printed import MAX_PRINTED

pytestmark = pytest.mark.long

Say = Callable[[object], None]


def counts(say: Say, upto: int) -> None:
    print("this is printed, not said")
    for number in range(upto):
        say({"number": number})


def prints(say: Say, size: int) -> None:
    os.write(1, b"x" * size)
    os.write(2, b"the end")
    say("done")


def forks(say: Say) -> None:
    os.fork()
    say("done")


def leaves_a_thread(say: Say) -> None:
    threading.Thread(target=threading.Event().wait).start()
    say("done")


def reads_its_environment(say: Say, name: str) -> None:
    say(os.environ.get(name))


def exits(say: Say) -> None:
    say("before")
    os._exit(0)


def is_killed(say: Say) -> None:
    signal.raise_signal(signal.SIGKILL)


def crashes(say: Say) -> None:
    ctypes.string_at(0)


def hangs(say: Say) -> None:
    threading.Event().wait()


def test_what_the_work_says_arrives_in_order() -> None:
    assert list(apart(counts, 3)) == [{"number": 0}, {"number": 1}, {"number": 2}]


def test_what_it_prints_is_passed_on_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(apart(prints, 2)) == ["done"]
    assert capfd.readouterr() == ("", "xxthe end")


def test_of_endless_print_the_beginning_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(apart(prints, 3_000_000)) == ["done"]
    beginning, told, _ = capfd.readouterr().err.split("\n")
    assert beginning == "x" * MAX_PRINTED
    assert told == f"({3_000_000 + len('the end') - MAX_PRINTED:,} more bytes were printed)"


def test_of_a_process_that_forks_nothing_is_heard_twice() -> None:
    assert list(apart(forks)) == ["done"]


def test_a_thread_that_is_left_does_not_keep_it() -> None:
    assert list(apart(leaves_a_thread)) == ["done"]


def test_its_environment_can_be_given() -> None:
    given = {**os.environ, "OF_THE_TEST": "a value"}
    assert list(apart(reads_its_environment, "OF_THE_TEST", environ=given)) == ["a value"]


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (exits, "ended by itself with exit code 0, as os._exit does"),
        (is_killed, "was ended by SIGKILL, as the kernel does when memory is used up"),
        (crashes, r"was ended by SIGSEGV, at test_apart.py:\d+ in crashes"),
    ],
)
def test_the_end_of_the_process_is_told(work: Callable[[Say], None], words: str) -> None:
    with pytest.raises(Died, match=words):
        list(apart(work))


def test_what_was_said_before_the_end_is_there() -> None:
    said = apart(exits)
    assert next(said) == "before"
    with pytest.raises(Died):
        next(said)


def test_a_process_that_hangs_is_ended() -> None:
    with pytest.raises(Died, match=r"did nothing for 0\.5 s"):
        list(apart(hangs, silence_s=0.5))
