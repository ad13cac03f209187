"""`python -m router.bench`."""

from __future__ import annotations

import sys

from router.bench import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
