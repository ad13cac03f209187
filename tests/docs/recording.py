"""docs/demo.svg: the output of `segment-router demo`, line by line as it appeared.

    python -m tests.docs.recording      # runs the demo and writes the picture

`tests/flow/test_demo.py` fails while the picture shows other lines than the demo prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from xml.sax.saxutils import escape

from tests.docs.pages import ROOT

PICTURE = ROOT / "docs/demo.svg"
COLUMNS, LINE_PX, CHARACTER_PX, MARGIN_PX = 80, 19, 8.4, 16
LONGEST_WAIT_S = 1.2
"""A wait in the recording is cut to this, so that a busy machine makes no slower picture."""

STYLE = """
  rect { fill: #16181d }
  text { font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #aeb4bf; white-space: pre;
         opacity: 0; animation: show 0.1s linear forwards }
  .told { fill: #ffffff; font-weight: bold }
  .command { fill: #7cc5ff }
  .tick { fill: #86d993 }
  @keyframes show { to { opacity: 1 } }
  @media (prefers-reduced-motion: reduce) { text { animation: none; opacity: 1 } }
"""


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(picture(run()), encoding="utf-8")


def run() -> list[tuple[float, str]]:
    """Each line that the demo prints, with the seconds since its start. Raises CalledProcessError if the demo fails."""
    command = [sys.executable, "-m", "router", "demo"]
    environ = {**os.environ, "SEGMENT_ROUTER_COMMAND": "./run"}
    lines = [(0.0, "$ ./run demo")]
    shown_s = 0.0
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        before = time.monotonic()
        for line in demo.stdout:
            now = time.monotonic()
            shown_s += min(now - before, LONGEST_WAIT_S)
            before = now
            lines.append((shown_s, line.rstrip("\n")))
    if demo.returncode:
        raise subprocess.CalledProcessError(demo.returncode, command)
    return lines


def picture(lines: list[tuple[float, str]]) -> str:
    """An SVG file that shows each line at its time."""
    width, height = round(COLUMNS * CHARACTER_PX + 2 * MARGIN_PX), len(lines) * LINE_PX + 2 * MARGIN_PX
    texts = [
        f'<text class="{kind(line)}" xml:space="preserve" x="{MARGIN_PX}" y="{MARGIN_PX + (number + 1) * LINE_PX - 5}"'
        f' style="animation-delay: {at_s:.2f}s">{escape(line)}</text>'
        for number, (at_s, line) in enumerate(lines)
        if line
    ]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            "<title>The output of ./run demo</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{width}" height="{height}" rx="6"/>',
            *texts,
            "</svg>",
            "",
        ]
    )


def kind(line: str) -> str:
    """How a line is coloured."""
    if line.lstrip().startswith("$ "):
        return "command"
    if line.startswith("  ✓"):
        return "tick"
    return "output" if line.startswith(" ") else "told"


def shown(svg: str) -> list[str]:
    """The lines in a picture, with placeholders for what differs between two runs: times, dates and the two users' turns."""
    return comparable(re.findall(r"<text [^>]*>(.*?)</text>", svg))


def comparable(lines: list[str]) -> list[str]:
    """Lines with a placeholder for each date, time and rate; deliveries of two users in the order of the alphabet."""
    plain = [re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", "DATE", line) for line in lines if line]
    plain = [re.sub(r"in [\d.]+ s \(\d+/s\)", "in N s (N/s)", line) for line in plain]
    deliveries = iter(sorted(line for line in plain if "ClientSuccess got" in line))
    return [next(deliveries) if "ClientSuccess got" in line else line for line in plain]


if __name__ == "__main__":
    main()
