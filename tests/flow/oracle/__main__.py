"""The long form: `python -m tests.flow.oracle`. Its table goes to standard output and, after every 50 kills, to ORACLE_RESULT.

ORACLE_KILLS, ORACLE_OBLIGATIONS and ORACLE_SEED say how long; ORACLE_FOLDER on which disk. Exit code 1: something was violated.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.flow.oracle.story import Plan, Result, run
from tests.flow.oracle.table import machine, table


def main() -> int:
    """Run it as the environment says."""
    kills = int(os.environ.get("ORACLE_KILLS", "1000"))
    obligations = int(os.environ.get("ORACLE_OBLIGATIONS", "1000000"))
    target = Path(os.environ.get("ORACLE_RESULT", "oracle-result.md"))
    with tempfile.TemporaryDirectory(prefix="oracle-", dir=os.environ.get("ORACLE_FOLDER")) as folder:
        conditions = machine(Path(folder))

        def tell(result: Result) -> None:
            target.write_text(table(result, conditions) + "\n", encoding="utf-8")

        seed, events = int(os.environ.get("ORACLE_SEED", "1")), max(1, obligations // kills)
        plan = Plan(seed, kills, events, users=2000, batch=100, pack=50, faults=0.25, tell=tell)
        result = asyncio.run(run(Path(folder), plan))
    print(table(result, conditions))
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
