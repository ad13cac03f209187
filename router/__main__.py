"""`python -m router` is `segment-router`."""

import sys

from router.cli.process import run

if __name__ == "__main__":
    sys.exit(run())
