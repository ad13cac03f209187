"""The long form: `python -m tests.flow.fuzz --seconds 3600 --seed 1`. Exit code 1: something was not withstood."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import traceback
from functools import partial
from pathlib import Path

from tests.flow.fuzz.story import CLIENT_PARTS, LIMIT_KB, Plan, run


def main() -> int:
    """Run it as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.flow.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to attack (60)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn; timing is not part of it (1)")
    parser.add_argument(
        "--part", action="append", choices=CLIENT_PARTS, help="attack in this way only; may be repeated"
    )
    parser.add_argument(
        "--gap", type=float, default=0.15, help="mean seconds between two attacks of one attacker (0.15)"
    )
    parser.add_argument("--attackers", type=int, default=2, help="attackers of each part (2)")
    parser.add_argument(
        "--limit", type=int, default=LIMIT_KB, help=f"what the daemon may take at most, in KiB ({LIMIT_KB:,})"
    )
    parser.add_argument(
        "--give-way",
        type=int,
        default=0,
        help="how much nicer than the daemon clients and vendors are (0); see nice(1)",
    )
    parser.add_argument("--folder", help="where store and log are written, and stay (a temporary folder)")
    given = parser.parse_args()
    tell = partial(print, flush=True)
    parts = given.part or CLIENT_PARTS
    plan = Plan(given.seed, given.seconds, parts, given.gap, given.attackers, given.limit, given.give_way, tell)
    tell(f"seed {plan.seed}, {plan.seconds:g} s")
    with contextlib.ExitStack() as stack:
        folder = Path(given.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            asyncio.run(run(folder, plan))
        except (AssertionError, BaseExceptionGroup) as error:
            traceback.print_exception(error)
            return 1
    tell("withstood")
    return 0


if __name__ == "__main__":
    sys.exit(main())
